"""What decompositions share: pieces that are planned, and run one after the other."""

from __future__ import annotations

from typing import NamedTuple

from .. import tuning
from ..machine import Machine
from ..problem import Piece
from ..problem.activation import Activation, activate
from ..problem.operands import Array
from ..problem.slices import assign
from ..threads import worth_waking
from .costs import of_bytes
from .implementation import (
    Chooser,
    Implementation,
    Plan,
    Prediction,
    Refusal,
    Request,
    Run,
)

__all__ = ["Bare", "Decomposition", "plan_pieces"]


class Decomposition(Implementation):
    """A way to cut a problem up, which takes what its pieces take."""

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return what the pieces take, one after the other, beginning with them, and what is bare.

        Of a gradient with pixels that no piece writes all are zero at first; else those alone.
        """
        problem, forward = plan.piece.problem, plan.operation == "forward"
        planes = problem.batch * (problem.out_channels if forward else problem.in_channels)
        pixels = (
            problem.out_height * problem.out_width if forward else (problem.height * problem.width)
        )
        written = sum(
            piece.piece.problem.out_height * piece.piece.problem.out_width for piece in plan.pieces
        )
        bare = pixels - written if forward or written == pixels else pixels
        begun = Prediction({"call": tuning.MODEL_KERNEL_CALLS * machine.call})
        if bare > 0:
            begun += Prediction(
                {"memory": of_bytes(planes * bare * problem.dtype.itemsize, 1, machine)}
            )
        return sum((piece.predict(machine) for piece in plan.pieces), begun)


class Bare(NamedTuple):
    """Pixels of the result that no tap reaches: zero, or the bias, the activation applied."""

    rows: slice
    columns: slice


def plan_pieces(
    implementation: Implementation, request: Request, choose: Chooser, pieces: list[Piece],
    bare: tuple[Bare, ...],
) -> Plan | Refusal:  # fmt: skip
    """Return the plan of a decomposition, or the refusal of the first piece that has one.

    A piece is a forward pass whatever the operation, on as many threads as it is worth to wake. One
    that is all there is takes prepared weights too.
    """
    alone = len(pieces) == 1
    plans: list[Plan] = []
    for piece in pieces:
        answer = choose(
            Request(
                "forward",
                piece,
                worth_waking(request.threads, piece.problem.flops),
                request.backend,
                request.forced,
                request.siblings * len(pieces),
                request.accuracy,
                request.prepared and alone,
            )
        )
        if isinstance(answer, Refusal):
            return answer
        plans.append(answer)
    plans.sort(key=lambda plan: plan.piece.problem.taps, reverse=True)
    activation = request.problem.activation if request.operation == "forward" else None
    return Plan(
        implementation,
        request.piece,
        request.threads,
        _make_run([plan.run for plan in plans], bare, activation),
        max((plan.scratch_bytes for plan in plans), default=0),
        prepare=plans[0].prepare if alone else None,
        pieces=tuple(plans),
        operation=request.operation,
        prepared=request.prepared and alone,
    )


def _make_run(runs: list[Run], bare: tuple[Bare, ...], activation: Activation) -> Run:
    """Return the function that runs all pieces; weights are prepared for a single one alone."""

    def run(
        x: Array, weight: Array, prepared: Array | None, bias: Array | None, y: Array,
        scratch: Array | None,
    ) -> bool:  # fmt: skip
        for part in bare:
            pixels = y[:, :, part.rows, part.columns]
            assign(pixels, 0 if bias is None else bias[:, None, None])
            activate(activation, pixels)
        finite = False
        given = prepared if len(runs) == 1 else None
        for run_piece in runs:
            finite = run_piece(x, weight, given, bias, y, scratch) is True
        # What several pieces have seen are their own weights, and a result that was not yet whole.
        return finite and len(runs) == 1

    return run
