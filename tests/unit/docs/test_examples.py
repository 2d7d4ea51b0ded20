"""Examples are what people copy first: `headgate validate` has nothing to say about any of them, and their tests pass."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.mark.parametrize("folder", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_headgate_validate_accepts_the_example(folder: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("headgate"), "validate", "-f", EXAMPLES / folder],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", sorted({path.parent.parent.name for path in EXAMPLES.glob("*/tests/*.yaml")}))
def test_headgate_test_runs_the_tests_of_the_example(folder: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("headgate"), "test", "-f", EXAMPLES / folder],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
