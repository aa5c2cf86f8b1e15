"""ONNX Runtime's CPU provider, on a model of one Conv node."""

from __future__ import annotations

from benchmarks.contestants.base import Contestant, Run
from benchmarks.data import Data
from benchmarks.layers import Layer
from benchmarks.truth import Direction


class OnnxRuntime(Contestant):
    """Weights are part of the model, so that it packs them once, ahead of the timed calls."""

    kind = "library"
    name = "onnxruntime"
    label = "ONNX Runtime"
    about = "a session of one Conv node; weights packed once when the session is made"
    packages = ("onnxruntime", "onnx")
    distributions = ("onnxruntime", "onnx")
    rough_gflops = 150.0

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return "inference only" if direction == "backward" else None

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            _model(layer, data), options, providers=["CPUExecutionProvider"]
        )
        return Run(lambda: session.run(None, {"x": data.x}), tuple)


def _model(layer: Layer, data: Data) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node(
        "Conv",
        ["x", "weight", "bias"],
        ["y"],
        strides=[layer.stride] * 2,
        pads=layer.padding_size * 2,
        dilations=[layer.dilation] * 2,
        group=layer.groups,
    )
    graph = helper.make_graph(
        [node],
        "one layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, layer.x_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, layer.output_shape)],
        [
            numpy_helper.from_array(data.weight, "weight"),
            numpy_helper.from_array(data.bias, "bias"),
        ],
    )
    # An opset and a file version that every ONNX Runtime of the last years reads.
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=onnx.IR_VERSION_2021_7_30
    )
    return bytes(model.SerializeToString())
