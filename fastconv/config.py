"""show_config: what this installation is and runs on."""

from __future__ import annotations

import os
import platform
from typing import Any, Literal, overload

import numpy as np

from . import isa
from .algorithms.im2col import column_buffer_limit
from .planning import FAMILIES, usable_families
from .problem.arguments import shown
from .threads import get_num_threads

__all__ = ["show_config"]


@overload
def show_config(mode: Literal["stdout"] = ...) -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> dict[str, Any]: ...
def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Show the version, instruction set, threads and backends of this installation.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print, or return a dictionary.

    Returns
    -------
    dict or None

    Raises
    ------
    ValueError
        For another mode.
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts', not {shown(mode)}")
    from . import __version__

    config: dict[str, Any] = {
        "fastconv": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "pure": isa.kernels is None,
        "instruction set": isa.name,
        "instruction sets available": isa.available(),
        "openmp": isa.kernels is not None and isa.kernels.has_openmp(),
        "threads": get_num_threads(),
        "im2col buffer limit": column_buffer_limit(),
        "backends": {family.name: family.summary for family in usable_families()},
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith("FASTCONV_") or name == "OMP_NUM_THREADS"
        },
    }
    if mode == "dicts":
        return config
    print(_page(config))
    return None


def _page(config: dict[str, Any]) -> str:
    texts = dict(config)
    texts["pure"] = (
        "no"
        if not config["pure"]
        else "yes: every call runs on NumPy, as FASTCONV_PURE=1 asks for (unset it to change that)"
        if config["instruction sets available"]
        else "yes: no compiled kernels, every call runs on NumPy (to get them, install with a "
        "C compiler and without FASTCONV_PURE)"
    )
    texts["instruction set"] = config["instruction set"] or "none"
    texts["instruction sets available"] = ", ".join(config["instruction sets available"]) or "none"
    texts["openmp"] = "yes" if config["openmp"] else "no"
    texts["im2col buffer limit"] = f"{config['im2col buffer limit'] / 2**20:g} MiB"
    missing = [family.name for family in FAMILIES if family.name not in config["backends"]]
    lines = []
    for name, value in texts.items():
        if isinstance(value, dict):
            lines.append(f"{name}:" if value else f"{name}: none set")
            lines += [f"    {key}: {text}" for key, text in value.items()]
        else:
            lines.append(f"{name}: {value}")
    if missing:
        lines.append(f"backends not available: {', '.join(missing)}")
    return "\n".join(lines)
