"""Several replicas, one Lease: who does not lead writes nothing, and takes over within seconds."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.operator.process import OperatorProcess, running
from tests.integration.operator.world import World, wait_for

pytestmark = pytest.mark.cluster


@contextmanager
def leader_and_follower(world: World, tmp_path: Path) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """A fleet and its profile, an operator that leads, and another that is ready to."""
    world.fleet()
    world.profile()
    with running(world, tmp_path / "first.log") as first:
        first.wait_until_leading()
        with running(world, tmp_path / "second.log") as second:
            wait_for("a ready follower", lambda: second.fetch("/readyz")[0] == 200)
            yield first, second


def test_a_follower_writes_nothing_and_takes_over_from_a_leader_that_stops(world: World, tmp_path: Path) -> None:
    with leader_and_follower(world, tmp_path) as (first, second):
        world.repo("access")
        world.wait_for_condition("eventrepo", "access", "Accepted", "True", "Accepted")
        assert not second.leads
        assert second.metric("headgate_writes_total") == 0
        began = time.monotonic()
        assert first.end() == 0
        stopped = time.monotonic()
        wait_for("takeover", lambda: second.leads, 10)
        assert stopped - began < 5
        assert time.monotonic() - stopped < 2
        world.repo("later")
        world.wait_for_condition("eventrepo", "later", "Accepted", "True", "Accepted")


def test_a_follower_takes_over_from_a_leader_that_was_killed(world: World, tmp_path: Path) -> None:
    with leader_and_follower(world, tmp_path) as (first, second):
        first.end(signal.SIGKILL)
        began = time.monotonic()
        wait_for("takeover", lambda: second.leads, 15)
        assert time.monotonic() - began < 8  # the lease runs for 4 s here
        world.repo("later")
        world.wait_for_condition("eventrepo", "later", "Accepted", "True", "Accepted")


def test_a_leader_that_was_frozen_past_its_deadline_does_not_write_any_more(world: World, tmp_path: Path) -> None:
    with leader_and_follower(world, tmp_path) as (first, second):
        first.process.send_signal(signal.SIGSTOP)
        wait_for("takeover", lambda: second.leads, 15)
        world.repo("later")
        world.wait_for_condition("eventrepo", "later", "Accepted", "True", "Accepted")
        world.wait_until_quiet()
        first.process.send_signal(signal.SIGCONT)
        wait_for("the first to follow", lambda: first.fetch("/livez")[0] == 200 and not first.leads)
        writes = first.metric("headgate_writes_total")
        world.repo("last")
        world.wait_for_condition("eventrepo", "last", "Accepted", "True", "Accepted")
        assert first.metric("headgate_writes_total") == writes
        assert second.leads
