"""Small convolutions drawn at random, for what has to hold of all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.support import Case

ACTIVATIONS = (None, "relu", "sigmoid", "tanh")
MODES = ("zeros", "reflect", "replicate", "circular")


@cache
def random_case(seed: int) -> Case:
    """Return a convolution of any kind; the same for the same seed.

    Half of the paddings stay below the kernel's span, as in networks; the others reach beyond it.
    """
    rng = np.random.default_rng(seed)
    groups = _pick(rng, (1, 1, 1, 2, 3, 5))
    channels, filters = (groups * _pick(rng, (1, 1, 2, 3, 4)) for _ in range(2))
    if seed % 8 == 0:
        filters += groups * 17  # more than a vector of them
    mode = _pick(rng, ("zeros", "zeros", *MODES))
    rows, columns = _random_axis(rng, mode), _random_axis(rng, mode)
    options: dict[str, Any] = {
        "stride": (rows["stride"], columns["stride"]),
        "dilation": (rows["dilation"], columns["dilation"]),
        "padding": (rows["padding"], columns["padding"]),
        "groups": groups,
        "padding_mode": mode,
        "activation": _pick(rng, (None, *ACTIVATIONS)),
    }
    if mode == "zeros" and seed % 5 == 0:
        options["padding"] = "same"
    image = (channels, rows["size"], columns["size"])
    batch = _pick(rng, ((), (1,), (2,), (3,)))
    weight_shape = (filters, channels // groups, rows["kernel"], columns["kernel"])
    return Case(f"random_{seed}", (*batch, *image), weight_shape, options)


def _random_axis(rng: np.random.Generator, mode: str) -> dict[str, Any]:
    kernel, stride, dilation = (_pick(rng, kinds) for kinds in ((1, 2, 3, 4, 5), (1, 1, 2, 3, 4),
                                                                (1, 1, 2, 3)))  # fmt: skip
    window = (kernel - 1) * dilation + 1
    size = _pick(rng, range(1, 12)) + 20 * (rng.random() < 0.1)
    most = window - 1 if rng.random() < 0.5 else window + 4
    padding = [_pick(rng, range(most + 1)) for _ in range(2)]
    if mode in ("reflect", "circular"):  # which have no more pixels to read from
        padding = [min(pad, size - (mode == "reflect")) for pad in padding]
    size += max(0, window - sum(padding) - size)
    return {
        "size": size,
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "padding": tuple(padding),
    }


def _pick(rng: np.random.Generator, values: Any) -> Any:
    return values[rng.integers(len(values))]
