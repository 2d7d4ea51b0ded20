"""What the admin port and the command line say of the spool."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.gateway.builders import FakeRefusal
from tests.unit.gateway.test_admin import NO_GAUGES, admin, values

from headgate_gateway.__main__ import build_parser, read_settings
from headgate_gateway.admin.metrics import snapshot_metrics
from headgate_gateway.admin.spool import remark, why_not_ready
from headgate_gateway.config import GatewayStatus, SpoolStatus, SpoolTargetStatus
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.receipt import Durability
from headgate_gateway.kafka.counters import Histogram
from headgate_gateway.spool.report import SpoolMetrics
from headgate_gateway.spool.settings import SpoolSettings

METRICS = SpoolMetrics(
    appended=10,
    delivered=6,
    replayed=4,
    dead_lettered=1,
    parked_total=2,
    damaged=1,
    state="Full",
    bytes=900,
    max_bytes=1_000,
    backlog_records=3,
    backlog_bytes=300,
    in_flight=1,
    parked=2,
    oldest_seconds=7.5,
    blocked_targets=1,
    commit_seconds=Histogram((0.001, 0.01), [1, 2, 1], 0.5),
)


@dataclass
class Repo:
    durability: Durability


def test_the_spools_numbers_are_series() -> None:
    shown = values(snapshot_metrics(TrafficCounters(), NO_GAUGES, [], "stable", METRICS)())
    spool = {key: value for key, value in shown.items() if key[0].startswith("headgate_spool_")}
    assert spool == {
        ("headgate_spool_records_appended_total",): 10,
        ("headgate_spool_records_delivered_total",): 6,
        ("headgate_spool_records_replayed_total",): 4,
        ("headgate_spool_records_dead_lettered_total",): 1,
        ("headgate_spool_records_parked_total",): 2,
        ("headgate_spool_damaged_total",): 1,
        ("headgate_spool_bytes",): 900,
        ("headgate_spool_limit_bytes",): 1_000,
        ("headgate_spool_backlog_records",): 3,
        ("headgate_spool_backlog_bytes",): 300,
        ("headgate_spool_in_flight_records",): 1,
        ("headgate_spool_parked_records",): 2,
        ("headgate_spool_oldest_seconds",): 7.5,
        ("headgate_spool_blocked_targets",): 1,
        ("headgate_spool_state", "Ready"): 0,
        ("headgate_spool_state", "Full"): 1,
        ("headgate_spool_state", "Failed"): 0,
        ("headgate_spool_commit_seconds_bucket", "0.001"): 1,
        ("headgate_spool_commit_seconds_bucket", "0.01"): 3,
        ("headgate_spool_commit_seconds_bucket", "+Inf"): 4,
        ("headgate_spool_commit_seconds_count",): 4,
        ("headgate_spool_commit_seconds_sum",): 0.5,
    }


def test_a_gateway_without_a_spool_has_no_series_of_one() -> None:
    text = snapshot_metrics(TrafficCounters(), NO_GAUGES, [], "stable")()
    assert b"headgate_spool" not in text


ASYNC, SYNC = Repo(Durability.DISK), Repo(Durability.KAFKA)


@pytest.mark.parametrize(
    ("repos", "ready"),
    [({"a": ASYNC, "b": ASYNC}, False), ({"a": ASYNC, "b": SYNC}, True), ({"b": SYNC}, True), ({}, True)],
    ids=["all need it", "one does without", "none needs it", "no repos"],
)
def test_a_full_disk_is_not_ready_only_where_nothing_can_be_served(repos: dict[str, Repo], ready: bool) -> None:
    why = why_not_ready("", FakeRefusal(), repos)
    assert why == (None if ready else "SpoolFull: the spool is full, and every repo needs it")


def test_a_gateway_that_was_taken_for_gone_is_not_ready_whatever_its_repos_need() -> None:
    assert why_not_ready("", None, {"a": ASYNC}) is None
    for refusal in (None, FakeRefusal()):
        assert why_not_ready("fenced: adopted by b", refusal, {"b": SYNC}) == "SpoolFailed: fenced: adopted by b"


def test_readiness_says_who_is_answered_503() -> None:
    others = "others are served as long as Kafka takes their lines"
    assert remark(FakeRefusal(), {"a": ASYNC, "b": SYNC}) == f"SpoolFull: the spool is full: 503 for a; {others}"
    assert remark(FakeRefusal(), {"b": SYNC}) == f"SpoolFull: the spool is full: {others}"
    many = {f"r{n:02d}": ASYNC for n in range(12)}
    assert "503 for r00, r01, r02, r03, r04, r05, r06, r07, r08, r09 and 2 more;" in remark(FakeRefusal(), many)


async def test_readyz_is_ok_with_a_remark() -> None:
    async with admin() as pages:
        pages.not_ready, pages.remark = None, "SpoolFull: no room"
        answer = await pages.get("/readyz")
        assert (answer.status, answer.body) == (200, b"ok\nSpoolFull: no room\n")


def test_flags_of_the_spool() -> None:
    def read(*flags: str) -> SpoolSettings | None:
        return read_settings(build_parser().parse_args(["--config", "c", *flags])).spool

    assert read() is None
    assert read("--spool-max-bytes", "2Gi") is None
    here = str(Path("here").absolute())
    assert read("--spool", "here") == SpoolSettings(here, 2**30)
    sized = read("--spool", "here", "--spool-max-bytes", "2Gi", "--spool-segment-bytes", "1Mi", "--track", "canary")
    assert sized == SpoolSettings(here, 2**31, 2**20, "canary")
    patient = read("--spool", "here", "--spool-topic-patience", "90s")
    assert patient == SpoolSettings(here, 2**30, unknown_topic_patience=90.0)
    assert read("--spool", "here", "--spool-owner", "8a1f-22") == SpoolSettings(
        f"{here}/8a1f-22", 2**30, owner="8a1f-22"
    )
    with pytest.raises(SystemExit):
        read("--spool", "here", "--spool-owner", "../other")


def test_status_of_a_spool_is_read_back_and_unknown_states_are_passed_on() -> None:
    target = SpoolTargetStatus(profile="main", topic="t", backlog_records=3, blocked="no such topic", own_log=True)
    status = GatewayStatus(
        version="1", contract_versions=(1,), spool=SpoolStatus(state="Sleepy", backlog_records=3, targets=(target,))
    )
    text = status.model_dump_json(by_alias=True)
    assert '"maxBytes":0' in text
    assert GatewayStatus.model_validate_json(text) == status
    assert GatewayStatus.model_validate_json('{"version":"1","contractVersions":[1]}').spool is None
