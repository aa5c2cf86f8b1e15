"""What the reference is as a package: on its own."""

import subprocess
import sys
from pathlib import Path

import reference


def test_it_does_not_import_what_it_judges():
    program = "import sys, reference; sys.exit('fastconv' in sys.modules)"
    root = Path(reference.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_every_public_name_exists():
    assert all(hasattr(reference, name) for name in reference.__all__)
    assert list(reference.__all__) == sorted(reference.__all__)
