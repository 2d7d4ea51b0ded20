"""A watch that has died without a word is noticed, and nothing else is taken for that."""

from tests.unit.reconcile.fleetbed import Clock

from headgate_operator.reconcile.watchdog import PATIENCE, Watchdog


def build() -> tuple[Watchdog, Clock]:
    clock = Clock()
    return Watchdog(clock), clock


def test_a_watch_that_stays_behind_a_listing_is_dead() -> None:
    watchdog, clock = build()
    watchdog.shown("EventRepo", 5)
    watchdog.expect("EventRepo", 9)
    assert watchdog.stale(0.0) == []
    clock.now += PATIENCE + 1
    assert watchdog.stale(0.0) == ["EventRepo"]
    watchdog.shown("EventRepo", 9)
    assert watchdog.stale(0.0) == []


def test_an_api_server_that_is_away_is_not_a_dead_watch() -> None:
    watchdog, clock = build()
    watchdog.expect("EventRepo", 9)
    clock.now += PATIENCE + 1
    assert watchdog.stale(None) == []
    assert watchdog.stale(clock.now - 1) == []


def test_what_was_deleted_before_the_watch_began_is_not_waited_for() -> None:
    watchdog, clock = build()
    watchdog.expect("EventRepo", 9)
    watchdog.shown("EventRepo", 5)
    watchdog.expect("EventRepo", 5)
    clock.now += PATIENCE + 1
    assert watchdog.stale(0.0) == []


def test_a_quiet_kind_is_alive() -> None:
    watchdog, clock = build()
    watchdog.shown("Pod", 5)
    watchdog.expect("Pod", 5)
    clock.now += 10 * PATIENCE
    assert watchdog.stale(0.0) == []
