"""`python -m tests.demo up|down`: what `make demo` and `make demo-down` run."""

import argparse
import subprocess
import sys

from tests.demo.shipping import DifferenceError
from tests.demo.show import Show
from tests.demo.up import run_demo
from tests.testbed.errors import TestbedError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("action", choices=("up", "down"))
    if parser.parse_args().action == "down":
        return subprocess.run([sys.executable, "-m", "tests.testbed", "down", "--engine"], check=False).returncode
    show = Show()
    try:
        run_demo(show)
    except (DifferenceError, TestbedError, TimeoutError, RuntimeError) as error:
        print(f"\nThe demo stopped after {show.elapsed:.0f} s: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
