"""ONNX Runtime's CPU provider, on a model of one Conv node."""

from __future__ import annotations

from benchmarks.contestants.base import Contestant, Run, only_forward
from benchmarks.contestants.onnx_model import conv_model
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer


class OnnxRuntime(Contestant):
    """Weights are part of the model, so that it packs them once, ahead of the timed calls."""

    kind = "library"
    name = "onnxruntime"
    label = "ONNX Runtime"
    about = "a session of one Conv node; weights packed once when the session is made"
    packages = ("onnxruntime", "onnx")
    distributions = ("onnxruntime", "onnx")
    rough_gflops = 150.0
    prepacks = True

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return only_forward(direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            conv_model(layer, data), options, providers=["CPUExecutionProvider"]
        )
        return Run(lambda: session.run(None, {"x": data.x}), tuple)
