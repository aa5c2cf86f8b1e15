"""What is measured of the machine itself."""

from __future__ import annotations

import pytest

from benchmarks import machine
from fastconv import isa


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_peaks_are_measured_for_one_thread_and_for_those_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "PEAK_SECONDS", 0.001)
    monkeypatch.setattr(machine, "PEAK_TRIES", 1)
    monkeypatch.setattr(machine, "MEMORY_BYTES", 2**20)
    monkeypatch.setattr(machine, "MEMORY_BYTES_OF_A_THREAD", 2**16)
    meter = machine.PeakMeter(threads=2)
    assert meter.gflops is not None
    assert meter.bandwidth is not None
    assert set(meter.gflops) == {"float32", "float64"}
    assert set(meter.bandwidth) == {"memory", "cache"}
    for peaks in (*meter.gflops.values(), *meter.bandwidth.values()):
        assert set(peaks) == {"1", "2"}
        assert min(peaks.values()) > 0


def test_nothing_is_measured_without_compiled_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isa, "kernels", None)
    meter = machine.PeakMeter(threads=2)
    meter.update()
    assert meter.gflops is None
    assert meter.bandwidth is None
