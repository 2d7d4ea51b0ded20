"""Compiles the modules of native.txt to machine code, with mypyc: python gateway/build_native.py TARGET.

The sources stay what they are, and run as they are wherever nobody compiles them; the gateway's image holds both, and
Python takes the compiled ones. Run from the repository's root, by the Dockerfile and by tests; needs a C compiler,
Python's headers and `requirements/compile.txt`. Never writes into the sources' directories.
"""

import argparse
import tempfile
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Distribution

ROOT = Path(__file__).resolve().parent
HOT = ROOT / "native.txt"
"""What every request, record or line passes. The others run seldom: compiling them would cost time and gain none."""


def compile_into(target: Path, scratch: Path, python: str | None, optimization: str) -> None:
    """Write the extension modules below `target`, laid out as the package is."""
    sources = [str(ROOT / path) for path in HOT.read_text().split()]
    options = ["--config-file", str(ROOT.parent / "pyproject.toml")]
    if python is not None:
        options += ["--python-executable", python]
    extensions = mypycify(
        [*options, *sources],
        opt_level=optimization,
        debug_level="0",
        target_dir=str(scratch / "c"),
        multi_file=True,  # the compiler takes more than twice as long for twice as much
    )
    distribution = Distribution({"name": "headgate", "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(target), str(scratch / "o")
    command.ensure_finalized()
    command.run()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="directory that holds, or will hold, the package")
    parser.add_argument("--python", help="interpreter whose packages say what types they have (default: this one)")
    parser.add_argument("--optimization", default="2", choices=["0", "1", "2", "3"], help="(default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        compile_into(options.target.resolve(), Path(scratch), options.python, options.optimization)


if __name__ == "__main__":
    main()
