"""The table of layers: figures worked out by hand, and what a cut keeps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.problems.layer import SMALLEST_OUTPUT, Layer
from benchmarks.problems.layers import LAYERS
from tests.walking import in_one_test

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {layer.name: layer for layer in LAYERS}

# output rows × columns × filters × images, times products per output, times two
HAND_FLOPS = {
    "resnet50.conv1": 112 * 112 * 64 * (3 * 7 * 7) * 2,
    "resnet50.res2_1x1": 56 * 56 * 256 * 64 * 2,
    "resnet50.res3_3x3_s2": 28 * 28 * 128 * (128 * 9) * 2,
    "resnet50.res5_3x3": 7 * 7 * 512 * (512 * 9) * 2,
    "vgg16.conv1_2": 224 * 224 * 64 * (64 * 9) * 2,
    "mobilenetv2.dw96_112_s2": 56 * 56 * 96 * 9 * 2,
    "resnext50.g32_128_56": 56 * 56 * 128 * (4 * 9) * 2,
    "deeplab.d2_256_28": 28 * 28 * 256 * (256 * 9) * 2,
    "convnext.dw96_56": 56 * 56 * 96 * 49 * 2,
    "cifar.32_64_b32": 32 * 32 * 64 * 32 * (32 * 9) * 2,
    "lenet5.6_16_b64": 10 * 10 * 16 * 64 * (6 * 25) * 2,
    "unet.64_256": 256 * 256 * 64 * (64 * 9) * 2,
    "alexnet.conv1": 55 * 55 * 64 * (3 * 121) * 2,
    "inception3.1x7_192_17": 17 * 17 * 192 * (192 * 7) * 2,
    "inception3.7x1_192_17": 17 * 17 * 192 * (192 * 7) * 2,
    "efficientnet.dw144_56_s2": 28 * 28 * 144 * 25 * 2,
    "darknet53.3x3_s2_256": 128 * 128 * 64 * (32 * 9) * 2,
    "shufflenet.g3_240_60_28": 28 * 28 * 60 * 80 * 2,
    "srcnn.1_64_256": 256 * 256 * 64 * 81 * 2,
    "deeplab.d12_256_28": 28 * 28 * 256 * (256 * 9) * 2,
    "mnist.1_6_b128": 24 * 24 * 6 * 128 * 25 * 2,
}


@in_one_test
@pytest.mark.parametrize("name", HAND_FLOPS)
def test_flops_are_those_worked_out_by_hand(name: str) -> None:
    assert BY_NAME[name].flops == HAND_FLOPS[name]


def test_vgg_layer_has_its_published_cost() -> None:
    assert BY_NAME["vgg16.conv1_2"].flops == 3_699_376_128


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(LAYERS)


@in_one_test
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_shapes_fit_together(layer: Layer) -> None:
    assert layer.in_channels % layer.groups == 0
    assert layer.out_channels % layer.groups == 0
    assert layer.weight_shape[1] * layer.groups == layer.x_shape[1]
    assert min(layer.output_shape) >= 1


@in_one_test
@pytest.mark.parametrize("max_flops", [1e4, 3e5, 1e6, 2e7, 1e9, 1e12])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_cut_is_the_same_kind_of_layer(layer: Layer, max_flops: float) -> None:
    cut = layer.cut(max_flops)
    kept = ("name", "network", "kernel", "stride", "padding", "dilation")
    assert all(getattr(cut, field) == getattr(layer, field) for field in kept)
    assert (cut.groups > 1) == (layer.groups > 1)
    if layer.groups > 1:
        assert cut.weight_shape[1:] == layer.weight_shape[1:]
        assert cut.out_channels // cut.groups == layer.out_channels // layer.groups
    assert cut.flops <= layer.flops
    assert min(cut.output_shape[2:]) >= SMALLEST_OUTPUT
    assert cut.cut(max_flops) == cut


@in_one_test
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_cut_of_a_million_fits_and_one_that_fits_is_the_layer_itself(layer: Layer) -> None:
    assert layer.cut(1e6).flops <= 1e6
    assert layer.cut(layer.flops) is layer


@in_one_test
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_layer_survives_the_way_through_json(layer: Layer) -> None:
    again = Layer(**json.loads(json.dumps(layer.as_dict())))
    # The numbers that everyone gets are drawn from its representation.
    assert (again, hash(again), repr(again)) == (layer, hash(layer), repr(layer))


def test_a_kernel_need_not_be_square() -> None:
    layer = BY_NAME["inception3.1x7_192_17"]
    assert layer.weight_shape[2:] == (1, 7)
    assert layer.output_shape[2:] == (17, 17)
    assert layer.conv_kwargs()["padding"] == (0, 3)
    assert layer.shape_text() == "1×192×17×17 → 192, 1×7"


def test_images_go_before_pixels_and_pixels_before_channels() -> None:
    layer = BY_NAME["cifar.32_64_b32"]
    halved = layer.cut(layer.flops / 2)
    assert (halved.batch, halved.height, halved.in_channels) == (16, 32, 32)
    one_image = layer.cut(layer.flops / 64)
    assert (one_image.batch, one_image.height, one_image.out_channels) == (1, 16, 64)


def test_the_table_needs_nothing_but_python() -> None:
    code = "import sys, benchmarks.problems.layers; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
