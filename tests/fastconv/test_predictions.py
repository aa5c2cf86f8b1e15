"""How long calls are reckoned to take: laws of the model, on a machine made by hand.

Whether it is right on a real machine, `python -m benchmarks sweep` measures; no test does.
"""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning, tuning
from fastconv.algorithms.compiled import vector_bytes
from fastconv.algorithms.implementation import Plan, Prediction
from fastconv.call import Call
from fastconv.machine import Machine, measured_here
from fastconv.rates import the_machine
from tests.large_problems import random_problem
from tests.walking import in_one_test

DIRECTIONS = ("forward", "input-grad", "weight-grad")

needs_kernels = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

# About what a core of a Zen 3 does.
MACHINE = Machine(
    multiply_adds={"float32": 1.1e11, "float64": 5.5e10},
    latency=1e-9,
    cache=1e11,
    memory=1.5e10,
    product={"float32": 1e11, "float64": 5e10},
    call=4e-6,
    operation=6e-7,
)
TWICE_AS_FAST = Machine(
    **{
        field.name: {name: 2 * rate for name, rate in value.items()}
        if isinstance(value := getattr(MACHINE, field.name), dict)
        else value / 2 if field.name in ("latency", "call", "operation") else 2 * value
        for field in fields(MACHINE)
    }
)  # fmt: skip

LAYERS = {
    "plain 3x3": ((1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}),
    "stride 2": ((1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1, "stride": 2}),
    "1x1": ((8, 64, 28, 28), (128, 64, 1, 1), {}),
    "depthwise": ((1, 64, 56, 56), (64, 1, 3, 3), {"padding": 1, "groups": 64}),
    "depthwise, large kernel": ((1, 8, 96, 96), (8, 1, 13, 13), {"padding": 6, "groups": 8}),
    "depthwise, narrow": ((1, 64, 7, 7), (64, 1, 3, 3), {"padding": 1, "groups": 64}),
    "depthwise, stride 2": (
        (1, 32, 56, 56), (32, 1, 3, 3), {"padding": 1, "groups": 32, "stride": 2}
    ),
    "few filters": ((1, 16, 56, 56), (2, 16, 5, 5), {"padding": 2}),
    "patches": ((1, 3, 224, 224), (64, 3, 16, 16), {"stride": 16}),
    "dilated": ((1, 32, 28, 28), (32, 32, 3, 3), {"padding": 12, "dilation": 12}),
    "a row": ((1, 32, 17, 17), (32, 32, 1, 7), {"padding": (0, 3)}),
}  # fmt: skip


def _plans(problem, direction, threads=1, *, prepared=False):
    """Yield the plans of all implementations that are able to, by name."""
    for one in planning.IMPLEMENTATIONS[direction]:
        if one.families:
            plan = planning.ask(
                direction, problem, one.name, threads, accuracy="fast", prepared=prepared
            )
            if isinstance(plan, Plan):
                yield one.name, plan


def _blocks(plan):
    return [_blocks(piece) for piece in plan.pieces] or plan.blocks


def _problem(name, dtype="float32"):
    x_shape, weight_shape, options = LAYERS[name]
    return fastconv.ConvProblem.create(x_shape, weight_shape, dtype=dtype, **options)


def _check(prediction):
    assert all(map(math.isfinite, prediction.stages.values())), prediction
    assert min(prediction.stages.values()) >= 0, prediction
    assert prediction.seconds > 0


@needs_kernels
@in_one_test
@pytest.mark.parametrize("threads", [1, 2, 64])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_predictions_of_any_size_are_finite_positive_and_grow_with_the_batch(direction, threads):
    first = (DIRECTIONS.index(direction) * 3 + [1, 2, 64].index(threads)) * 120
    for seed in range(first, first + 120):
        problem = random_problem(seed)
        plan = planning.plan(direction, problem, "auto", threads)
        prediction = plan.predict(MACHINE)
        _check(prediction)
        twice = replace(problem, batch=2 * problem.batch)
        grown = planning.plan(direction, twice, "auto", threads)
        # Units of another size may come out a little better; and many threads make more of parts of
        # a gradient of weights, and are woken for larger pieces only.
        if threads == 1 or (threads == 2 and _blocks(grown) == _blocks(plan)):
            slower = grown.predict(MACHINE)
            assert slower.seconds >= 0.9 * prediction.seconds, (seed, problem, prediction, slower)


@needs_kernels
@in_one_test
@pytest.mark.parametrize("block", range(5))
def test_every_family_is_predicted_at_any_size(block):
    for seed in range(block * 24, block * 24 + 24):
        problem = random_problem(seed)
        for direction in DIRECTIONS:
            for family in planning.usable_families():
                plan = planning.ask(direction, problem, family.name, 2)
                if isinstance(plan, Plan):
                    _check(plan.predict(MACHINE))


