"""What of a layer is computed: its output, or gradients of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["forward", "input-grad", "weight-grad", "step"]
Array: TypeAlias = Literal["y", "grad_x", "grad_weight", "grad_bias"]

RESULTS: Mapping[Direction, tuple[Array, ...]] = {
    "forward": ("y",),
    "input-grad": ("grad_x",),
    "weight-grad": ("grad_weight",),
    # what a step of training needs
    "step": ("grad_x", "grad_weight", "grad_bias"),
}
DIRECTIONS = tuple(RESULTS)

# Passes of the forward pass's FLOPs. The gradient of the bias is a mere sum and not counted.
WORK: Mapping[str, int] = {"forward": 1, "input-grad": 1, "weight-grad": 1, "step": 2}

# Where there is no room for the word.
MARKS: Mapping[str, str] = {"forward": "", "input-grad": " ∂x", "weight-grad": " ∂w", "step": " ∂"}


def needs(direction: Direction) -> tuple[bool, bool, bool]:
    """Return whether the gradients of image, weights and bias are wanted."""
    x, weight, bias = (
        name in RESULTS[direction] for name in ("grad_x", "grad_weight", "grad_bias")
    )
    return x, weight, bias
