"""The packages people install: what is in them, and that they work away from the source tree.

The archive and each wheel are built once, from one another as they would be on the index. Nothing
is compiled for them, which takes minutes: all that Cython and setup.py read is compared with the
tree's, byte for byte, and the wheel gets the extensions that were made of that for this
installation, by the same setup.py, and on which all other tests run.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from sysconfig import get_platform
from types import SimpleNamespace

import pytest

from fastconv import isa

ROOT = Path(__file__).parents[1]
BUILD = "import setuptools.build_meta as b, sys; print(b.build_{}(sys.argv[1]))"
USE = """
import numpy as np, fastconv
assert fastconv.conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 3, 3))).item() == 9
print(fastconv.__file__)
print(fastconv.show_config(mode="dicts")["pure"])
"""


def _plain_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("FASTCONV_")}


def _build(kind, source, folder, **environment):
    """Build an sdist or wheel as pip would, with what is installed here, and return its path."""
    folder.mkdir()
    process = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind), str(folder)],
        cwd=source,
        env={**_plain_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return folder / process.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    # A copy: building writes into the tree, and stale files there must not get in.
    copy = tmp_path_factory.mktemp("tree") / "fastconv"
    shutil.copytree(
        ROOT, copy,
        ignore=shutil.ignore_patterns(
            ".git", "build", "dist", "*.egg-info", "__pycache__", "results", ".*_cache", ".venv",
            ".hypothesis", ".benchmarks",  # other tests write there meanwhile
        ),
    )  # fmt: skip
    for path in copy.glob("fastconv/isa/*.c"):
        path.touch()  # or Cython would write anew what is older than its sources, for nobody
    return copy


@pytest.fixture(scope="module")
def source_archive(tree, tmp_path_factory):
    return _build("sdist", tree, tmp_path_factory.mktemp("sdist") / "out")


@pytest.fixture(scope="module")
def unpacked(tree, source_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(source_archive) as archive:
        # which Pythons before 3.10.12 and 3.11.4 do not know
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(folder, **safely)
    source = folder / source_archive.name.removesuffix(".tar.gz")
    for path in _sources(tree):  # all of what Cython reads, and setup.py, which says how
        assert (source / path).read_bytes() == (tree / path).read_bytes(), path
    assert _sources(source) == _sources(tree)
    for path in tree.glob("fastconv/isa/*.c"):
        shutil.copy2(path, source / "fastconv" / "isa")
    return source


def _sources(tree):
    """Return what the extensions are made of, relative to the root of a tree."""
    kernels = (p for kind in ("pyx", "pxi", "pxd", "h") for p in tree.glob(f"fastconv/**/*.{kind}"))
    return {path.relative_to(tree) for path in (*kernels, tree / "setup.py")}


@pytest.fixture(scope="module")
def wheel(unpacked, tmp_path_factory):
    # What stands in the folder of the build, newer than its sources, is what setuptools has built.
    built = unpacked / "build" / f"lib.{get_platform()}-{sys.implementation.cache_tag}"
    (built / "fastconv" / "isa").mkdir(parents=True)
    for extension in Path(isa.__file__).parent.glob("*.so"):  # also what runs elsewhere only
        shutil.copy(extension, built / "fastconv" / "isa")
    return _build("wheel", unpacked, tmp_path_factory.mktemp("wheel") / "out")


@pytest.fixture(scope="module")
def pure_wheel(unpacked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pure_wheel") / "out"
    return _build("wheel", unpacked, folder, FASTCONV_PURE="1")


def _use(wheel, folder, **environment):
    """Unpack a wheel, which is all that installing does, and run it from elsewhere."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    process = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=folder,
        env={**_plain_environment(), **environment, "PYTHONPATH": str(folder / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    path, pure = process.stdout.split()
    assert Path(path).is_relative_to(folder)
    return pure == "True"


def test_the_source_archive_holds_sources_only(source_archive):
    with tarfile.open(source_archive) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    for needed in (
        "LICENSE", "README.md", "pyproject.toml", "setup.py", "fastconv/kernels/all.pxi",
        "fastconv/isa/avx2.pyx", "reference/conv.py", "tests/support.py",
        "benchmarks/problems/layers.py", "benchmarks/reporting/templates/report.html.j2",
    ):  # fmt: skip
        assert needed in names
    assert not [name for name in names if name.endswith((".c", ".so", ".pyc"))]


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"fastconv"}
    assert len(tops) == 2
    suffixes = {Path(name).suffix for name in names if name.startswith("fastconv/")}
    assert suffixes <= {".py", ".pyi", ".so", ".pyd", ".typed", ""}
    assert "fastconv/py.typed" in names
    # Asked by name: where this is installed in editable form, what a wheel lacks is found there.
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("fastconv/**/*.py")}
    assert modules <= set(names)
    for name in isa.available():
        assert f"fastconv/isa/{name}.pyi" in names
        assert [n for n in names if n.startswith(f"fastconv/isa/{name}.") and ".so" in n]


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < 5_000_000


def test_the_wheel_works(wheel, tmp_path):
    assert _use(wheel, tmp_path) is False


def test_the_pure_wheel_has_no_extension_and_works(pure_wheel, tmp_path):
    assert pure_wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(pure_wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".so", ".pyd"))]
    assert _use(pure_wheel, tmp_path) is True


def test_importing_needs_numpy_alone():
    code = (
        "import sys, numpy; before = set(sys.modules); import fastconv\n"
        "print(*(set(sys.modules) - before))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = process.stdout.split()
    packages = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    # "org" is what the standard library's copy module tries for Jython
    own = {name for name in packages if "cython" in name} | {"fastconv", "numpy", "org"}
    assert packages <= own
    assert "importlib.metadata" not in modules  # 20 ms for what is not needed


def _setup():
    spec = importlib.util.spec_from_file_location("fastconv_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_each_compiler_is_given_what_keeps_its_tiles_in_registers(name, monkeypatch):
    """And nothing that it does not know: a warning for each file and flag, or an error."""
    found = [path for path in (shutil.which(name), shutil.which(f"{name}-19")) if path]
    if not found:
        pytest.skip(f"there is no {name} here")
    monkeypatch.delenv("FASTCONV_BUILD", raising=False)
    compiler = SimpleNamespace(compiler_type="unix", compiler_so=found[:1])
    flags, link_flags = _setup().build_flags(compiler)
    said = subprocess.run([found[0], "--version"], capture_output=True, text=True, check=True)
    is_clang = "clang" in said.stdout  # which may be called gcc, too
    assert ("-unroll-threshold=1500" in flags) is is_clang
    assert ("--param=max-completely-peel-times=64" in flags) is not is_clang
    assert {"-O2", "-ftree-vectorize"} <= set(flags)
    assert link_flags == []
