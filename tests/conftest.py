"""What all tests share: their order, and the testbed coming up beside the first of them.

Owns no fixture that makes something; the fixtures of `tests/integration` and `tests/e2e` wait for what they need.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("unit", "integration", "e2e")
NEEDS_TESTBED = ("kafka", "cluster")


def _rank(item: pytest.Item) -> tuple[int, int]:
    """Quick tests first; among those of one folder, what needs no cluster first."""
    folder = item.path.relative_to(ROOT / "tests").parts[0]
    return ORDER.index(folder) if folder in ORDER else len(ORDER), int(item.get_closest_marker("cluster") is not None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Bring the testbed up in the background while tests that do not need it run."""
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker(marker) for item in session.items for marker in NEEDS_TESTBED):
        with (ROOT / ".testbed-up.log").open("wb") as log:
            session.config.stash[_TESTBED] = subprocess.Popen(
                [sys.executable, "-m", "tests.testbed", "up"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what `pytest_collection_finish` started, if it is still at work: its own child, by its own handle."""
    process = config.stash.get(_TESTBED, None)
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait(timeout=30)


_TESTBED = pytest.StashKey["subprocess.Popen[bytes]"]()
