"""Image upgrades that go back: for what, how fast, and what stays behind."""

import pytest
from tests.unit.reconcile.fleetbed import fleet, repo
from tests.unit.reconcile.rolloutbed import QUICK, ROUTED
from tests.unit.reconcile.upgradebed import (
    HASH,
    NEW,
    NEWER,
    OLD,
    ONE_BY_ONE,
    RATES,
    ImageBehaviour,
    no_leftovers,
    upgrading,
)

from headgate_operator.api.names import route_name
from headgate_operator.ports import UnavailableError

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    "behaves", [ImageBehaviour(fails={"middle"}), ImageBehaviour(slow={"middle"})], ids=["answers 500", "slow"]
)
async def test_one_repo_that_fares_badly_moves_back_all_that_moved(behaves: ImageBehaviour) -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    bed.images[NEW] = behaves
    walked = await bed.until_upgrade("RolledBack")
    assert walked[-2:] == [(100, 0, 10), (0, 0, 0)]
    assert bed.image_of("main-gateway") == OLD
    assert no_leftovers(bed)
    assert bed.block()["failed"][0]["repo"] == "events/middle"
    assert bed.block()["failed"][0]["reason"] == "AnalysisFailed"
    conditions = bed.conditions("GatewayFleet", "main")
    assert (conditions["Ready"][0], conditions["Stalled"][0]) == ("False", "True")
    assert (("main", "RolledBack") in bed.events, ("middle", "RolledBack") in bed.events) == (True, True)
    assert bed.served[NEW, "middle"] <= 0.15 * sum(count for (_, name), count in bed.served.items() if name == "middle")
    assert bed.lost == 0


@pytest.mark.parametrize(
    ("behaves", "reason"),
    [
        (ImageBehaviour(crashes=True), "GatewaysCrashed"),
        (ImageBehaviour(starts=False), "ProgressDeadlineExceeded"),
        (ImageBehaviour(refuses={"busy"}), "ConfigRefused"),
        (ImageBehaviour(undeliverable={"busy"}), "ConfigRefused"),
    ],
    ids=["crashes", "never ready", "refuses a config", "fails a preflight"],
)
async def test_an_image_that_does_not_start_well_gets_no_request(behaves: ImageBehaviour, reason: str) -> None:
    bed = await upgrading(upgrade={"progressDeadline": "60s"})
    bed.images[NEW] = behaves
    assert await bed.until_upgrade("RolledBack") == [(0, 0, 0)]
    assert bed.block()["reason"] == reason
    assert not [image for image, _ in bed.served if image == NEW]
    assert bed.image_of("main-gateway") == OLD
    assert no_leftovers(bed)


async def test_gateways_that_die_with_requests_on_them_take_everything_back_at_once() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 100:
        await bed.tick()
    bed.images[NEW] = ImageBehaviour(crashes=True)
    bed.live()
    await bed.tick()
    await bed.tick()
    assert bed.weights() == dict.fromkeys(RATES, 0)
    await bed.until_upgrade("RolledBack")
    assert bed.block()["reason"] in ("NoReadyGateways", "GatewaysCrashed")


async def test_a_refused_image_is_not_tried_again_by_itself_and_another_one_is() -> None:
    bed = await upgrading()
    bed.images[NEW] = ImageBehaviour(crashes=True)
    await bed.until_upgrade("RolledBack")
    await bed.tick()
    bed.cluster.writes.clear()
    for _ in range(30):
        await bed.tick()
    assert bed.cluster.writes == []
    assert bed.block()["phase"] == "RolledBack"
    assert bed.image_of("main-gateway") == OLD
    bed.upgrade_to(NEWER)
    await bed.until_upgrade("Stable")
    assert bed.image_of("main-gateway") == NEWER


