"""The problems that are swept: drawn from every size that networks have, not from a list of layers.

An image, its channels, filters, kernel, stride and batch are drawn independently, so that none of
the crossovers lies between two points only by habit: few channels meet large images as well as
small ones. What would take more than a second of plain loops, or more memory than a laptop spares,
is drawn again. The seed is fixed: everyone sweeps the same problems. Another draws those that the
model was made without.
"""

from __future__ import annotations

from random import Random

from benchmarks.problems.layer import Layer, Pair

__all__ = ["COUNT", "QUICK_COUNT", "SEED", "UNSEEN_SEED", "problems"]

COUNT = 120
QUICK_COUNT = 12
SEED, UNSEEN_SEED = 1313, 9091

SIZES = (7, 14, 28, 56, 112, 224)
CHANNELS = (3, 16, 32, 64, 128, 256, 512)
FILTERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
KERNELS: tuple[Pair, ...] = (1, 3, 3, 3, 5, 7, (1, 7))
STRIDES = (1, 1, 2)
BATCHES = (1, 1, 8, 32)
# How channels are grouped: not at all; several to a group; each by itself.
KINDS = ("plain", "plain", "plain", "plain", "groups", "depthwise")
GROUPS = (2, 4, 8, 16, 32)

FEWEST_FLOPS, MOST_FLOPS = 2e5, 3e9
MOST_VALUES = 12_000_000


def problems(count: int = COUNT, seed: int = SEED) -> list[Layer]:
    """Return so many of them, always the same ones for a seed, each once."""
    random = Random(seed)
    found: dict[str, Layer] = {}
    while len(found) < count:
        layer = _draw(random)
        values = _values(layer.x_shape) + _values(layer.output_shape)
        if FEWEST_FLOPS <= layer.flops <= MOST_FLOPS and values <= MOST_VALUES:
            found.setdefault(layer.name, layer)
    return list(found.values())


def _draw(random: Random) -> Layer:
    size, batch = random.choice(SIZES), random.choice(BATCHES)
    channels, filters = random.choice(CHANNELS), random.choice(FILTERS)
    kernel, stride = random.choice(KERNELS), random.choice(STRIDES)
    kind, groups = random.choice(KINDS), random.choice(GROUPS)
    if kind == "depthwise":
        groups, filters = channels, channels
    elif kind == "plain" or channels % groups or filters % groups:
        groups = 1
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    layer = Layer(
        "", "sweep", batch, channels, size, size, filters, (rows, columns), stride,
        (rows // 2, columns // 2), groups=groups,
    )  # fmt: skip
    return Layer(**{**layer.as_dict(), "name": layer.shape_text()})


def _values(shape: tuple[int, int, int, int]) -> int:
    n, c, h, w = shape
    return n * c * h * w
