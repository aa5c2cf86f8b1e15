"""Result files: the fields of a run as JSON, with what kind of run it is.

{"kind": "fastconv images", "format": 1, "created": …}     images.json
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

# Whose files have not always said so.
LAYERS = "fastconv layers"


class ResultsError(Exception):
    """The file is not one of ours."""


@dataclass
class ResultFile:
    """A run that is written to a file."""

    created: str
    """Date and time, as text of which the later is the larger."""

    FILE: ClassVar[str]
    """What the file is called in the folder of its run."""
    KIND: ClassVar[str]
    FORMAT: ClassVar[int]
    INDENT: ClassVar[int | None] = 1
    """Of the file; None for one that is too long to be read by people."""
    PARTS: ClassVar[Mapping[str, Callable[..., Any]]]
    """Each field that is a list of objects, and what makes one of them."""

    def save(self, folder: Path, name: str = "") -> None:
        """Write the file of the run into its folder, called `FILE` unless told otherwise.

        One that is there stays whole until the new one is.
        """
        fields = {"kind": self.KIND, "format": self.FORMAT, **asdict(self)}
        separators = (",", ":") if self.INDENT is None else None
        text = json.dumps(fields, indent=self.INDENT, separators=separators, ensure_ascii=False)
        path = folder / (name or self.FILE)
        written = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            written.write_text(text + "\n", "utf-8")
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)


class Embedded(ResultFile, ABC):
    """A run whose newest is a section of the report of layers."""

    @property
    @abstractmethod
    def is_full(self) -> bool:
        """Whether it is more than a quick look."""


File = TypeVar("File", bound=ResultFile)
Section = TypeVar("Section", bound=Embedded)


def load(path: Path, *kinds: type[File]) -> File:
    """Read a result file of one of these kinds; what it is called does not matter.

    Raises
    ------
    ResultsError
        If there is no such file, it is of another kind or format, or parts of it are missing.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path} is not JSON: {error}") from error
    if isinstance(raw, dict):
        marker = raw.pop("kind", LAYERS), raw.pop("format", None)
        for kind in kinds:
            if marker == (kind.KIND, kind.FORMAT):
                return _made(path, kind, raw)
    known = " or ".join(f"{kind.KIND!r}, format {kind.FORMAT}" for kind in kinds)
    raise ResultsError(f"{path} is not a result file of {known}")


def _made(path: Path, kind: type[File], fields: dict[str, Any]) -> File:
    try:
        for name, part in kind.PARTS.items():
            fields[name] = [part(**item) for item in fields[name]]
        return kind(**fields)
    except (KeyError, TypeError) as error:
        raise ResultsError(f"{path} is a result file with other parts: {error}") from error


def newest(folder: Path, kind: type[Section]) -> Section | None:
    """Return the latest full run of a kind that has a folder in this one, or None."""
    found = []
    for path in folder.glob(f"*/{kind.FILE}"):
        try:
            found.append(load(path, kind))
        except ResultsError:
            continue  # of another version
    full = (run for run in found if run.is_full)
    return max(full, key=lambda run: run.created, default=None)
