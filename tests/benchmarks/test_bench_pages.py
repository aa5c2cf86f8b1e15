"""The pages in a browser: nothing fails, every chart is there, tables sort, telephones show all.

One browser shows all pages, which are made of figures that nobody measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.images import cases
from benchmarks.images import page as images_page
from benchmarks.images.results import AUTO, ImageResults, Timing
from benchmarks.lenet import page as lenet_page
from benchmarks.lenet.network import Recipe
from benchmarks.lenet.results import Cost, Epoch, LenetResults
from benchmarks.maps import page as maps_page
from benchmarks.measuring.on_paper import on_paper
from benchmarks.measuring.results import ContestantInfo, Results
from benchmarks.problems.layers import LAYERS
from benchmarks.reporting import report
from benchmarks.stages.results import LayerStages, StageResults
from tests.benchmarks import browser, made_up
from tests.benchmarks.browser import PHONE, WIDE, Browser
from tests.benchmarks.made_up_maps import made_up_maps
from tests.benchmarks.pages import assert_needs_nothing_but_itself

# One of each kind.
NAMES = (
    "resnet50.conv1",
    "resnet50.res2_1x1",
    "resnet50.res2_3x3",
    "mobilenetv2.dw192_28",
    "resnext50.g32_128_56",
    "googlenet.5x5_35",
    "vgg16.conv4_2",
)
SPEEDS = {
    "reference": 0.005,
    "tutorial": 12.0,
    "auto": 150.0,
    "auto-again": 149.0,
    "plan": 160.0,
    "gemm": 90.0,
    "loops": 8.0,
    "im2col": 40.0,
    "loops_literal": 1.4,
    "torch": 151.0,
    "scipy": 0.1,
}
PAGES = ("report", "images", "lenet", "maps")
BYTES_AT_MOST = 3_000_000


def layers() -> Results:
    """Return a run of several layers, of which fastconv loses some."""
    results = made_up.run({name: made_up.seconds(speed) for name, speed in SPEEDS.items()})
    chosen = [layer for layer in LAYERS if layer.name in NAMES]
    results.layers = [on_paper(layer, threads=2) for layer in chosen]
    whole = results.measurements
    results.measurements = [
        replace(
            measurement,
            layer=layer.name,
            problem=layer.as_dict(),
            flops=layer.flops,
            times=[layer.flops / SPEEDS[measurement.contestant] / 1e9 * (1 + number / 9)] * 3,
            extra_bytes=number * 10**6,
        )
        for number, layer in enumerate(chosen)
        for measurement in whole
    ]
    results.overheads = {"fastconv.conv2d": 3.7, "PyTorch": 3.6}
    return results


def filters() -> ImageResults:
    """Return a run of two kernels."""
    results = ImageResults("2026-01-01T00:00:00", "default", 1, made_up.MACHINE)
    results.cases = [cases.Case("dense", 32, 3), cases.Case("dense", 32, 5)]
    results.contestants = [
        ContestantInfo(AUTO, "fastconv (auto)", "fastconv", ""),
        ContestantInfo("ndimage-convolve", "ndimage.convolve", "library", ""),
    ]
    results.chosen = {case.name: "direct" for case in results.cases}
    results.timings = [
        Timing(case.name, who, times=[seconds], error=1.0, allowed_error=12.0)
        for case in results.cases
        for who, seconds in ((AUTO, 1e-3), ("ndimage-convolve", 3e-3))
    ]
    return results


def network() -> LenetResults:
    """Return a run that has learned something, and been compared."""
    machine = {**made_up.MACHINE, "fastconv": {"fastconv": "1.0", "instruction set": "avx2"}}
    results = LenetResults("2026-01-01T00:00:00", 1, machine, vars(Recipe()), 4000, 1000)
    results.epochs = [Epoch(1, 0.5, 0.9, 1.0), Epoch(2, 0.1, 0.98, 1.0)]
    results.confusion = [[98 if a == b else 0 for a in range(10)] for b in range(10)]
    results.costs = [
        Cost("auto", "fastconv auto", "fastconv", "", images=4000, times=[1e-4], difference=1e-7),
        Cost("torch", "PyTorch", "library", "", images=4000, times=[2e-4], difference=1e-7),
        Cost("reference", "reference", "rung", "", images=4, times=[1.0], difference=1e-7),
    ]
    return results


def stages() -> StageResults:
    """Return a run of one layer, as predicted by a version that does so."""
    layer = LayerStages(LAYERS[0].as_dict(), "gemm_filters", [5e-3], [4e-3])
    layer.predicted = {"product": 4e-3, "pack": 2e-3}
    return StageResults("2026-01-01T00:00:00", made_up.MACHINE, [layer])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the file of each page, by its name."""
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "report": report.render(layers(), folder / "no pictures", filters(), network(), stages()),
        "images": images_page.render(filters()),
        "lenet": lenet_page.render(network()),
        "maps": maps_page.render(made_up_maps()),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = browser.find()
    if program is None:
        pytest.skip(f"no browser here: none of {', '.join(browser.NAMES)}")
    folder = tmp_path_factory.mktemp("profile")
    file = folder / "page.html"
    file.write_text("<!doctype html><title>here</title>", "utf-8")
    opened = Browser(program, folder / "profile")
    try:
        # One that is walled off from files, or lacks a library, is none for us.
        opened.start()
        opened.show(file)
        title = opened.evaluate("document.title")
    except (RuntimeError, OSError) as error:
        title = str(error)
    if title != "here":
        opened.close()
        pytest.skip(f"{program} does not show a page of a file: {title}")
    yield opened
    opened.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_small_and_needs_nothing_but_itself(name: str, pages: dict[str, Path]) -> None:
    text = pages[name].read_text("utf-8")
    assert_needs_nothing_but_itself(text)
    assert len(text.encode()) < BYTES_AT_MOST


