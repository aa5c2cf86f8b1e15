"""What the tests of the reference share: odd geometries, and a convolution in other words.

Values are small integers, so that every sum is exact in float64 whatever its order and results can
be compared with ``==``.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

PAD_MODE = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class Case(NamedTuple):
    x_shape: tuple[int, int, int, int]
    weight_shape: tuple[int, int, int, int]
    options: dict[str, Any]


GEOMETRIES = {
    "plain": Case((2, 3, 5, 6), (2, 3, 3, 2), {}),
    "pointwise": Case((2, 3, 3, 2), (2, 3, 1, 1), {}),
    "kernel covers the image": Case((1, 2, 4, 3), (2, 2, 4, 3), {}),
    "last row and column unused": Case((1, 2, 6, 8), (2, 2, 3, 3), {"stride": (2, 3)}),
    "stride wider than the kernel": Case((1, 2, 8, 7), (2, 2, 2, 1), {"stride": 3}),
    "dilation": Case((1, 2, 7, 8), (2, 2, 3, 2), {"dilation": (2, 3)}),
    "groups": Case((1, 4, 4, 5), (6, 2, 2, 3), {"groups": 2}),
    "depthwise, two filters each": Case((2, 3, 4, 4), (6, 1, 3, 3), {"groups": 3, "padding": 1}),
    "padding of pairs": Case((1, 1, 4, 3), (2, 1, 3, 3), {"padding": (2, 1)}),
    "asymmetric padding wider than the kernel": Case(
        (1, 2, 3, 4), (2, 2, 2, 2), {"padding": ((4, 1), (0, 3))}
    ),
    "padding wider than the kernel, stride 2": Case(
        (1, 1, 5, 4), (1, 1, 2, 3), {"padding": ((3, 4), (5, 0)), "stride": 2}
    ),
    "everything at once": Case(
        (2, 4, 6, 5),
        (2, 2, 3, 2),
        {"stride": (2, 3), "padding": ((3, 2), (1, 4)), "dilation": (1, 2), "groups": 2},
    ),
} | {
    f"{mode}, asymmetric, stride 2, dilation 2": Case(
        (1, 2, 5, 6),
        (2, 2, 2, 3),
        {
            "padding": ((4, 2), (1, 3)),
            "stride": (2, 1),
            "dilation": (1, 2),
            "padding_mode": mode,
        },
    )
    for mode in PAD_MODE
}


def integers(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float64)


def two(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value, value)


def conv2d_by_einsum(
    x: NDArray[Any],
    weight: NDArray[Any],
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> NDArray[Any]:
    """The layer as a contraction of windows: no loop and no index arithmetic in common."""
    rows, columns = two(padding)
    padded = np.pad(x, ((0, 0), (0, 0), two(rows), two(columns)), mode=PAD_MODE[padding_mode])
    (stride_h, stride_w), (dilation_h, dilation_w) = two(stride), two(dilation)
    _, channels_per_group, kernel_h, kernel_w = weight.shape
    span = ((kernel_h - 1) * dilation_h + 1, (kernel_w - 1) * dilation_w + 1)
    windows = sliding_window_view(padded, span, axis=(2, 3))
    windows = windows[:, :, ::stride_h, ::stride_w, ::dilation_h, ::dilation_w]
    windows = windows.reshape(len(x), groups, channels_per_group, *windows.shape[2:])
    filters = weight.reshape(groups, -1, *weight.shape[1:])
    z = np.einsum("ngcijrs,gkcrs->ngkij", windows, filters)
    return z.reshape(len(x), -1, *z.shape[3:])
