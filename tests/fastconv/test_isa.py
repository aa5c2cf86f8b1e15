"""Which compiled module is imported, and that all of them compute the same."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import isa
from fastconv.planning import FAMILIES

SAME_EVERYWHERE = """
import numpy as np, fastconv
from fastconv import isa
rng = np.random.default_rng(0)
total = 0
for groups in (1, 2):
    for dtype in (np.float32, np.float64):
        x = rng.integers(-4, 5, (2, 4, 19, 37)).astype(dtype)
        w = rng.integers(-4, 5, (6, 4 // groups, 3, 3)).astype(dtype)
        options = {"padding": 1, "groups": groups, "backend": BACKEND}
        y = fastconv.conv2d(x, w, **options)
        grads = fastconv.conv2d_backward(y, x, w, **options)
        total += int(sum(np.abs(a).astype(np.float64).sum() for a in (y, *grads)))
bright = np.full((5, 7), 3e38, np.float32)  # whether or not products are fused with sums
assert (fastconv.filters.laplacian(bright) == 0).all()
assert (fastconv.filters.sharpen(bright) == bright).all()
print(isa.name, total)
"""


@cache
def run(code, **environment):
    """Run code in a fresh interpreter and return the finished process; once for all who ask."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FASTCONV_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_widest_available_set_is_taken():
    process = run("from fastconv import isa; print(isa.name)")
    widest = isa.available()[-1] if isa.available() else None
    assert process.stdout.strip() == str(widest), process.stderr


@pytest.mark.parametrize("name", isa.available())
def test_each_available_set_can_be_forced_and_computes_the_same(name):
    code = SAME_EVERYWHERE.replace("BACKEND", "'loops'")
    process = run(code, FASTCONV_ISA=name)
    expected = run(SAME_EVERYWHERE.replace("BACKEND", "'im2col'"), FASTCONV_PURE="1")
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == [name, expected.stdout.split()[1]]


def test_an_unknown_set_is_a_clear_error():
    process = run("import fastconv", FASTCONV_ISA="avx10")
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: FASTCONV_ISA='avx10' is not an instruction set")
    assert "baseline, avx2, avx512" in last


def test_a_set_that_the_processor_lacks_is_refused_before_its_import(monkeypatch):
    monkeypatch.delenv("FASTCONV_PURE", raising=False)
    monkeypatch.setenv("FASTCONV_ISA", "avx512")
    monkeypatch.setattr(isa, "_processor_features", lambda: {"AVX2": True, "FMA3": True})
    monkeypatch.setattr(isa.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ImportError, match=r"no AVX512F.*available: baseline, avx2"):
        isa._choose()


def test_a_set_that_was_not_built_is_refused(monkeypatch):
    monkeypatch.delenv("FASTCONV_PURE", raising=False)
    monkeypatch.setenv("FASTCONV_ISA", "avx2")
    monkeypatch.setattr(isa.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="built without it; available: none"):
        isa._choose()


def test_an_older_processor_gets_the_set_it_has(monkeypatch):
    monkeypatch.delenv("FASTCONV_ISA", raising=False)
    monkeypatch.delenv("FASTCONV_PURE", raising=False)
    monkeypatch.setattr(isa.importlib.util, "find_spec", lambda name: object())
    for features, expected in (
        ({}, "baseline"),
        ({"AVX2": True}, "baseline"),  # without FMA
        ({"AVX2": True, "FMA3": True}, "avx2"),
        ({"AVX2": True, "FMA3": True, "AVX512F": True}, "avx2"),  # AVX-512 in part
    ):
        monkeypatch.setattr(isa, "_processor_features", lambda features=features: features)
        assert isa._choose() == expected


def test_the_flags_are_those_of_the_features_that_are_checked():
    """A flag without its feature would let an instruction slip past the check."""
    setup = (Path(__file__).parents[2] / "setup.py").read_text()
    for name, features in isa.INSTRUCTION_SETS.items():
        row = re.search(rf'"{name}": \((.*?)\n? *\),', setup, flags=re.DOTALL)[1]
        flags = {flag.upper() for flag in re.findall(r"-m((?:avx|fma)\w*)", row)}
        assert {feature.replace("FMA3", "FMA") for feature in features} == flags


def test_pure_beats_a_forced_set(monkeypatch):
    monkeypatch.setenv("FASTCONV_ISA", "avx2")
    monkeypatch.setenv("FASTCONV_PURE", "1")
    assert isa._choose() is None


def test_numpy_still_tells_the_features():
    """The check leans on a private table of NumPy's: notice if it moves."""
    features = isa._processor_features()
    assert isinstance(features, dict)
    if isa.available()[1:]:
        assert features["AVX2"] is True


def test_pure_python_works_and_says_so():
    process = run(
        "import fastconv; fastconv.show_config(); print(fastconv.backends())", FASTCONV_PURE="1"
    )
    assert process.returncode == 0, process.stderr
    assert "pure: yes" in process.stdout
    assert "instruction set: none" in process.stdout
    compiled = [b.name for b in FAMILIES if b.threading != "blas"]
    assert f"backends not available: {', '.join(compiled)}" in process.stdout
    assert process.stdout.strip().endswith("['im2col']")


def test_pure_python_is_complete():
    process = run(SAME_EVERYWHERE.replace("BACKEND", "'auto'"), FASTCONV_PURE="1")
    expected = run(SAME_EVERYWHERE.replace("BACKEND", "'auto'"))
    assert process.stdout.split()[1] == expected.stdout.split()[1]


def test_a_compiled_backend_in_pure_python_is_a_clear_error():
    code = "import numpy as np, fastconv; a = np.ones((1, 1, 1, 1))\n"
    process = run(code + "fastconv.conv2d(a, a, backend='loops')", FASTCONV_PURE="1")
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: backend 'loops' cannot compute")
    assert "pure Python" in last


def test_importing_leaves_denormal_numbers_alone():
    """A flag like -ffast-math in one extension would flush them to zero in the whole process."""
    process = run(
        "import numpy as np, fastconv\n"
        "tiny = np.float32(1e-40); print(tiny * np.float32(1) > 0, np.array([1e-310]) / 1 > 0)"
    )
    assert process.stdout.split() == ["True", "[", "True]"], process.stderr


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_the_peak_loop_counts_what_it_does():
    flops = {dtype: isa.kernels.fma_peak(dtype, 10) for dtype in ("float32", "float64")}
    assert flops["float32"] == 2 * flops["float64"] > 0
    with pytest.raises(ValueError, match="float32"):
        isa.kernels.fma_peak("int8", 1)


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_the_copy_loop_copies_and_counts_what_it_does():
    source, target = np.arange(37, dtype=np.float32), np.full(37, np.nan, np.float32)
    assert isa.kernels.copy_rounds(target, source, 1) == 2 * source.nbytes
    np.testing.assert_array_equal(target, source)
    assert isa.kernels.copy_rounds(target, source, 5) == 10 * source.nbytes
    np.testing.assert_array_equal(target, source + 4)  # each round adds its number
    with pytest.raises(ValueError, match="36"):
        isa.kernels.copy_rounds(target[1:], source, 1)


def test_denormal_data_is_computed_not_flushed():
    x = np.full((1, 1, 4, 4), 1e-40, np.float32)
    y = fastconv.conv2d(x, np.ones((1, 1, 1, 1), np.float32))
    np.testing.assert_array_equal(y, x)
