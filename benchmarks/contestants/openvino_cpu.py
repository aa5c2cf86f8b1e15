"""OpenVINO's CPU plugin, on a model of one Conv node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.base import Contestant, Run, one_array, only_forward
from benchmarks.contestants.onnx_model import conv_model
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer


class OpenVINO(Contestant):
    """Compiled for latency: one stream with all threads; weights packed at compilation."""

    kind = "library"
    name = "openvino"
    label = "OpenVINO"
    about = "a compiled model of one Conv node, in float32; weights packed when it is compiled"
    packages = ("openvino", "onnx")
    distributions = ("openvino", "onnx")
    rough_gflops = 150.0
    prepacks = True

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return only_forward(direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        import openvino

        core = openvino.Core()
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # It would take bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        model = core.compile_model(core.read_model(conv_model(layer, data)), "CPU", options)
        request = model.create_infer_request()
        request.set_input_tensor(openvino.Tensor(data.x, shared_memory=True))

        def infer() -> NDArray[np.float32]:
            # It writes into our array: its own result would have to be copied out of the request.
            y = np.empty(layer.output_shape, np.float32)
            request.set_output_tensor(openvino.Tensor(y, shared_memory=True))
            request.infer()
            return y

        return Run(infer, one_array)
