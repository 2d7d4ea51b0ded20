"""Which gateways hold events on their disks, as far as anybody knows."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import KEY, Clock

from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.records import build_pod_view
from headgate_operator.rollout.leaving import REMOVE_LIMIT
from headgate_operator.status.observation import GatewayReport, PodView, SpoolReport

POD = PodView(*KEY, "a", "main", "stable", "10.0.0.1", ready=True, leaving=False, config_hash="", spooling=True)
HELD = {"backlog_records": 1, "oldest_seconds": 6.0}


class Gateways:
    """What gateways say, and who remembers it."""

    def __init__(self) -> None:
        self.said: dict[str, GatewayReport] = {}
        self.clock = Clock()
        self.holders = Holders(self.said.get, self.clock)

    def say(self, **figures: Any) -> bool:
        """It answers; whether it holds events then."""
        self.said["a"] = GatewayReport((1,), {}, "", spool=SpoolReport("Ready", **figures))
        return self.holders.holds(POD)


def test_a_gateway_holds_events_once_they_are_older_than_a_moment() -> None:
    gateways = Gateways()
    assert gateways.say(**HELD)
    assert not gateways.say(backlog_records=1, oldest_seconds=1.0)
    assert not gateways.say(oldest_seconds=6.0)


def test_one_that_falls_silent_holds_what_it_held_however_long_that_lasts() -> None:
    gateways = Gateways()
    assert gateways.say(**HELD)
    del gateways.said["a"]
    gateways.clock.now += 10 * REMOVE_LIMIT
    gateways.holders.see(KEY, [POD])
    assert gateways.holders.holds(POD)


def test_one_that_never_answered_may_hold_events_and_is_not_waited_for_for_ever() -> None:
    gateways = Gateways()
    gateways.holders.see(KEY, [POD])
    gateways.clock.now += REMOVE_LIMIT - 1
    assert gateways.holders.holds(POD)
    assert gateways.holders.is_unheard(POD)
    gateways.clock.now += 1
    assert not gateways.holders.holds(POD)


def test_one_without_a_disk_holds_nothing_whether_it_answers_or_not() -> None:
    gateways = Gateways()
    assert not gateways.holders.holds(replace(POD, spooling=False))
    gateways.said["a"] = GatewayReport((1,), {}, "")
    assert not gateways.holders.holds(POD)


def test_a_pod_that_is_gone_is_forgotten() -> None:
    gateways = Gateways()
    gateways.say(**HELD)
    gateways.holders.see(KEY, [POD])
    del gateways.said["a"]
    gateways.holders.see(KEY, [])
    assert gateways.holders.spool(POD) is None


@pytest.mark.parametrize(
    ("volume", "container", "spooling"),
    [
        ("spool", {"state": {"running": {}}}, True),
        ("spool", {"state": {"waiting": {}}, "lastState": {"terminated": {}}}, True),
        ("spool", {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "lastState": {}}, False),
        ("config", {"state": {"running": {}}}, False),
    ],
    ids=["runs", "starts again", "never ran", "no disk"],
)
def test_a_pod_has_a_disk_to_ask_about_once_a_gateway_has_run_on_it(
    volume: str, container: dict[str, Any], spooling: bool
) -> None:
    manifest = {
        "metadata": {"name": "a", "namespace": "events", "uid": "a"},
        "spec": {"volumes": [{"name": volume, "emptyDir": {}}]},
        "status": {"containerStatuses": [container]},
    }
    assert build_pod_view(manifest).spooling is spooling