async def test_a_retry_tries_the_same_image_again() -> None:
    bed = await upgrading()
    bed.images[NEW] = ImageBehaviour(crashes=True)
    await bed.until_upgrade("RolledBack")
    bed.images.clear()
    manifest = fleet(routing=ROUTED, replicas=4, image=NEW)
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"retry {HASH[:8]} - once"}
    bed.put(manifest)
    await bed.until_upgrade("Stable")
    assert bed.image_of("main-gateway") == NEW
    assert bed.block()["command"] == {"token": "once", "verb": "retry", "result": "Obeyed"}


@pytest.mark.parametrize("phase", ["Upgrading", "Promoting"])
async def test_a_spec_set_back_moves_everything_back(phase: str) -> None:
    bed = await upgrading()
    await bed.until_upgrade(phase)
    while phase == "Upgrading" and bed.weights()["quiet"] != 100:
        await bed.tick()
    bed.upgrade_to(OLD)
    assert (await bed.until_upgrade("Stable"))[-1] == (0, 0, 0)
    assert bed.image_of("main-gateway") == OLD
    assert no_leftovers(bed)
    assert bed.block()["reason"] == "Reverted"
    assert bed.lost == 0


async def test_a_newer_image_goes_back_first_and_then_begins_anew() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 100:
        await bed.tick()
    bed.upgrade_to(NEWER, rollouts=ONE_BY_ONE)
    while bed.image_of("main-upgrade") != NEWER:
        await bed.tick()
        assert bed.image_of("main-gateway") == OLD
    await bed.until_upgrade("Stable")
    assert bed.image_of("main-gateway") == NEWER
    assert bed.lost == 0


async def test_failures_within_the_budget_stay_where_they_were_and_wait_for_somebody() -> None:
    bed = await upgrading(upgrade={"failureBudget": 2})
    bed.images[NEW] = ImageBehaviour(fails={"quiet"})
    for _ in range(200):
        await bed.tick()
    assert bed.weights() == {"quiet": 0, "busy": 100, "middle": 100}
    assert (bed.block()["phase"], bed.block()["reason"]) == ("Upgrading", "Inconclusive")
    bed.images.clear()
    manifest = repo("quiet", rollout=QUICK)
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"retry {HASH} - again"}
    bed.put(manifest)
    await bed.until_upgrade("Stable")
    assert bed.image_of("main-gateway") == NEW


async def test_an_abort_of_one_move_is_answered_and_counts_as_its_refusal() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 10:
        await bed.tick()
    manifest = repo("quiet", rollout=QUICK)
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"abort {HASH} - no"}
    bed.put(manifest)
    await bed.until_upgrade("RolledBack")
    assert bed.rollout("quiet")["command"] == {"token": "no", "verb": "abort", "result": "Obeyed"}
    assert bed.block()["failed"][0]["reason"] == "Aborted"


async def test_a_new_images_service_that_the_ingress_does_not_find_any_more_moves_everything_back() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 10:
        await bed.tick()
    while bed.rollout("quiet").get("stage") != "Measuring":
        await bed.tick()
    service = ("Service", "events", "main-upgrade")
    del bed.cluster.objects[service]
    bed.cluster.failing[service] = UnavailableError("down")
    for _ in range(3):
        await bed.tick()
    assert bed.weights() == dict.fromkeys(RATES, 0)
    assert bed.block()["reason"] == "RouteNotResolved"


async def test_the_new_gateways_stay_until_the_live_routes_name_them_no_more() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 100:
        await bed.tick()
    stuck = ("HTTPRoute", "events", route_name("main", "events", "quiet"))
    bed.cluster.failing[stuck] = UnavailableError("down")
    bed.upgrade_to(OLD)
    for _ in range(300):
        await bed.tick()
        assert bed.block()["phase"] == "RollingBack"
        assert bed.image_of("main-upgrade") == NEW
    assert bed.lost == 0
    bed.cluster.failing.clear()
    await bed.until_upgrade("Stable")
    assert no_leftovers(bed)