@needs_kernels
@in_one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_machine_that_is_twice_as_fast_takes_half_the_time(name, direction, dtype):
    for _, plan in _plans(_problem(name, dtype), direction):
        slow, fast = plan.predict(MACHINE), plan.predict(TWICE_AS_FAST)
        assert slow.stages.keys() == fast.stages.keys()
        assert fast.seconds == pytest.approx(slow.seconds / 2)


@needs_kernels
def test_every_implementation_is_predicted_by_a_sum_of_its_stages():
    predicted = set()
    for name in LAYERS:
        for direction in DIRECTIONS:
            for own_name, plan in _plans(_problem(name), direction):
                prediction = plan.predict(MACHINE)
                assert prediction.seconds == pytest.approx(sum(prediction.stages.values()))
                _check(prediction)
                predicted.add(own_name)
    every = {one.name for ones in planning.IMPLEMENTATIONS.values() for one in ones if one.families}
    missing = every - predicted
    assert all("winograd" in name for name in missing)  # 5x5, 7x7: the same formula
    assert len(missing) < 12


@needs_kernels
def test_no_prediction_is_below_the_peak_but_by_fewer_multiplications():
    for name in LAYERS:
        problem = _problem(name)
        for direction in DIRECTIONS:
            for own_name, plan in _plans(problem, direction):
                at_peak = problem.flops / MACHINE.multiply_adds["float32"]
                if "winograd" not in own_name and name != "dilated":
                    # Padding is counted as work, and not always done.
                    assert plan.predict(MACHINE).seconds > 0.6 * at_peak, (name, own_name)


@needs_kernels
def test_a_decomposition_takes_what_its_pieces_take():
    plan = planning.plan("input-grad", _problem("stride 2"), "auto", 1)
    assert len(plan.pieces) == 4
    pieces = [piece.predict(MACHINE) for piece in plan.pieces]
    whole = plan.predict(MACHINE)
    begun = tuning.MODEL_KERNEL_CALLS * MACHINE.call
    assert whole.seconds == pytest.approx(begun + sum(piece.seconds for piece in pieces))
    assert whole.stages["product"] == pytest.approx(
        sum(piece.stages["product"] for piece in pieces)
    )


@needs_kernels
def test_prepared_weights_are_not_packed():
    for name in ("plain 3x3", "1x1", "few filters"):
        for backend in ("gemm", "gemm_pixels", "winograd"):
            plans = [
                planning.ask("forward", _problem(name), backend, 1, prepared=prepared)
                for prepared in (False, True)
            ]
            if isinstance(plans[0], Plan):
                packing, packed = (plan.predict(MACHINE) for plan in plans)
                assert packed.seconds < packing.seconds
                assert "pack" not in packed.stages


@needs_kernels
def test_float64_takes_about_twice_as_long():
    for name in ("plain 3x3", "1x1"):
        for backend in ("gemm", "gemm_pixels", "loops", "im2col"):
            single, double = (
                planning.plan("forward", _problem(name, dtype), backend, 1).predict(MACHINE)
                for dtype in ("float32", "float64")
            )
            # loops that wait for additions do so in either
            assert 1.05 < double.seconds / single.seconds < 4.5, (name, backend)


@needs_kernels
def test_two_threads_are_ahead_where_there_is_work_and_never_twice_over():
    for name in LAYERS:
        problem = _problem(name)
        for direction in DIRECTIONS:
            alone = dict(_plans(problem, direction))
            for own_name, plan in _plans(problem, direction, 2):
                gain = alone[own_name].predict(MACHINE).seconds / plan.predict(MACHINE).seconds
                # units of another size may come out a little better
                assert 0.5 < gain < 2.4, (name, direction, own_name)
                if plan.threads == 2 and problem.flops > 1e8 and not plan.pieces:
                    assert gain > 1.1, (name, direction, own_name)


def test_predictions_add_up_by_stage():
    both = Prediction({"pack": 1.0, "product": 2.0}) + Prediction({"product": 3.0, "turn": 0.5})
    assert both.stages == {"pack": 1.0, "product": 5.0, "turn": 0.5}
    assert both.seconds == 6.5
    assert Prediction().seconds == 0


def test_bandwidth_goes_from_the_caches_to_memory():
    sizes = [2.0**n for n in range(8, 36)]
    rates = [MACHINE.bandwidth(size) for size in sizes]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(MACHINE.cache)
    assert MACHINE.bandwidth(measured_here(tuning.MODEL_CACHES)[1]) == pytest.approx(MACHINE.memory)
    assert MACHINE.bandwidth(0) == pytest.approx(MACHINE.cache)


