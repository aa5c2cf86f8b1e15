"""The documents keep their word: examples run, promised commands and files exist."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import fastconv
from tests.walking import in_one_test

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _modules():
    for package in ("fastconv", "reference"):
        for module in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}."
        ):
            if not module.name.startswith("fastconv.isa."):
                yield module.name


def test_the_readme_example_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    names = {}  # one after another, as they are read
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert len(blocks[0].splitlines()) <= 12


def test_the_study_s_checks_run():
    text = (ROOT / "benchmarks" / "STUDY.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, "STUDY.md", "exec"), names)


def test_the_readme_has_the_two_commands():
    lines = [line.strip() for line in README.splitlines()]
    assert 'pip install -e ".[bench]" && python -m benchmarks' in lines
    assert 'pip install -e ".[test]" && python -m pytest' in lines


@in_one_test
@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/STUDY.md"]
)
def test_links_inside_the_repository_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert (ROOT / document).parent.joinpath(target).exists(), target


def test_the_readme_names_every_backend():
    for name in fastconv.backends():
        assert f"`{name}`" in README


@in_one_test
@pytest.mark.parametrize("name", sorted(_modules()))
def test_docstring_examples(name):
    with np.printoptions():
        result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@in_one_test
@pytest.mark.parametrize("name", fastconv.__all__)
def test_every_public_name_is_documented(name):
    assert len(getattr(fastconv, name).__doc__) > 40
