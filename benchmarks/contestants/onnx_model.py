"""A layer as an ONNX model of one Conv node, for the runtimes that read such models."""

from __future__ import annotations

from benchmarks.problems.data import Data
from benchmarks.problems.layer import Layer


def conv_model(layer: Layer, data: Data) -> bytes:
    """Return the model, weights and bias inside."""
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
    # An opset and a file version that every runtime of the last years reads.
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=onnx.IR_VERSION_2021_7_30
    )
    return bytes(model.SerializeToString())
