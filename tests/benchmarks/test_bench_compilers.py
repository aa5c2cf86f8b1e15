"""GCC beside Clang: who is found, whose extension a process has, and what the table says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from benchmarks.compilers import builds, found, part
from benchmarks.compilers.found import Compiler
from benchmarks.compilers.part import CompilersPart
from benchmarks.compilers.results import Built, CompilersResults, LoopTimes
from benchmarks.compilers.work import QUICK, WORK
from benchmarks.contestants import internals
from benchmarks.ladder.compiling import CompileError
from benchmarks.measuring.files import load
from benchmarks.problems.layer import Layer
from fastconv import isa
from tests.benchmarks import made_up

GCC, CLANG = Compiler("GCC", "gcc", "12.2.0"), Compiler("Clang", "clang", "19.1.7")
SAYS = {
    "GCC": "gcc (Debian 12.2.0-14) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.",
    "Clang": "Debian clang version 19.1.7 (3~deb12u1)\nTarget: x86_64-pc-linux-gnu",
}


def compiler(folder: Path, name: str, said: str) -> str:
    """Return the path of a command that says no more than this."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("commands", "cc", "expected"),
    [
        ({"gcc": "GCC", "clang-9": "Clang", "clang-19": "Clang"}, "", ["gcc", "clang-19"]),
        ({"gcc": "GCC", "gcc-12": "GCC"}, "gcc-12", ["gcc-12"]),
        # as on macOS, where gcc is another name of Clang
        ({"gcc": "Clang"}, "", ["gcc"]),
        ({"gcc": "tcc", "clang": "Clang"}, "", ["clang"]),
        ({}, "", []),
    ],
    ids=["newest", "the one that builds", "by what it says", "another", "nobody"],
)
def test_one_of_each_kind_is_found(
    commands: dict[str, str], cc: str, expected: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, kind in commands.items():
        compiler(tmp_path, name, SAYS.get(kind, "tcc version 0.9.27"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin/nowhere")
    # the commands above need cat
    (tmp_path / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("CC", cc or "no-such-compiler")
    here = found.compilers()
    assert [one.command for one in here] == expected
    versions = {"GCC": "12.2.0", "Clang": "19.1.7"}
    assert all(one.version == versions[one.kind] for one in here)


def test_a_file_stands_in_for_one_module_and_for_no_other() -> None:
    finder = builds._Finder("fastconv.isa.made_up", Path("/nowhere/made_up.so"))
    spec = finder.find_spec("fastconv.isa.made_up")
    assert spec is not None
    assert spec.origin == "/nowhere/made_up.so"
    assert finder.find_spec("fastconv.isa") is None
    if isa.name is not None:
        with pytest.raises(RuntimeError, match=f"fastconv.isa.{isa.name} was imported before"):
            builds.stand_in(Path(f"/nowhere/{isa.name}.so"))


def test_each_loop_is_timed_once_on_a_problem_that_it_does() -> None:
    assert len({work.name for work in WORK}) == len(WORK)
    assert set(QUICK) <= set(WORK)
    assert {work.unit for work in QUICK} == {"GFLOP/s", "GB/s"}
    if not internals.is_compiled():
        return
    for work in WORK:
        if isinstance(work.problem, Layer):
            assert internals.refusal(work.loop, work.problem, work.direction) is None, work.name


@pytest.mark.skipif(not internals.is_compiled(), reason="a pure-Python installation")
def test_a_quick_run_of_the_same_extension_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(compiler: Compiler, instruction_set: str) -> Path:
        spec = importlib.util.find_spec(f"fastconv.isa.{instruction_set}")
        assert spec is not None
        return Path(str(spec.origin))

    monkeypatch.setattr(part, "built", built)
    monkeypatch.setattr(found, "compilers", lambda: [GCC, CLANG])
    told: list[int] = []
    one = CompilersPart()
    one.run(tmp_path, 2, True, lambda _text, steps: told.append(steps))
    assert told == [2 + len(QUICK)] * told[0]
    results = load(tmp_path / "compilers.json", CompilersResults)
    assert [each.trouble for each in results.compilers] == ["", ""]
    assert results.all_right
    for loop in results.loops:
        assert {kind: len(times) for kind, times in loop.times.items()} == {"GCC": 2, "Clang": 2}
        assert loop.apart == 0
    texts = one.texts(tmp_path)
    assert texts["compilers"].count("\n| ") == len(QUICK) + 1
    assert "a quick run; the processor's time" in texts["compilers"]
    assert "compiled here by GCC 12.2.0 and Clang 19.1.7." in texts["compilers"]
    assert float(texts[f"compilers.{QUICK[0].name}.ratio"]) > 0
    assert one.is_there(tmp_path, results.machine, 8, quick=True)
    assert not one.is_there(tmp_path, results.machine, 8, quick=False)
    assert not one.is_there(tmp_path, {**results.machine, "cpu": "another"}, 8, quick=True)


def test_where_one_is_missing_it_is_said_how_to_add_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(compiler: Compiler, instruction_set: str) -> Path:
        raise CompileError("avx2.pyx cannot be compiled: no headers")

    monkeypatch.setattr(part, "built", built)
    monkeypatch.setattr(found, "compilers", lambda: [GCC])
    CompilersPart().run(tmp_path, 1, True, lambda *_: None)
    text = CompilersPart().texts(tmp_path)["compilers"]
    assert "Clang was not here; `apt install clang`" in text
    assert re.search(r"GCC: (avx2\.pyx cannot be compiled|this installation has no)", text)


def test_the_table_says_who_is_ahead_and_who_is_wrong(tmp_path: Path) -> None:
    loops = [
        LoopTimes("gemm.a", "a product", "gemm", "1×1", 1e9, "GFLOP/s",
                  {"GCC": [0.02, 0.01], "Clang": [0.02, 0.03]}, 1e-7),
        LoopTimes("pool.b", "maxima", "pool ∂x", "2×2", 1e9, "GB/s",
                  {"GCC": [0.1], "Clang": [0.1]}, 0.5),
        LoopTimes("loops.c", "loops", "loops", "3×3", 1e9, "GFLOP/s", {"GCC": [1.0]}),
    ]  # fmt: skip
    compilers = [Built("GCC", "gcc", "12.2.0"), Built("Clang", "clang", "19.1.7", "loops.c: died")]
    CompilersResults(
        "2026-01-01T00:00:00", made_up.MACHINE, "avx2", False, compilers, loops
    ).save(tmp_path)  # fmt: skip
    results = load(tmp_path / "compilers.json", CompilersResults)
    assert not results.all_right
    assert [loop.is_wrong for loop in results.loops] == [False, True, False]
    assert results.kinds == ["GCC"]
    texts = CompilersPart().texts(tmp_path)
    assert "| a product | `gemm` | 1×1 | 100 GFLOP/s | 50 GFLOP/s | 0.50 |" in texts["compilers"]
    assert "| 10 GB/s | 10 GB/s | results differ by 0.5 |" in texts["compilers"]
    assert "| `loops` | 3×3 | 1 GFLOP/s | – | – |" in texts["compilers"]
    assert "Clang: loops.c: died." in texts["compilers"]
    assert texts["compilers.gemm.a.Clang"] == "50"
    assert texts["compilers.ratio"] == "0.50"  # what is wrong has none
    assert texts["compilers.Clang"] == "19.1.7"
