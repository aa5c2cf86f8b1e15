"""The machine that a run was on: processor, caches, versions, threads."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import fastconv

DISTRIBUTIONS = (
    "numpy",
    "torch",
    "onnxruntime",
    "onnx",
    "openvino",
    "ncnn",
    "scipy",
    "opencv-python-headless",
    "opencv-python",
    "matplotlib",
)


def describe() -> dict[str, Any]:
    """Return everything a reader needs to judge or repeat the figures."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "caches": _caches(),
        "memory_bytes": _memory(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": _versions(),
        "fastconv": fastconv.show_config(mode="dicts"),
        # Others at work on the same cores are the commonest reason for odd figures.
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions are of machines whose figures may stand beside each other.

    Many processors share a name ("AMD EPYC" in a virtual machine is any of five generations): what
    tells them apart is how large their caches are, and the instruction sets that run there.

    Parameters
    ----------
    one, other
        As `describe` gives them, or a result file.
    """
    return _identity(one) == _identity(other)


def _identity(machine: Mapping[str, Any]) -> tuple[Any, ...]:
    sets = machine.get("fastconv", {}).get("instruction sets available")
    return machine["cpu"], machine.get("caches"), sets


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_pools() -> list[dict[str, Any]]:
    """Return the thread pools that the libraries loaded here have, as threadpoolctl sees them."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    fields = ("user_api", "internal_api", "num_threads", "version", "architecture")
    return [{name: pool[name] for name in fields if name in pool} for pool in threadpool_info()]


@cache
def _cpu_name() -> str:
    try:
        from cpuinfo import get_cpu_info
    except ImportError:
        return platform.processor() or platform.machine()
    return str(get_cpu_info().get("brand_raw") or platform.machine())


def _caches() -> dict[str, str]:
    """Return the caches that the first core sees, where Linux tells."""
    caches = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            (folder / name).read_text().strip() for name in ("level", "type", "size")
        )
        caches[f"L{level} {kind.lower()}"] = size
    return caches


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _versions() -> dict[str, str]:
    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
