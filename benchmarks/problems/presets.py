"""How long a run may take, and what is left out to get there."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.problems.layers import LAYERS, USUAL_LAYERS


@dataclass(frozen=True)
class Preset:
    """The time a run may take and how it is spent.

    A contestant whose single call would take longer than `longest_call` at its rough speed
    runs a smaller cut of the layer. The seconds are a target: each layer gets its share of
    what is left, but every contestant has its turn in every round, however short.
    """

    name: str
    layers: tuple[str, ...]
    seconds: float
    rounds: int
    longest_call: float


EVERY_LAYER = tuple(layer.name for layer in LAYERS)
USUAL = tuple(layer.name for layer in USUAL_LAYERS)
# One of each kind: a plain 3×3, a 1×1, a depthwise, and one with batch and odd sizes.
QUICK_LAYERS = (
    "resnet50.res4_1x1",
    "resnet50.res4_3x3",
    "mobilenetv2.dw192_28",
    "lenet5.6_16_b64",
)

QUICK = Preset("quick", QUICK_LAYERS, seconds=6.0, rounds=1, longest_call=0.01)
DEFAULT = Preset("default", USUAL, seconds=80.0, rounds=3, longest_call=0.035)
FULL = Preset("full", EVERY_LAYER, seconds=900.0, rounds=9, longest_call=0.25)
