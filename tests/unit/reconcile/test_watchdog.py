"""A watch that has died without a word is noticed, and nothing else is taken for that."""

from tests.unit.reconcile.fleetbed import Clock

from headgate_operator.reconcile.watchdog import PATIENCE, Watchdog

REPOS, PODS = ("EventRepo", ""), ("Pod", "")


def build() -> tuple[Watchdog, Clock]:
    clock = Clock()
    return Watchdog(clock), clock


def test_a_watch_that_stays_behind_a_listing_is_dead() -> None:
    watchdog, clock = build()
    watchdog.shown(REPOS, 5)
    watchdog.expect(REPOS, 9)
    assert watchdog.stale(0.0) == []
    clock.now += PATIENCE + 1
    assert watchdog.stale(0.0) == ["EventRepo"]
    watchdog.shown(REPOS, 9)
    assert watchdog.stale(0.0) == []


def test_an_api_server_that_is_away_is_not_a_dead_watch() -> None:
    watchdog, clock = build()
    watchdog.expect(REPOS, 9)
    clock.now += PATIENCE + 1
    assert watchdog.stale(None) == []
    assert watchdog.stale(clock.now - 1) == []


def test_what_was_deleted_before_the_watch_began_is_not_waited_for() -> None:
    watchdog, clock = build()
    watchdog.expect(REPOS, 9)
    watchdog.shown(REPOS, 5)
    watchdog.expect(REPOS, 5)
    clock.now += PATIENCE + 1
    assert watchdog.stale(0.0) == []


def test_a_quiet_kind_is_alive() -> None:
    watchdog, clock = build()
    watchdog.shown(PODS, 5)
    watchdog.expect(PODS, 5)
    clock.now += 10 * PATIENCE
    assert watchdog.stale(0.0) == []


def test_a_watch_of_one_namespace_does_not_answer_for_another() -> None:
    watchdog, clock = build()
    watchdog.expect(("EventRepo", "dead"), 5)
    watchdog.expect(("EventRepo", "alive"), 9)
    watchdog.shown(("EventRepo", "alive"), 9)
    clock.now += PATIENCE + 1
    assert watchdog.stale(0.0) == ["EventRepo in dead"]
