"""explain: what a call would do, and why, without any data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from . import isa
from .activation import Activation
from .algorithms.im2col import column_buffer_bytes, column_buffer_limit
from .arguments import Pair
from .padding import Padding, PaddingMode
from .problem import ConvProblem
from .registry import Direction, choose, refusals
from .threads import threads_for

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; print it.

    Attributes
    ----------
    problem : ConvProblem
        With ``flops``, ``bytes``, ``im2col_bytes``, ``output_shape``.
    direction : {"forward", "input-grad", "weight-grad"}
    backend : str
        The one chosen.
    refusals : dict of str to str
        For each other backend, why not.
    scratch_bytes : int
        What the chosen backend holds in a call besides operands and result.
    threads : int or None
        How many threads the chosen backend would use on this problem now; None where NumPy's BLAS
        decides.
    """

    problem: ConvProblem
    direction: Direction
    backend: str
    refusals: dict[str, str]
    scratch_bytes: int
    threads: int | None

    def __str__(self) -> str:
        """Return a page for reading."""
        problem = self.problem
        intensity = problem.flops / problem.bytes if problem.bytes else 0.0
        tile = column_buffer_bytes(problem.unpadded)
        buffer = "none needed"
        if problem.unpadded.is_pointwise:
            buffer += ": the image already is its own column matrix"
        if tile:
            buffer = (
                f"{_binary(problem.im2col_bytes)} whole; the im2col backend holds {_binary(tile)} "
                f"at a time (limit {_binary(column_buffer_limit())})"
            )
        lines = [
            ("problem", str(problem)),
            *([] if self.direction == "forward" else [("computes", self.direction)]),
            ("as product", f"per image and group, [{problem.out_channels_per_group} × "
             f"{problem.taps}] @ [{problem.taps} × {problem.out_height * problem.out_width}]"),
            ("work", f"{_decimal(problem.flops)}FLOP"),
            ("traffic", f"{_binary(problem.bytes)} at least: {intensity:.1f} FLOP per byte"),
            ("columns", buffer),
            ("backend", f"{self.backend}, "
             + ("in NumPy, on as many threads as its BLAS takes" if self.threads is None else
                f"instruction set {isa.name}, {_count(self.threads, 'thread')}")),
            ("scratch", _binary(self.scratch_bytes)),
            *((f"not {name}", reason) for name, reason in self.refusals.items()),
        ]  # fmt: skip
        margin = max(len(label) for label, _ in lines) + 2
        return "\n".join(
            fill(text, 100, initial_indent=label.ljust(margin), subsequent_indent=" " * margin)
            for label, text in lines
        )

    __repr__ = __str__


def explain(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias_shape: Sequence[int] | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    dtype: npt.DTypeLike = np.float32,
    backend: str = "auto",
    direction: Direction = "forward",
) -> Explanation:
    """Explain what `conv2d`, or one of its gradients, would do with operands of these shapes.

    Parameters
    ----------
    x_shape, weight_shape, bias_shape
        The shapes of the operands.
    stride, padding, dilation, groups, padding_mode, activation, backend
        As for `conv2d`.
    dtype
        float32 or float64.
    direction : {"forward", "input-grad", "weight-grad"}
        Of which computation: `conv2d`, or what `conv2d_backward` does for x or for weight. Each has
        its own backend.

    Returns
    -------
    Explanation
        Prints as a page: the problem, its work and traffic, im2col's buffer, the backend chosen,
        and for each other backend why not.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import fastconv
    >>> layer = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    >>> layer.problem.flops
    231211008
    """
    problem = ConvProblem.create(
        x_shape,
        weight_shape,
        bias_shape,
        dtype=dtype,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=padding_mode,
        activation=activation,
    )
    task = problem.unpadded
    if direction not in ("forward", "input-grad", "weight-grad"):
        raise ValueError(
            f"direction must be 'forward', 'input-grad' or 'weight-grad', not {direction!r}"
        )
    chosen = choose(task, backend, direction)
    threads = {"openmp": threads_for(problem.flops), "blas": None, "none": 1}[chosen.threading]
    count_bytes = {
        "forward": chosen.scratch_bytes,
        "input-grad": chosen.input_grad_bytes,
        "weight-grad": chosen.weight_grad_bytes,
    }[direction]
    scratch = 0 if task.is_empty else count_bytes(task, threads or 1)
    return Explanation(
        problem, direction, chosen.name, refusals(task, backend, direction), scratch, threads
    )


def _binary(count: float) -> str:
    if count < 1024:
        return f"{count:.0f} bytes"
    size, unit = _scale(count, 1024, ("", "Ki", "Mi", "Gi", "Ti"))
    return f"{size:.1f} {unit}B"


def _decimal(count: float) -> str:
    if count < 1000:
        return f"{count:.0f} "
    size, prefix = _scale(count, 1000, ("", "k", "M", "G", "T"))
    return f"{size:.2f} {prefix}"


def _scale(count: float, base: int, prefixes: tuple[str, ...]) -> tuple[float, str]:
    """Return the count in the largest unit of which it has at least one."""
    power = 0
    while count >= base and power + 1 < len(prefixes):
        count /= base
        power += 1
    return count, prefixes[power]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
