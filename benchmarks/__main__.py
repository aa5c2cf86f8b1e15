"""``python -m benchmarks``: say kindly what is missing, or run."""

from __future__ import annotations

import importlib.util
import sys

# Import name → what pip calls it.
NEEDED = {
    "rich": "rich",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
    "PIL": "pillow",
    "scipy": "scipy",
}
# The benchmark does without these, the report then says less about the machine.
EXTRAS = "py-cpuinfo threadpoolctl"


def main() -> int:
    missing = [pip for name, pip in NEEDED.items() if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"The benchmarks need {', '.join(missing)}. Install with\n"
            f"    pip install {' '.join(missing)} {EXTRAS}\n"
            "or, for everything at once, from the root of the repository\n"
            "    pip install -e '.[bench]'",
            file=sys.stderr,
        )
        return 2
    from benchmarks import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
