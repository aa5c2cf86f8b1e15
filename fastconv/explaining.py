"""explain: what a call would do, and why, without any data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from . import isa
from .algorithms.im2col import column_buffer_bytes, column_buffer_limit
from .algorithms.implementation import Accuracy, Operation, Plan
from .call import Call
from .levels import Level, level_of
from .planning import check_name, refusals, usable_families
from .problem import ConvProblem
from .problem.activation import Activation, mask_bytes
from .problem.arguments import Pair, parse_bool, shown
from .problem.padding import Padding, PaddingMode
from .rates import the_machine
from .threads import threads_for

__all__ = ["Explanation", "explain"]

# A stage that takes less of the time is not mentioned.
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; print it.

    Attributes
    ----------
    problem : ConvProblem
        With ``flops``, ``bytes``, ``im2col_bytes``, ``output_shape``.
    direction : {"forward", "input-grad", "weight-grad"}
    backend : str
        The one chosen; of a problem that is cut into pieces, that of the largest.
    kernel : str
        The implementation that runs: a backend has one or several.
    blocks : dict of str to int
        How much of the problem is one unit of the kernel's work.
    pieces : tuple of str
        Where the problem is cut up, a line for each piece: what it is, and which kernel it runs on
        or what cuts it further. The pieces of a piece follow it, two spaces further in.
    refusals : dict of str to str
        For each other backend, why not.
    scratch_bytes : int
        What a call holds besides operands and result, if these lie as NumPy makes them: scratch of
        the threads, a padded copy of the image, the activation's derivative. Of the first, the
        thread that calls keeps up to 10 MiB for each of `get_num_threads()` for its next call.
    threads : int or None
        How many threads the chosen backend would use on this problem now; None where NumPy's BLAS
        decides.
    accuracy : Accuracy
        What is promised of every sum: ``growth``, ``typical``, ``componentwise``,
        ``exact_on_integers``.
    predicted : float
        Seconds that a call is reckoned to take here, by what this machine's processor, caches and
        BLAS were measured to do when the first prediction was asked for.
    stages : dict of str to float
        The seconds by stage, those of the slowest thread: ``product``, ``pack``, ``call``, ....
    predictions : dict of str to float
        Seconds by backend, of all that are able to.
    """

    problem: ConvProblem
    direction: Operation
    backend: str
    kernel: str
    blocks: dict[str, int]
    pieces: tuple[str, ...]
    refusals: dict[str, str]
    scratch_bytes: int
    threads: int | None
    accuracy: Accuracy
    predicted: float
    stages: dict[str, float]
    predictions: dict[str, float]

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
            ("kernel", self.kernel + self._unit()),
            *(("piece", piece) for piece in self.pieces),
            ("predicted", self._prediction()),
            *([("others", others)] if (others := self._others()) else []),
            ("scratch", _binary(self.scratch_bytes)),
            ("accuracy", _promise(self.accuracy, self.direction)),
            *((f"not {name}", reason) for name, reason in self.refusals.items()),
        ]  # fmt: skip
        margin = max(len(label) for label, _ in lines) + 2
        return "\n".join(
            fill(text, 100, initial_indent=label.ljust(margin), subsequent_indent=" " * margin)
            for label, text in lines
        )

    __repr__ = __str__

    def _unit(self) -> str:
        """Return how much a unit of the kernel is; of what is a matter of yes or no, only a yes."""
        sizes = [
            _count(n, name.removesuffix("s")) if name.endswith("s") else f"{n} {name}"
            for name, n in self.blocks.items()
            if not isinstance(n, bool)
        ]
        told = ", a unit is " + ", ".join(sizes) if sizes else ""
        return told + (", its rows brought near first" if self.blocks.get("far") else "")

    def _prediction(self) -> str:
        """Return the time, and of its stages those that are worth a mention."""
        where = "NumPy" if self.threads is None else _count(self.threads, "thread")
        longest = sorted(self.stages.items(), key=lambda stage: -stage[1])
        told = [
            f"{name} {_time(seconds)}"
            for name, seconds in longest
            if seconds >= LEAST_SHARE * self.predicted
        ]
        return f"{_time(self.predicted)} on {where}: {', '.join(told)}"

    def _others(self) -> str:
        """Return what the other backends would take, the fastest first."""
        others = sorted(self.predictions.items(), key=lambda other: other[1])
        return ", ".join(
            f"{name} {_time(seconds)}" for name, seconds in others if name != self.backend
        )


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
    accuracy: Level | None = None,
    direction: Operation = "forward",
    prepared: bool = False,
) -> Explanation:
    """Explain what `conv2d`, or one of its gradients, would do with operands of these shapes.

    Parameters
    ----------
    x_shape, weight_shape, bias_shape
        The shapes of the operands.
    stride, padding, dilation, groups, padding_mode, activation, backend, accuracy
        As for `conv2d`.
    dtype
        float32 or float64.
    direction : {"forward", "input-grad", "weight-grad"}
        Of which computation: `conv2d`, or what `conv2d_backward` does for x or for weight. Each has
        its own backend.
    prepared : bool
        Whether of a plan (`plan_conv2d`), or of its `input_grad`, whose weights are prepared: it
        may take another kernel.

    Returns
    -------
    Explanation
        Prints as a page: the problem, its work and traffic, im2col's buffer, the backend chosen,
        its kernel and, where the problem is cut up, those of the pieces, what a call and its stages
        are reckoned to take, and for each other backend how long it would take and why not.

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
    if direction not in ("forward", "input-grad", "weight-grad"):
        raise ValueError(
            f"direction must be 'forward', 'input-grad' or 'weight-grad', not {shown(direction)}"
        )
    prepared = parse_bool("prepared", prepared)
    if prepared and direction == "weight-grad":
        raise ValueError(f"prepared must be False for {direction!r}: the weights are its result")
    check_name(backend)
    level = level_of(accuracy)
    call = Call(direction, problem, backend, level, given_4d=True, prepared=prepared)
    plan = call.plan()
    held = call.held_bytes()
    if direction != "forward" and problem.activation is not None:
        values = math.prod(problem.output_shape)
        # the mask is gone before the result is there
        mask = mask_bytes(problem.activation, values) - call.result_bytes
        held = values * problem.dtype.itemsize + max(held, mask)
    leaf = plan.leaf
    machine = the_machine()
    prediction = call.predict(machine)
    threads = threads_for(problem.flops)
    return Explanation(
        problem,
        direction,
        plan.family,
        leaf.implementation.name,
        {} if leaf.blocks is None else leaf.blocks._asdict(),
        tuple(_tree(plan)),
        refusals(direction, problem.unpadded, backend, threads, level, plan, prepared=prepared),
        held,
        plan.threads,
        plan.accuracy,
        prediction.seconds,
        prediction.stages,
        {plan.family: prediction.seconds}
        | _others(direction, problem, plan.family, level, prepared=prepared),
    )


def _others(
    direction: Operation, problem: ConvProblem, chosen: str, level: Level, *, prepared: bool
) -> dict[str, float]:  # fmt: skip
    """Return the seconds that the other families are reckoned to take, of those that are able."""
    found = {}
    for family in usable_families():
        if family.name != chosen:
            try:
                call = Call(
                    direction, problem, family.name, level, given_4d=True, prepared=prepared
                )
            except ValueError:  # it is not able to, as `refusals` says
                continue
            found[family.name] = call.predict(the_machine()).seconds
    return found


def _tree(plan: Plan, indent: str = "") -> Iterator[str]:
    """Yield a line for every piece, and after it, further in, those of its own pieces."""
    for piece in plan.pieces:
        yield f"{indent}{piece.piece.problem}: {piece.implementation.name}"
        yield from _tree(piece, indent + "  ")


def _promise(accuracy: Accuracy, direction: Operation) -> str:
    relative_to = {
        "forward": "(max|x|·Σ|w| + |b|)", "input-grad": "max|dy|·Σ|w|",
        "weight-grad": "max|x|·Σ|dy|",
    }  # fmt: skip
    size = "Σ|z|" if accuracy.componentwise else relative_to[direction]
    return (
        f"within {accuracy.growth:g}·(n + 2)·u·{size} of a sum of n products z, usually within "
        f"{accuracy.typical:g}·√(n + 2)·u of its size"
        + (", exact on integers" if accuracy.exact_on_integers else "")
    )


def _time(seconds: float) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{1e6 * seconds:.3g} µs"


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
