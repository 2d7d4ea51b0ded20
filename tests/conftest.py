"""What all tests share: their order, and the testbed and our images coming up beside the first of them.

With pytest-xdist (`make test`) what needs the cluster runs in one process, in order, and beside it all else in another:
`-n 2 --dist loadscope`. Owns no fixture that makes something; those of `tests/integration` and `tests/e2e` wait for what
they need, and each of them is used by one of the two groups alone.
"""

import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# No test judges how long something takes: two processes share the machine with a testbed that is being built.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
ORDER = ("unit", "integration", "e2e")
OF_THE_CLUSTER = ("tests/integration/api/", "tests/integration/operator/", "tests/e2e/", "tests/faults/")
"""Tests that share one cluster, and one release, and measure: never two of them at a time. And, since brokers that come and go
take all of a machine, faults, which would spoil what others measure."""


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
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker and not session.config.option.collectonly and _need_cluster(session.items):
        _bring_up(session.config, [item.nodeid for item in session.items])


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """Commands that are run within a test silence loggers, as is right for a process of their own."""
    loggers = [logging.getLogger(name) for name in ("headgate_gateway", "headgate.gateway.reload", "headgate")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


class TwoGroups(LoadScopeScheduling):
    """Tests of the cluster, and all others. pytest-xdist's own groups (3.8) are lost on pytest 9.2's node ids."""

    def _split_scope(self, nodeid: str) -> str:
        return "cluster" if nodeid.startswith(OF_THE_CLUSTER) else "loopback"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """The two groups with `--dist loadscope`; else whatever xdist does, as for unit tests alone."""
    return TwoGroups(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """As `pytest_collection_finish`; with pytest-xdist the process that outlives the others collects nothing."""
    if any(each.startswith(OF_THE_CLUSTER) for each in ids):
        _bring_up(node.config, ids)


def _need_cluster(items: Iterable[pytest.Item]) -> bool:
    """Whether all of the testbed is worth its minutes; brokers alone are up in seconds, when a fixture asks for them."""
    return any(item.get_closest_marker("cluster") for item in items)


def _bring_up(config: pytest.Config, ids: Sequence[str]) -> None:
    if _TESTBED in config.stash:
        return
    needs_images = any(each.startswith("tests/e2e/") for each in ids)
    words = ["tests.e2e.images"] if needs_images else ["tests.testbed", "up"]
    with (ROOT / ".testbed-up.log").open("wb") as log:
        config.stash[_TESTBED] = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what `_bring_up` started, if it is still at work: our own child, by its own handle."""
    process = config.stash.get(_TESTBED, None)
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait(timeout=30)


_TESTBED = pytest.StashKey["subprocess.Popen[bytes]"]()
