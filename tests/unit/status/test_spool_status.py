"""What a fleet's status says of spools."""

from collections.abc import Mapping

from headgate_operator.api.spool import LeftReason
from headgate_operator.status.observation import Directories, SpoolReport
from headgate_operator.status.spool import (
    Backlog,
    SpoolSight,
    build_spool_status,
    directories_before,
    is_news,
    left_before,
)


def report(**figures: object) -> SpoolReport:
    return SpoolReport(**{"state": "Ready"} | figures)  # type: ignore[arg-type]


def sight(left: Mapping[str, Backlog | None] | None = None, **gateways: SpoolReport) -> SpoolSight:
    return SpoolSight(gateways, left or {})


def test_figures_are_those_of_all_gateways_and_of_claims_that_lost_theirs() -> None:
    status = build_spool_status(
        sight(
            {"spool-main-gateway-2": Backlog(7, 700)},
            a=report(backlog_records=10, backlog_bytes=1_000, oldest_seconds=12.9, parked=1),
            b=report(backlog_records=5, backlog_bytes=500, oldest_seconds=3.0, parked=2, damaged=1),
        )
    )
    assert status == {
        "state": "Ready",
        "backlogRecords": 22,
        "backlogBytes": 2_200,
        "oldestSeconds": 12,
        "parked": 3,
        "damaged": 1,
        "leftClaims": [{"name": "spool-main-gateway-2", "backlogRecords": 7, "backlogBytes": 700}],
        "leftDirectories": [],
    }


def test_directories_that_nobody_delivers_are_told_by_reason_and_read_back() -> None:
    left = {LeftReason.WAITING: Directories(3, 30), LeftReason.POD_FINISHED: Directories(1, 10)}
    status = build_spool_status(SpoolSight({}, {}, directories=left))
    assert status["leftDirectories"] == [
        {"reason": "PodFinished", "count": 1, "bytes": 10},
        {"reason": "Waiting", "count": 3, "bytes": 30},
    ]
    assert directories_before({"spool": status}) == left
    assert directories_before({}) == directories_before({"spool": {"leftDirectories": [{"reason": "New"}]}}) == {}


def test_another_directory_is_news_and_its_bytes_are_none() -> None:
    before, larger, more = (
        build_spool_status(SpoolSight({}, {}, directories={LeftReason.WAITING: Directories(*each)}))
        for each in ((1, 10), (1, 20), (2, 20))
    )
    assert not is_news(before, larger)
    assert is_news(before, more)


def test_the_gravest_state_is_told_with_the_gateways_that_are_in_it() -> None:
    full, failed = report(state="Full", problem="no room"), report(state="Failed", problem="read-only")
    status = build_spool_status(sight(a=report(), b=full, c=failed))
    assert (status["state"], status["message"]) == ("Failed", "c: read-only")
    assert build_spool_status(sight(a=report(), b=full))["message"] == "b: no room"


def test_nothing_is_made_up_while_no_gateway_has_said_anything() -> None:
    assert build_spool_status(sight())["state"] == "Unknown"


def test_a_claim_whose_content_nobody_knows_has_no_figures() -> None:
    status = build_spool_status(sight({"spool-main-gateway-2": None}))
    assert status["leftClaims"] == [{"name": "spool-main-gateway-2"}]
    assert left_before({"spool": status}) == {"spool-main-gateway-2": None}


def test_what_status_says_of_a_claim_is_read_back() -> None:
    left = {"spool-main-gateway-2": Backlog(7, 700), "spool-main-gateway-3": Backlog(0, 0, parked=4)}
    assert left_before({"spool": build_spool_status(sight(left))}) == left
    assert left_before({}) == {}


def test_figures_that_move_are_no_news_and_an_end_or_a_trouble_is() -> None:
    few, many, none, full = (
        build_spool_status(sight(a=each))
        for each in (
            report(backlog_records=1, oldest_seconds=9.0),
            report(backlog_records=2, oldest_seconds=9.0),
            report(),
            report(state="Full"),
        )
    )
    assert not is_news(few, many)
    assert is_news(few, none)
    assert is_news(none, full)
    assert is_news(None, none)


def test_events_that_come_and_go_are_no_news() -> None:
    passing, none = (build_spool_status(sight(a=each)) for each in (report(backlog_records=3), report()))
    assert not is_news(none, passing)
    assert not is_news(passing, none)
