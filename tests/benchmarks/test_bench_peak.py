"""What is measured of the machine itself."""

from __future__ import annotations

import pytest

from benchmarks.contestants import internals
from benchmarks.measuring import peak


@pytest.mark.skipif(not internals.is_compiled(), reason="a pure-Python installation")
def test_peaks_are_measured_for_one_thread_and_for_those_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peak, "PEAK_SECONDS", 0.001)
    monkeypatch.setattr(peak, "PEAK_TRIES", 1)
    monkeypatch.setattr(peak, "MEMORY_BYTES", 2**20)
    monkeypatch.setattr(peak, "MEMORY_BYTES_OF_A_THREAD", 2**16)
    meter = peak.PeakMeter(threads=2)
    assert meter.gflops is not None
    assert meter.bandwidth is not None
    assert set(meter.gflops) == {"float32", "float64"}
    assert set(meter.bandwidth) == {"memory", "cache"}
    for peaks in (*meter.gflops.values(), *meter.bandwidth.values()):
        assert set(peaks) == {"1", "2"}
        assert min(peaks.values()) > 0


def test_nothing_is_measured_without_compiled_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "is_compiled", lambda: False)
    meter = peak.PeakMeter(threads=2)
    meter.update()
    assert meter.gflops is None
    assert meter.bandwidth is None
