"""Which gateway serves which repo, from shard hashes alone."""

from headgate_operator.status.delivery import (
    Confirmation,
    ShardHistory,
    behind,
    build_tally,
    common_contract_versions,
)
from headgate_operator.status.observation import GatewayReport, GatewayView, Refusal

A, B = ("ns", "a"), ("ns", "b")


def report(content: str, **more: object) -> GatewayReport:
    return GatewayReport((1,), {0: content}, "c", **more)  # type: ignore[arg-type]


def history(*steps: tuple[str, dict[tuple[str, str], str]]) -> ShardHistory:
    found = ShardHistory()
    for content, entries in steps:
        found.record({0: content}, {key: (0, entry) for key, entry in entries.items()})
    return found


def test_a_gateway_at_an_earlier_hash_that_holds_the_entry_serves_the_newest() -> None:
    line = history(("h1", {A: "a1"}), ("h2", {A: "a1", B: "b1"}))
    assert line.confirm(A, 0, None, report("h1")) is Confirmation.NEWEST
    assert line.confirm(B, 0, None, report("h1")) is Confirmation.NONE
    assert line.confirm(B, 0, None, report("h2")) is Confirmation.NEWEST


def test_a_gateway_with_an_older_entry_serves_something_older() -> None:
    line = history(("h1", {A: "a1"}), ("h2", {A: "a2"}))
    assert line.confirm(A, 0, None, report("h1")) is Confirmation.OLDER


def test_content_that_comes_back_is_newest_again() -> None:
    line = history(("h1", {A: "a1"}), ("h2", {A: "a2"}), ("h1", {A: "a1"}))
    assert line.confirm(A, 0, None, report("h1")) is Confirmation.NEWEST
    assert line.confirm(A, 0, None, report("h2")) is Confirmation.OLDER


def test_a_repo_that_was_deleted_and_created_again_is_not_served_by_what_held_the_first() -> None:
    line = history(("h1", {A: "a1"}), ("h2", {}), ("h3", {A: "a3"}))
    assert line.confirm(A, 0, None, report("h1")) is Confirmation.NONE


def test_a_hash_that_this_process_never_wrote_is_unknown() -> None:
    assert history(("h1", {A: "a1"})).confirm(A, 0, None, report("h0")) is Confirmation.UNKNOWN


def test_a_refusal_counts_for_the_revision_that_it_names() -> None:
    line = history(("h1", {A: "a1"}))
    refused = {A: Refusal("bad", "r1", serving=True)}
    assert line.confirm(A, 0, "r1", report("h1", refused=refused)) is Confirmation.REFUSED_SERVING_OLDER
    assert line.confirm(A, 0, "r2", report("h1", refused=refused)) is Confirmation.NEWEST


def test_a_shard_that_was_refused_as_a_whole_refuses_its_repos() -> None:
    line = history(("h1", {A: "a1"}), ("h2", {A: "a2"}))
    said = report("h1", refused_shards={0: ("h2", "no JSON")})
    assert line.confirm(A, 0, None, said) is Confirmation.REFUSED_SERVING_OLDER
    tally = build_tally(line, A, 0, None, [GatewayView("pod", said)])
    assert tally.refusals == (("pod", "no JSON"),)


def test_a_tally_counts_what_ready_gateways_say() -> None:
    line = history(("h1", {A: "a1"}), ("h2", {A: "a2"}))
    views = [GatewayView(name, said) for name, said in (("1", report("h1")), ("2", report("h2")), ("3", None))]
    tally = build_tally(line, A, 0, None, views)
    assert (tally.ready, tally.newest, tally.serving, tally.unreachable) == (3, 1, 2, ("3",))


def test_behind_asks_for_every_shard_and_the_credentials() -> None:
    assert not behind(report("h1"), {0: "h1"}, "c")
    assert behind(report("h1"), {0: "h2"}, "c")
    assert behind(report("h1"), {0: "h1"}, "d")
    assert behind(report("h1"), {0: "h1", 1: "x"}, "c")
    assert not behind(report("h1", refused_shards={0: ("h2", "bad")}), {0: "h2"}, "c")


def test_contract_versions_are_those_that_all_gateways_read() -> None:
    reports = [GatewayReport((1, 2, 3), {}, ""), GatewayReport((2, 3, 4), {}, "")]
    assert common_contract_versions(reports, 1) == (2, 3)
    assert common_contract_versions([], 0) == (1,)


def test_before_any_gateway_has_reported_the_version_of_the_live_shards_is_held() -> None:
    assert max(common_contract_versions([], 2)) == 2


def test_the_history_of_a_shard_is_bounded() -> None:
    line = history(*((f"h{number}", {A: "a"}) for number in range(2_000)))
    assert line.confirm(A, 0, None, report("h0")) is Confirmation.UNKNOWN
    assert line.confirm(A, 0, None, report("h1999")) is Confirmation.NEWEST
