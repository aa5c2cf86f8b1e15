"""Piece: a part of a problem that is a convolution itself.

What cuts problems up (algorithms/by_stride.py, by_padding.py) makes pieces: a smaller convolution,
which of the weights are its taps, and which pixels of the result are its outputs. A whole problem
is a piece too, that of all weights as they lie and of the whole result.
"""

from __future__ import annotations

from dataclasses import dataclass

from .convolution import ConvProblem

__all__ = ["OutputView", "Piece", "WeightsView"]


@dataclass(frozen=True)
class WeightsView:
    """Where the taps of a piece lie among the weights: distances in values.

    Attributes
    ----------
    first : int
        Where the first tap of the first channel of the first filter lies.
    group, filter, channel, row, column : int
        From one to the next. "filter" is what is computed, "channel" what is summed over: for a
        gradient of the image, the weights' channels and filters.
    plane : int
        R·S, of which the piece's taps are some.
    end : int
        Values of all weights.
    """

    first: int
    group: int
    filter: int
    channel: int
    row: int
    column: int
    plane: int
    end: int


@dataclass(frozen=True)
class OutputView:
    """Which pixels of planes of `height` by `width` the outputs of a piece are."""

    height: int
    width: int
    first_row: int
    first_column: int
    row_step: int
    column_step: int


@dataclass(frozen=True)
class Piece:
    """A convolution, a view of the weights, and a view of the output.

    Attributes
    ----------
    problem : ConvProblem
        Its padding is with zeros and may be negative.
    weights : WeightsView or None
        None: all of them, in their order.
    output : OutputView or None
        None: the planes of the result are its outputs, one after the other.
    """

    problem: ConvProblem
    weights: WeightsView | None = None
    output: OutputView | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it reads the weights and fills the result as they lie."""
        return self.weights is None and self.output is None
