"""The inner loops stay vectors: a look at the machine code of each instruction set.

Whether a loop vectorises turns on details of compiler, flags and loop shape. The timings would show
it only as "slower than yesterday"; the disassembly shows it as it is.

All of it holds for what GCC makes. Clang inlines other functions (`INLINED_INTO`), and leaves some
loops in parts of vectors or in single values: those are named where they are asked for
(`clang_leaves`), as Clang 19 leaves them on AVX2. What that costs stands in benchmarks/STUDY.md.
"""

import functools
import importlib.util
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from fastconv import isa
from tests.walking import in_one_test

pytestmark = [
    pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump (binutils)"),
]

REGISTERS = {"baseline": "xmm", "avx2": "ymm", "avx512": "zmm"}
# Cython numbers the specialisations of a fused type in the order in which facts.pxi lists them.
SPECIALISATIONS = {"float32": ("__pyx_fuse_0", "ps"), "float64": ("__pyx_fuse_1", "pd")}

BUILT = [name for name in isa.INSTRUCTION_SETS if importlib.util.find_spec(f"fastconv.isa.{name}")]


# Where a function is that a compiler has left no name: its code is in its caller.
INLINED_INTO = {
    "multiply_taps": "gemm_scatter_unit",
    "sum_panel_by_taps": "gemm_taps_unit",
    "sum_tiles": "weights_winograd_unit",
    "add_filter_lanes": "weights_filters_unit",
    "add_taps_of_panel": "weights_taps_unit",
    "add_slides": "weights_slide_unit",
    "_grad_of_threes$": "_max_pool_grad_threes$",
}


@cache
def _is_by_clang(name: str) -> bool:
    """Whether Clang made a module: compilers leave their names in what they make."""
    return (
        b"clang version"
        in Path(importlib.util.find_spec(f"fastconv.isa.{name}").origin).read_bytes()
    )


def clang_leaves(*cases):
    """Expect of Clang that it fails these cases, "function" or "function, dtype"; if none, all.

    On AVX2 the list is exact: one that Clang no longer fails has to be taken from it. Nobody has
    looked at its other sets.
    """

    def decorate(law):
        @functools.wraps(law)
        def test(**case):
            name = case.get("name", "avx2")
            if not _is_by_clang(name):
                return law(**case)
            function = case.get("function", "")
            is_left = not cases or {function, f"{function}, {case['dtype']}"} & {*cases}
            try:
                law(**case)
            except (AssertionError, ValueError):
                if name == "avx2" and not is_left:
                    raise
            else:
                assert name != "avx2" or not is_left, "Clang does it: it need not be listed"

        return test

    return decorate