def test_this_machine_is_measured_once():
    machine = the_machine()
    assert machine is the_machine()
    rates = [machine.latency, machine.cache, machine.memory, machine.call, machine.operation]
    rates += [*machine.multiply_adds.values(), *machine.product.values()]
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)
    assert set(machine.product) == {"float32", "float64"}
    assert bool(machine.multiply_adds) == (isa.kernels is not None)


def test_of_two_measurements_the_better_rates_count():
    assert MACHINE.better_of(TWICE_AS_FAST) == TWICE_AS_FAST.better_of(MACHINE) == TWICE_AS_FAST
    mixed = MACHINE.better_of(replace(MACHINE, memory=1e9, latency=5e-10))
    assert mixed == replace(MACHINE, latency=5e-10)


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_explain_predicts_every_backend_that_is_able(name, direction):
    x_shape, weight_shape, options = LAYERS[name]
    explanation = fastconv.explain(x_shape, weight_shape, direction=direction, **options)
    assert explanation.predicted == pytest.approx(sum(explanation.stages.values()))
    assert explanation.predictions[explanation.backend] == explanation.predicted
    assert "im2col" in explanation.predictions
    able = {
        family.name
        for family in planning.usable_families()
        if isinstance(planning.ask(direction, explanation.problem, family.name, 1), Plan)
    }
    assert set(explanation.predictions) == able | {explanation.backend}
    page = str(explanation)
    assert "predicted " in page
    assert ("others " in page) == (len(able | {explanation.backend}) > 1)
    longest = max(explanation.stages, key=explanation.stages.get)
    assert f"{longest} " in page.split("predicted", 1)[1]


def test_calls_add_what_every_call_takes_and_what_is_padded():
    problem = _problem("plain 3x3")
    call = Call("forward", problem, "im2col", "default", given_4d=True)
    plan = call.plan().predict(MACHINE)
    assert call.predict(MACHINE).seconds == pytest.approx(
        plan.seconds + tuning.MODEL_CALLS * MACHINE.call
    )
    padded = replace(problem, padding_mode="reflect")
    for direction in DIRECTIONS:
        stages = Call(direction, padded, "auto", "default", given_4d=True).predict(MACHINE).stages
        assert stages["pad"] > 0


def test_of_an_empty_batch_a_call_is_predicted():
    explanation = fastconv.explain((0, 4, 6, 7), (6, 4, 3, 3), padding_mode="reflect", padding=1)
    assert set(explanation.stages) == {"call"}
    assert 0 < explanation.predicted < 0.1


def test_explain_is_pure_of_data_and_says_the_same_twice():
    first, second = (fastconv.explain((1, 8, 9, 9), (8, 8, 3, 3)) for _ in range(2))
    assert str(first) == str(second)
    assert np.isfinite(first.predicted)


@needs_kernels
def test_pixels_that_no_piece_writes_take_time(monkeypatch):
    problem = fastconv.ConvProblem.create((1, 16, 112, 112), (16, 16, 1, 1), stride=2)
    plan = planning.ask("input-grad", problem, "gemm_filters", 1)
    assert [piece.implementation.name for piece in plan.pieces] == ["gemm_filters"]
    pieces = sum(piece.predict(MACHINE).seconds for piece in plan.pieces)
    begun = tuning.MODEL_KERNEL_CALLS * MACHINE.call
    zeros = plan.predict(MACHINE).seconds - pieces - begun
    whole = 4 * 16 * 112 * 112
    assert zeros == pytest.approx(tuning.MODEL_MEMORY_SHARE * whole / MACHINE.bandwidth(whole))


@needs_kernels
def test_results_between_others_and_weights_between_others_come_through_the_caches():
    problem = fastconv.ConvProblem.create((1, 512, 14, 14), (512, 512, 4, 4), stride=2, padding=1)
    plan = planning.ask("input-grad", problem, "gemm_filters", 1)
    apart = plan.pieces[0].predict(MACHINE)
    dense = planning.ask("forward", plan.pieces[0].piece.problem, "gemm_filters", 1).predict(
        MACHINE
    )
    assert apart.stages["spread"] > 0
    assert "spread" not in dense.stages
    # more than the steps of bringing a weight into a panel
    far, near = tuning.MODEL_PACK_FAR_STEPS[vector_bytes()], tuning.MODEL_PACK_STEPS
    assert apart.stages["pack"] > 1.5 * far / near * dense.stages["pack"]


@needs_kernels
def test_rows_that_are_brought_near_are_read_once(monkeypatch):
    problem = fastconv.ConvProblem.create(
        (1, 64, 112, 112), (64, 1, 3, 3), padding=1, groups=64
    )  # fmt: skip
    taken = []
    for far in (problem.bytes, problem.bytes - 1):
        monkeypatch.setattr(tuning, "SLIDE_FAR_BYTES", far)
        plan = planning.ask("forward", problem, "stencil_slide", 1)
        taken.append(plan.predict(MACHINE).stages["memory"])
    assert taken[1] < taken[0]
