"""Examples are what people copy first: `headgate validate` has nothing to say about any of them, and their tests pass."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

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


def test_the_test_that_the_docs_show_passes_on_the_quickstart(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs" / "cli.md").read_text()
    (shown,) = (block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "kind: EventRepoTest" in block)
    file = tmp_path / "shown.yaml"
    file.write_text(shown)
    done = subprocess.run(
        [Path(sys.executable).with_name("headgate"), "test", "-f", EXAMPLES / "quickstart" / "repo.yaml", "-f", file],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 passed, 0 failed"), done.stdout + done.stderr
