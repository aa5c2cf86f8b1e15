"""Whether two runs were on the same machine."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.measuring import machine
from tests.benchmarks import made_up

HERE: dict[str, Any] = {
    **made_up.MACHINE,
    "cpu": "AMD EPYC",
    "caches": {"L1 data": "32K", "L2 unified": "512K"},
    "fastconv": {"instruction set": "avx2", "instruction sets available": ["baseline", "avx2"]},
}


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ({}, True),
        ({"load_average": 3.0, "memory_bytes": 1, "python": "another"}, True),
        ({"cpu": "AMD EPYC 9654"}, False),
        ({"caches": {"L1 data": "32K", "L2 unified": "1024K"}}, False),
        ({"caches": {}}, False),
        ({"fastconv": {"instruction sets available": ["baseline", "avx2", "avx512"]}}, False),
        # which of them a process was told to use says nothing of the machine
        ({"fastconv": {**HERE["fastconv"], "instruction set": "baseline"}}, True),
    ],
    ids=["nothing", "what changes", "name", "larger caches", "no caches", "wider", "set in use"],
)
def test_a_machine_is_its_name_its_caches_and_its_instruction_sets(
    changed: dict[str, Any], is_same: bool
) -> None:
    other = {**HERE, **changed}
    assert machine.is_same(HERE, other) is is_same
    assert machine.is_same(other, HERE) is is_same


def test_a_machine_is_the_same_as_itself_after_a_file() -> None:
    described = machine.describe()
    assert machine.is_same(described, machine.describe())