# What lies outside of the window and cannot be scrolled to where it is.
OVERFLOWING = """
[...document.querySelectorAll("body *")].filter((one) =>
  !one.closest(".scroll, pre, details:not([open]), .tooltip") &&
  one.getBoundingClientRect().right > innerWidth + 0.5
).map((one) => one.outerHTML.slice(0, 200))
"""
# Of a column that is too narrow for its words.
HIGHEST_ROW = """
Math.max(...[...document.querySelectorAll("table.figures tr")].map((row) => row.offsetHeight))
"""
ROW_PIXELS_AT_MOST = 150
# Charts that are shown, and of these how many are drawn and say what their marks are.
CHARTS = """
[...document.querySelectorAll("figure")].map((figure) => [...figure.querySelectorAll("svg")]
  .filter((chart) => chart.getBoundingClientRect().height > 20).length)
"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_in_every_window(
    name: str, pages: dict[str, Path], chromium: Browser
) -> None:
    grounds = set()
    for size in (WIDE, PHONE):
        for scheme in ("light", "dark"):
            chromium.show(pages[name], size, scheme)
            where = f"{name}, {size[0]} pixels, {scheme}"
            assert chromium.errors == [], where
            assert chromium.evaluate("innerWidth") == size[0], where
            assert chromium.evaluate(OVERFLOWING) == [], where
            assert chromium.evaluate("document.documentElement.scrollWidth") <= size[0], where
            assert chromium.evaluate(HIGHEST_ROW) < ROW_PIXELS_AT_MOST, where
            charts = chromium.evaluate(CHARTS)
            assert charts, where
            assert all(charts), where  # in every figure
            ground, ink, drawn = chromium.evaluate(
                "[getComputedStyle(document.body).backgroundColor, "
                "getComputedStyle(document.body).color, "
                'getComputedStyle(document.querySelector("svg text")).fill]'
            )
            assert drawn == ink != ground, where  # charts are written in the ink of the page
            grounds.add((scheme, ground))
    assert len({ground for _, ground in grounds}) == len(grounds) == 2


# Clicks on each head of a table in turn. Returns what is wrong: rows that are lost, numbers that do
# not rise and then fall.
SORTED = """
[...document.querySelectorAll("table.figures")].flatMap((table) => {
  const rows = () => [...table.tBodies[0].rows];
  const before = new Set(rows());
  return [...table.querySelectorAll("thead .sort")].flatMap((button) => {
    const head = button.closest("th"), column = head.cellIndex, wrong = [];
    for (const [order, sign] of [["ascending", 1], ["descending", -1]]) {
      button.click();
      const texts = rows().map((row) => row.cells[column])
        .map((cell) => cell?.dataset.value ?? cell?.innerText.trim().split("\\n")[0] ?? "");
      const known = texts.map(parseFloat).filter((value) => !isNaN(value));
      const isSorted = known.every((value, at) => !at || sign * (value - known[at - 1]) >= 0);
      const isNumeric = texts.every((text) => /^([-\\d.]|–|$)/.test(text));
      if (head.getAttribute("aria-sort") !== order) wrong.push("not said: " + head.textContent);
      if (column && isNumeric && !isSorted) wrong.push(order + ": " + head.textContent + texts);
      if (rows().length !== before.size || !rows().every((row) => before.has(row)))
        wrong.push("rows are lost: " + head.textContent);
    }
    return wrong;
  });
})
"""


@pytest.mark.parametrize("name", PAGES)
def test_tables_sort_by_every_column(name: str, pages: dict[str, Path], chromium: Browser) -> None:
    chromium.show(pages[name])
    assert chromium.evaluate('document.querySelectorAll("thead .sort").length') >= 3
    assert chromium.evaluate(SORTED) == []
    assert chromium.errors == []


def test_tables_sort_by_keyboard_and_only_one_column_says_so(
    pages: dict[str, Path], chromium: Browser
) -> None:
    chromium.show(pages["report"])
    first = (
        '[...document.querySelectorAll("#layers tbody tr")].map((row) => row.cells[0].innerText)'
    )
    before = chromium.evaluate(first)
    chromium.evaluate('document.querySelectorAll("#layers .sort")[1].focus()')
    order = []
    for key, code, text in (("Enter", 13, "\r"), (" ", 32, " ")):
        chromium.press(key, windowsVirtualKeyCode=code, text=text)
        order.append(chromium.evaluate(first))
    assert sorted(order[0]) == sorted(before)
    assert order[1] == order[0][::-1]
    assert order[0] != before
    said = '[...document.querySelectorAll("#layers th")].map((one) => one.ariaSort).filter(Boolean)'
    assert chromium.evaluate(said).count("descending") == 1
    assert set(chromium.evaluate(said)) == {"descending", "none"}


TOOLTIP = (
    'document.querySelector(".tooltip").hidden ? "" : document.querySelector(".tooltip").innerText'
)


def test_marks_tell_their_values_by_mouse_and_keyboard(
    pages: dict[str, Path], chromium: Browser
) -> None:
    chromium.show(pages["report"])
    marks = 'document.querySelectorAll("#tradeoff .panels .tip")'
    chromium.evaluate(f'{marks}[1].scrollIntoView({{block: "center"}})')
    x, y = chromium.evaluate(
        f"(() => {{ const at = {marks}[1].getBoundingClientRect();"
        "return [at.left + at.width / 2, at.top + at.height / 2]; })()"
    )
    assert chromium.evaluate(TOOLTIP) == ""
    chromium.point(x, y)
    assert "im2col, tutorial: " in chromium.evaluate(TOOLTIP)
    chromium.point(x, y + 60)
    chromium.evaluate(f"{marks}[0].focus()")
    assert "definition in Python: " in chromium.evaluate(TOOLTIP)
    chromium.press("ArrowRight", windowsVirtualKeyCode=39)
    assert "im2col, tutorial: " in chromium.evaluate(TOOLTIP)
    assert " ms" in chromium.evaluate(TOOLTIP)
    stops = f'[...{marks}].filter((mark) => mark.getAttribute("tabindex") === "0").length'
    panels = chromium.evaluate('document.querySelectorAll("#tradeoff .panels svg").length')
    assert chromium.evaluate(stops) == panels
    assert chromium.evaluate('[...document.querySelectorAll(".tip")].every((one) => one.ariaLabel)')


@pytest.mark.parametrize("name", PAGES)
def test_paper_shows_what_is_folded(
    name: str, pages: dict[str, Path], chromium: Browser, tmp_path: Path
) -> None:
    chromium.show(pages[name], scheme="dark")
    chromium.evaluate('dispatchEvent(new Event("beforeprint"))')
    assert chromium.evaluate('document.querySelectorAll("details:not([open])").length') == 0
    chromium.evaluate('dispatchEvent(new Event("afterprint"))')
    chromium.save_paper(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert chromium.errors == []
