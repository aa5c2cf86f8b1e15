"""One compiled module per instruction set, and the check that picks one of them at import.

    kernels/*.pxi ──┬─ baseline.pyx   what every processor of the architecture has
      (the bodies)  ├─ avx2.pyx       AVX2 + FMA
                    └─ avx512.pyx     AVX-512 F, CD, BW, DQ, VL

The processor is asked before a module is imported: an import may already run its instructions.
The environment variable ``FASTCONV_ISA`` forces one, for tests and for the study;
``FASTCONV_PURE=1`` leaves all of them aside, as does an installation built without them.
"""

from __future__ import annotations

import importlib.util
import os
from importlib import import_module
from types import ModuleType

__all__ = ["INSTRUCTION_SETS", "available", "kernels", "name"]

# From the narrowest to the widest, with the features (by NumPy's names) that setup.py's flags use.
INSTRUCTION_SETS: dict[str, tuple[str, ...]] = {
    "baseline": (),
    "avx2": ("AVX2", "FMA3"),
    "avx512": ("AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL", "FMA3"),
}


def _processor_features() -> dict[str, bool]:
    """Return NumPy's own finding, which covers the operating system's support of the registers."""
    try:
        core = import_module("numpy._core._multiarray_umath")
    except ImportError:  # NumPy 1
        core = import_module("numpy.core._multiarray_umath")
    return dict(core.__cpu_features__)


def _refusal(candidate: str) -> str | None:
    """Return why an instruction set cannot be used here, or None."""
    if importlib.util.find_spec(f"{__name__}.{candidate}") is None:
        return "this installation was built without it"
    features = _processor_features()
    missing = [feature for feature in INSTRUCTION_SETS[candidate] if not features.get(feature)]
    return f"this processor has no {', '.join(missing)}" if missing else None


def available() -> list[str]:
    """Return the names of the instruction sets that can be used here, the widest last."""
    return [candidate for candidate in INSTRUCTION_SETS if _refusal(candidate) is None]


def _choose() -> str | None:
    if os.environ.get("FASTCONV_PURE") == "1":
        return None
    forced = os.environ.get("FASTCONV_ISA")
    if forced:
        if forced not in INSTRUCTION_SETS:
            raise ImportError(
                f"FASTCONV_ISA={forced!r} is not an instruction set: "
                f"choose from {', '.join(INSTRUCTION_SETS)}, or unset it"
            )
        refusal = _refusal(forced)
        if refusal is not None:
            raise ImportError(
                f"FASTCONV_ISA={forced!r} cannot be used: {refusal}; "
                f"available: {', '.join(available()) or 'none'}"
            )
        return forced
    widest = available()
    return widest[-1] if widest else None


name: str | None = _choose()
kernels: ModuleType | None = None if name is None else import_module(f".{name}", __name__)