@cache
def _functions(name: str) -> dict[str, str]:
    """Return the disassembly of a compiled module by function."""
    path = importlib.util.find_spec(f"fastconv.isa.{name}").origin
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True
    ).stdout
    parts = re.split(r"^[0-9a-f]+ <(.+)>:$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _bodies(name: str, dtype: str, pattern: str) -> list[str]:
    """Return the functions for a dtype whose names have such a pattern."""
    prefix, _ = SPECIALISATIONS[dtype]
    found = [
        body
        for symbol, body in _functions(name).items()
        if symbol.startswith(prefix) and re.search(pattern, symbol)
    ]
    if not found and pattern in INLINED_INTO:
        return _bodies(name, dtype, INLINED_INTO[pattern])
    return found


def _vector_multiplies(name: str, body: str, suffix: str) -> int:
    """Count the multiply(-add)s on whole vectors of an instruction set."""
    multiply = f"mul{suffix}" if name == "baseline" else rf"vfmadd\d+{suffix}"
    return len(re.findall(rf"{multiply}\s.*%{REGISTERS[name]}", body))


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
@pytest.mark.parametrize("kernel", ["forward_units", "weight_grad_units", "input_grad_units"])
def test_the_row_loops_multiply_whole_vectors(kernel, dtype, name):
    """Each has one inner loop for stride 1, and that is where a vector multiply can come from."""
    _, suffix = SPECIALISATIONS[dtype]
    bodies = _bodies(name, dtype, kernel)
    assert bodies, f"{kernel} was inlined or renamed: point this test at where it went"
    assert sum(_vector_multiplies(name, body, suffix) for body in bodies) >= 1


FILTER_TILES = {  # PIXELS_4 .. PIXELS_1, and with SMALL_PIXELS
    "avx512": [(rows, vectors) for rows in (7, 4) for vectors in (4, 3, 2, 1)],
    "avx2": [(6, 2), (8, 1), (4, 2), (4, 1)],  # PANEL_VECTORS is 2
    "baseline": [(3, 4), (4, 3), (6, 2), (8, 1), (2, 4), (2, 3), (2, 2), (2, 1)],
}
TAPS_TILES = {  # of 64-byte vectors also with FEWEST_ROWS
    **FILTER_TILES,
    "avx512": [(rows, vectors) for rows in (7, 4, 2) for vectors in (4, 3, 2, 1)],
}
# LARGEST_ROWS, LARGE_ROWS and PIXELS_3 of WINOGRAD_VECTORS, and less
BETWEEN_TRANSFORMS = FILTER_TILES | {
    "avx512": [
        (9, 3),
        (8, 3),
        (7, 3),
        (9, 2),
        (8, 2),
        (7, 2),
        (7, 1),
        (4, 3),
        (4, 2),
        (4, 1),
    ],
}
FOUR_KINDS = ("multiply_filter_lanes", "multiply_packed_columns")
STREAMS = "pass_block|stream_pixels|gemm_pixels_unit$"
ONE_KIND = ("multiply_windows", "multiply_dense", "short_pass", STREAMS)
# The tiles of each shell, rows x vectors, each there twice: from the bias and from earlier sums, or
# in a row and in parts; those of filters again for pixels next to each other. Of the weight
# gradient ("add_"), of windows and of fully connected layers there is one kind.
TILES = {
    "multiply_filter_lanes": FILTER_TILES,
    "multiply_taps": FILTER_TILES,  # of gemm_scatter: only from zero
    "multiply_data": BETWEEN_TRANSFORMS,  # of winograd: from zero, and from zero to be added
    "sum_panel_by_taps": TAPS_TILES,  # of gemm_taps: channels in whole vectors, and not
    "multiply_tens": {"avx512": [(10, 1)], "avx2": [], "baseline": []},  # of gemm_filters: TEN
    "sum_tiles": FILTER_TILES,  # of weights_winograd: from zero, and from zero to be added
    "add_filter_lanes": FILTER_TILES,
    "add_taps_of_panel": FILTER_TILES,
    # WINDOW_PIXELS_OF_4 .. WINDOW_PIXELS_OF_1, half of them, and 1
    "multiply_windows": {
        "avx512": [(12 + 6 + 1, 1), (12 + 6 + 1, 2), (8 + 4 + 1, 3), (6 + 3 + 1, 4)],
        "avx2": [(8 + 4 + 1, 1), (6 + 3 + 1, 2), (4 + 2 + 1, 3), (3 + 2 + 1, 4)],
        "baseline": [(8 + 4 + 1, 1), (6 + 3 + 1, 2), (4 + 2 + 1, 3), (3 + 2 + 1, 4)],
    },
    # DENSE_TILE, DENSE_SMALL_TILE and 1
    "multiply_dense": {
        "avx512": [(rows, vectors) for rows in (12, 8, 1) for vectors in (1, 2)],
        "avx2": [(rows, vectors) for rows in (6, 4, 1) for vectors in (1, 2)],
        "baseline": [(rows, vectors) for rows in (6, 4, 1) for vectors in (1, 2)],
    },
    # RUN_FILTERS x RUN_TAPS, 2 x RUN_TAPS_2, 1 x RUN_TAPS_1
    "add_pixel_lanes|weights_pixels_unit": {
        "avx512": [(4, 6), (2, 8), (1, 9)],
        "avx2": [(4, 3), (2, 5), (1, 9)],
        "baseline": [(4, 3), (2, 5), (1, 9)],
    },
    # FEW_PLANES x MANY_PLANES, 2 x MANY_PLANES_2, 1 x MANY_PLANES_1: whole vectors, and the tail,
    # of which a vector of two has a single value
    "add_planes|weights_planes_unit": {
        "avx512": [(4, 4 + 4), (2, 8 + 8), (1, 8 + 8)],
        "avx2": [(4, 3 + 3), (2, 5 + 5), (1, 8 + 8)],
        "baseline": [(4, 3), (2, 5), (1, 8)],
    },
    # up to STREAM_FILTERS x STREAMS, and the channels that are left, one by one
    STREAMS: {
        "avx512": [(filters, 8 + 1) for filters in (1, 2, 3, 4)],
        "avx2": [(filters, 8 + 1) for filters in (1, 2)],
        "baseline": [(filters, 8 + 1) for filters in (1, 2)],
    },
    # of an image: five, seven and nine taps x SHORT_ROWS x SHORT_WIDTH, SHORT_VECTORS and one
    "short_pass": {
        "avx512": [(5 + 7 + 9, vectors) for vectors in (4 * 4, 8, 1)],
        "avx2": [(5 + 7 + 9, vectors) for vectors in (4, 1)],
        "baseline": [(5 + 7 + 9, vectors) for vectors in (4, 1)],
    },
    # sliding, 3x3 and 5x5: two strides, inside the image and at its edge
    "add_slides": {name: [(2 * 2, 9 + 25)] for name in REGISTERS},
    # along rows: two strides, 3x3, 5x5 and 7x7
    "add_rows_of_plane": {name: [(2, 9 + 25 + 49)] for name in REGISTERS},
    # TALL_ROWS filters x vectors: from the bias and from earlier sums, in parts and in a row
    "multiply_packed_columns": {
        "avx512": [(8, v) for v in (1, 2, 3)],
        "avx2": [(4, v) for v in (1, 2, 3)],
        "baseline": [(4, v) for v in (1, 2, 3)],
    },
    "multiply_pixel_lanes": {  # TALL_ROWS, LONG_ROWS, 2 and 1, at the whole width and its thirds
        # and THREE_ROWS
        "avx512": [
            *((8, v) for v in (1, 2, 3)),
            *((r, v) for r in (4, 3, 2, 1) for v in (2, 4, 6)),
        ],
        "avx2": [*((4, v) for v in (1, 2, 3)), *((r, v) for r in (2, 1) for v in (2, 4, 6))],
        "baseline": [*((4, v) for v in (1, 2, 3)), *((r, v) for r in (2, 1) for v in (2, 4, 6))],
    },
}


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves(
    "multiply_filter_lanes",
    "multiply_taps, float32",
    "multiply_data",
    "sum_tiles, float64",
    "add_filter_lanes",
    "add_taps_of_panel",
    "multiply_packed_columns",
    "multiply_pixel_lanes",
    "multiply_windows",
    "multiply_dense",
    "sum_panel_by_taps",
)
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
@pytest.mark.parametrize("function", TILES)
def test_every_register_tile_is_unrolled_into_vectors(function, dtype, name):
    """A multiply-add for each vector of every tile: none scalar, none left in a loop."""
    _, suffix = SPECIALISATIONS[dtype]
    bodies = _bodies(name, dtype, function)
    kinds = 4 if function in FOUR_KINDS else 2
    if function.startswith("add_") or function in ONE_KIND:
        kinds = 1
    expected = kinds * sum(rows * vectors for rows, vectors in TILES[function][name])
    assert sum(_vector_multiplies(name, body, suffix) for body in bodies) >= expected
    scalars = sum(len(re.findall(rf"(vfmadd\d+|mul)s{suffix[1]}\s", body)) for body in bodies)
    # Of vectors of two the compiler takes apart a tail, and the product's tile of two rows and one
    # vector, for what other tiles leave over: it did not when steps were found by index.
    beside = {"multiply_data": 16, "add_planes|weights_planes_unit": 1}
    assert scalars == (beside.get(function, 0) if (name, dtype) == ("baseline", "float64") else 0)


def _loops(body: str) -> list[str]:
    """Return the innermost loops of a function: from where a jump goes back to, to the jump."""
    lines = re.findall(r"^\s*([0-9a-f]+):\s+(\S+)[ \t]*(.*)$", body, flags=re.MULTILINE)
    places = {address: place for place, (address, _, _) in enumerate(lines)}
    loops = []
    for last, (_, operation, operands) in enumerate(lines):
        first = places.get(operands.partition(" ")[0], last + 1)
        inner = lines[first:last]
        innermost = first <= last and not any(name[0] == "j" for _, name, _ in inner)
        if operation.startswith("j") and innermost:
            loops.append("\n".join(f"{name} {arguments}" for _, name, arguments in inner))
    return loops


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("name", ["avx2", "avx512"])
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_the_product_between_the_transforms_reads_no_tables(dtype, name):
    """Of the largest tile the channels of a vector are written out, with 32 registers four.

    For a channel, rows and vectors are loaded, and multiplied with each other; a third as many
    more are for the loop, and for what does not fit the registers. Beside them the panel that comes
    next is asked for, line by line.
    """
    _, suffix = SPECIALISATIONS[dtype]
    rows, vectors = TILES["multiply_data"][name][0]
    channels = {("avx2", "float32"): 8}.get((name, dtype), 4)
    (body,) = _bodies(name, dtype, "multiply_data$")
    tiles = [
        loop
        for loop in _loops(body)
        if _vector_multiplies(name, loop, suffix) == rows * vectors * channels
    ]
    assert len(tiles) == 2  # from zero, and to be added
    for tile in tiles:
        hints = tile.count("prefetch")
        assert hints == channels * vectors * {"avx2": 32, "avx512": 64}[name] // 64
        loads = rows + vectors
        assert tile.count("\n") - hints <= 4 / 3 * channels * (rows * vectors + loads), tile


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_the_tile_of_few_channels_stays_in_registers(dtype):
    """FEW_VALUES x FEW_FILTERS sums, straight into the result and into a tile that is cut."""
    _, suffix = SPECIALISATIONS[dtype]
    (body,) = _bodies("avx512", dtype, "few_rows$")
    steps = [loop for loop in _loops(body) if _vector_multiplies("avx512", loop, suffix) == 6 * 4]
    assert len(steps) == 2
    for step in steps:
        assert not re.search(r"vmov\S+ %zmm\d+,.*\(", step), step
        assert step.count("\n") <= 5 / 4 * (6 * 4 + 6 + 4), step


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@pytest.mark.parametrize("name", ["avx2", "avx512"])
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_the_sums_along_the_pixels_stay_in_registers(dtype, name):
    """One that went through memory, for want of a register, made all others wait: 15 % on AVX2."""
    _, suffix = SPECIALISATIONS[dtype]
    bodies = _bodies(name, dtype, "add_pixel_lanes|weights_pixels_unit")
    tiles = [
        loop for body in bodies for loop in _loops(body) if _vector_multiplies(name, loop, suffix)
    ]
    assert len(tiles) == 3
    for tile in tiles:
        assert not re.search(rf"v?mov\S+ %{REGISTERS[name]}\d+,.*\(", tile), tile


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("name", ["avx2", "avx512"])
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_the_sums_along_rows_take_a_load_for_each_tap(dtype, name):
    """All taps are at distances that are known: beside them a load, and what a loop needs."""
    _, suffix = SPECIALISATIONS[dtype]
    (body,) = _bodies(name, dtype, "add_rows_of_plane$")
    taps = {"avx2": [9, 13, 12, 13, 12, 12, 12], "avx512": [9, 25, 25, 24]}[name]
    loops = {loop: _vector_multiplies(name, loop, suffix) for loop in _loops(body)}
    found = sorted(count for count in loops.values() if count)
    assert found == sorted(2 * taps)
    for loop, count in loops.items():
        assert not count or loop.count("\n") <= count + 5, loop


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_few_taps_find_the_tall_tile_in_registers(dtype):
    """In a row and in parts, 4 x 3 of 16 registers: whatever it stored would be for every tap."""
    _, suffix = SPECIALISATIONS[dtype]
    (body,) = _bodies("avx2", dtype, "multiply_pixel_lanes")
    tiles = [
        loop
        for loop in _loops(body)
        if _vector_multiplies("avx2", loop, suffix) == 4 * 3 and loop.count("vbroadcast") == 4
    ]
    assert len(tiles) == 2
    for tile in tiles:
        assert not re.search(r"vmov\S+ %ymm\d+,.*\(", tile), tile


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@pytest.mark.parametrize("name", ["avx2", "avx512"])
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_rows_in_phases_take_a_load_for_each_tap(dtype, name):
    """Of eight rows a weight for each column of the kernel, and nothing beside but the loop.

    Rows of a tile lie too far apart for one pointer: of five columns and more there are two.
    """
    _, suffix = SPECIALISATIONS[dtype]
    (body,) = _bodies(name, dtype, "stencil_phases$")
    loops = {loop: _vector_multiplies(name, loop, suffix) for loop in _loops(body)}
    for kernel in (3, 5, 7):
        tiles = [loop for loop, count in loops.items() if count == 8 * kernel]
        assert len(tiles) == 2, kernel  # whole vectors, and less than one
        for tile in tiles:
            assert tile.count("\n") <= 9 * kernel + 10, tile
            assert not re.search(rf"v?mov\S+ %{REGISTERS[name]}\d+,.*\(", tile), tile


# Of winograd: pairs of points, and taps along an axis.
TAPS_OF_PAIRS = ((1, 3), (2, 3), (2, 5), (3, 3), (3, 5), (3, 7))


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_the_transforms_of_fewer_multiplications_are_vectors(dtype, name):
    """Every coefficient of every point, for all tiles and kernels.

    Pixels: of p pairs, p in two rows, p - 1 in two for each pair, and the point. Taps: of a pair
    all r but the first of two sums, for all pairs of a line and of the rows of 0, of a pair and of
    infinity, and for the one pair of each of r columns. Sums: every output for each pair. (The
    passes of which there are several may share code.)
    The weight gradient has taps and sums once more, tiles of the output's gradient for kernels.
    """
    _, suffix = SPECIALISATIONS[dtype]
    least = {
        "transform_pixel_lines": sum(2 * p * p + p for p in (1, 2, 3)),
        "transform_taps_of_point": sum((5 * p + r) * (r - 2) for p, r in TAPS_OF_PAIRS),
        "transform_sum_lines": sum(p * (2 * p + 3 - r) for p, r in TAPS_OF_PAIRS),
        "weights_winograd_unit|transform_gradient|finish_share": 340,
    }
    for function, multiplies in least.items():
        bodies = _bodies(name, dtype, function)
        vectors = sum(_vector_multiplies(name, body, suffix) for body in bodies)
        assert vectors >= multiplies
        scalars = sum(len(re.findall(rf"(vfn?madd\d+|mul)s{suffix[1]}\s", b)) for b in bodies)
        # What is computed directly ends with single values; and the two lanes of SSE's float64 are
        # taken apart in some of the tap transforms, which are once for all pixels.
        most = 8 if "weights" in function else 0
        if (name, dtype) == ("baseline", "float64"):
            most = vectors // 3
        assert scalars <= most


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_the_stencils_are_unrolled_into_vectors(dtype, name):
    """One multiply-add per tap, row and vector, for 3x3, 5x5 and 7x7.

    The input gradient of stride 2: for two paddings, inside the gradient and at its edge.
    Sliding, at two strides: strips of two vectors and of one, each inside the image and at its
    edge, and of less than one. With several channels: tiles of four rows of two vectors and of one.
    """
    _, suffix = SPECIALISATIONS[dtype]
    squares = 9 + 25 + 49
    expected = {
        "slide_any_plane": squares * 2 * (2 + 2 + 1 + 1 + 1),
        "spread_any_plane": squares * 2 * 2,
        "stencil_rows": squares * 4 * (2 + 1),
        "stencil_channels": 7,
        # the columns of kernels, for tiles of eight rows, of four and of one
        "stencil_phases": (3 + 5 + 7) * (8 + 4 + 1),
        # tiles of rows x vectors: with all rows in the middle, and with ever more and ever fewer
        # before and after it; and of four rows under a kernel of three
        "cover$": sum(
            rows * rows * vectors
            for rows, vectors in ([(8, 3), (4, 6)] if name == "avx512" else [(4, 3)])
            + [(2, 6), (1, 6)]
        )
        + 12 * (6 if name == "avx512" else 3),
    }
    for function, multiplies in expected.items():
        bodies = _bodies(name, dtype, function)
        assert sum(_vector_multiplies(name, body, suffix) for body in bodies) >= multiplies
        if function in ("slide_any_plane", "spread_any_plane", "stencil_phases"):
            (body,) = bodies
            scalars = len(re.findall(rf"(vfmadd\d+|mul)s{suffix[1]}\s", body))
            # of vectors with only two lanes the compiler takes a few apart, in phases some more
            two_lanes = (name, dtype) == ("baseline", "float64")
            few = multiplies // (12 if function == "stencil_phases" else 50)
            assert scalars <= (few if two_lanes else 0)


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@clang_leaves()
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
@pytest.mark.parametrize("function", ["transform_columns", "restore_columns"])
def test_the_steps_of_spectra_are_vectors(function, dtype, name):
    """Three turns of four products each, and sixteen additions with turns and without."""
    _, suffix = SPECIALISATIONS[dtype]
    (body,) = _bodies(name, dtype, rf"_{function}$")
    fused = rf"v?(fn?m(add|sub)\d+|mul){suffix}\s.*%{REGISTERS[name]}"
    added = rf"v?(add|sub){suffix}\s.*%{REGISTERS[name]}"
    assert len(re.findall(fused, body)) >= 12
    assert len(re.findall(added, body)) >= 2 * 16
    singles = re.findall(rf"v?(fn?m(add|sub)\d+|mul|add|sub)s{suffix[1]}\s", body)
    # SSE takes a pair of two lanes apart
    assert len(singles) <= (2 if (name, dtype) == ("baseline", "float64") else 0)


# Comparisons (maxima are some) of whole vectors and of single values, of windows with and without a
# NaN among them: these are left for what is less than a vector wide.
COMPARISONS = {
    "max_pool_pairs": (28, 24), "max_pool_grad_pairs": (36, 82), "max_pool": (40, 50),
    "grad_of_band": (83, 27), "grad_of_threes": (24, 2),
    "max_pool_taps_pairs": (28, 110), "max_pool_taps_grad_pairs": (16, 8),
    "find_band": (69, 110), "share_band": (300, 30), "taps_of_threes": (30, 4),
    "grad_of_same_strips": (24, 2), "grad_of_halved_strips": (40, 2),
    "max_pool_taps_grad_same": (18, 2), "max_pool_taps_grad_halved": (9, 2),
}  # fmt: skip


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves(
    "max_pool_grad_pairs",
    "grad_of_band",
    "grad_of_same_strips",
    "grad_of_halved_strips",
    "max_pool_taps_grad_same",
    "max_pool_taps_grad_halved",
    "share_band",
)
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
@pytest.mark.parametrize("function", COMPARISONS)
def test_maxima_are_chosen_by_whole_vectors(function, dtype, name):
    """A choice that the compiler makes by a jump is one for every single value."""
    _, suffix = SPECIALISATIONS[dtype]
    (body,) = _bodies(name, dtype, f"_{function}$")
    vectors = len(re.findall(rf"(?:cmp\w*|max){suffix}\s.*%{REGISTERS[name]}", body))
    one = f"s{suffix[1]}"
    singles = len(re.findall(rf"(?:comi{one}|cmp\w*{one}|max{one})\s", body))
    least, most = COMPARISONS[function]
    assert vectors >= least
    assert singles <= most


# Of 2x2 windows, in a loop and for the last vector of a row: shuffles within halves of vectors, to
# deal and join pixels, and permutations across them, to bring values of windows into an order.
# What looks for NaNs by the way has two such loops, and so has what puts short rows end to end.
DEALT = {
    "max_pool_pairs": (16, 4), "max_pool_grad_pairs": (32, 4), "max_pool_taps_pairs": (16, 8),
    "max_pool_taps_grad_pairs": (16, 8), "avg_pool_pairs": (16, 4), "avg_pool_grad_pairs": (8, 4),
}  # fmt: skip


@pytest.mark.skipif("avx2" not in BUILT, reason="the halves of its vectors")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("function", DEALT)
def test_windows_side_by_side_are_dealt_within_halves_of_vectors(function):
    """Across halves it takes the compiler six instructions, twice as slow, where here are two."""
    (body,) = _bodies("avx2", "float32", f"_{function}$")
    within = len(re.findall(r"v(?:shufps|unpck[lh]ps|permilps)\s.*%ymm", body))
    across = len(re.findall(r"vperm(?:d|ps|2[fi]128)\s.*%ymm", body))
    least, most = DEALT[function]
    assert within >= least
    assert across <= most


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_averages_are_divided_by_whole_vectors(dtype, name):
    """Of two rows and three, and any; of two taps and three, and any."""
    prefix, suffix = SPECIALISATIONS[dtype]
    divisions = {
        symbol.rpartition("_")[2]: len(re.findall(rf"div{suffix}\s.*%{REGISTERS[name]}", body))
        for symbol, body in _functions(name).items()
        if symbol.startswith(prefix) and re.search("_avg_pool(_grad)?$", symbol)
    }
    two_lanes = (name, dtype) == ("baseline", "float64")  # of which the compiler takes some apart
    assert divisions["pool"] >= (1 if two_lanes else 7)
    assert divisions["grad"] >= (1 if two_lanes else 2)


# Additions, multiplications and divisions of whole vectors.
AVERAGES = {
    "avg_pool_pairs": 8, "avg_pool_grad_pairs": 2, "avg_pool_plane": 3, "avg_pool_grad": 12,
    "avg_pool_threes": 16, "avg_pool_grad_threes": 16,
}  # fmt: skip


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
@pytest.mark.parametrize("function", AVERAGES)
def test_averages_are_summed_by_whole_vectors(function, dtype, name):
    """Of windows side by side, of whole planes, and on the way back from three taps or more."""
    _, suffix = SPECIALISATIONS[dtype]
    (body,) = _bodies(name, dtype, f"_{function}$")
    vectors = len(re.findall(rf"(?:add|mul|div){suffix}\s.*%{REGISTERS[name]}", body))
    two_lanes = (name, dtype) == ("baseline", "float64")  # of which the compiler takes some apart
    assert vectors >= (1 if two_lanes else AVERAGES[function])


@pytest.mark.skipif(len(BUILT) < 3, reason="x86-64 registers")
@in_one_test
@clang_leaves()
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", SPECIALISATIONS)
def test_the_peak_loop_keeps_its_chains_in_registers(dtype, name):
    """A round multiplies a vector per chain; a loop that spilled them would need fewer, scalar."""
    suffix = SPECIALISATIONS[dtype][1]
    bodies = [
        body for symbol, body in _functions(name).items()
        if "fma_peak" in symbol or "run_multiply_adds" in symbol
    ]  # fmt: skip
    assert sum(_vector_multiplies(name, body, suffix) for body in bodies) >= 12
