"""The roofline: how many bytes a layer needs, and that it can be drawn."""

from __future__ import annotations

import pytest

from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from benchmarks.reporting import figures, roofline
from tests.benchmarks.made_up import run, seconds


def test_each_operand_is_read_or_written_once() -> None:
    layer = Layer("", "", 2, 3, 5, 7, 4, 3)
    # image, weights and bias: 2·3·5·7, 4·3·3·3, 4; gradient of the output: 2·4·3·5
    assert roofline.least_bytes(layer, "forward") == 4 * (210 + 108 + 4 + 120)
    assert roofline.least_bytes(layer, "step") == 4 * (2 * (210 + 108) + 120 + 4)
    assert roofline.least_bytes(layer, "input-grad") == 4 * (210 + 108 + 120)


def test_kinds() -> None:
    kinds = {layer.name: roofline.kind(layer) for layer in LAYERS}
    assert kinds["resnet50.res3_1x1"] == "1×1"
    assert kinds["inception3.1x7_192_17"] == "dense"
    assert kinds["resnext50.g32_128_56"] == "grouped"
    assert kinds["convnext.dw384_14"] == "depthwise"


@pytest.mark.parametrize("width", [figures.WIDE, figures.NARROW])
def test_the_chart_is_drawn_where_the_machine_was_measured(width: float) -> None:
    made = run({"loops": seconds(50), "torch": seconds(100)})
    figure = roofline.draw(made, "forward", width)
    assert figure is not None
    assert "FLOPs per byte" in figures.svg(figure, "roofline")
    made.machine["bandwidth"] = None
    assert roofline.draw(made, "forward", width) is None
