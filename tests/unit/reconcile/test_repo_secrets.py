"""Secrets beside repos: fetched by name from the repo's namespace, carried as hashes, and rotated without a rollout."""

import base64
import json
from typing import Any

import pytest
from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, Bed, Clock, fleet, profile, repo
from tests.unit.reconcile.rolloutbed import QUICK, REPO, RolloutBed

from headgate_gateway.config import API_KEYS_PART, repo_secret_file
from headgate_operator.api.names import canary_name
from headgate_operator.ports import NotLeaderError, ObjectRef, RejectedError, UnavailableError
from headgate_operator.reconcile.secrets import BESIDE_REPOS_PER_POLL, FAILURES_MAX, SecretReader

OPEN = fleet(allowedRepos={"namespaces": {"from": "All"}})
AUTH = {"apiKeys": {"secretRef": {"name": "keys"}}}
FILE = repo_secret_file("team", "keys", API_KEYS_PART)


def keys(namespace: str = "team", name: str = "keys", **entries: str) -> dict[str, Any]:
    # An API key has 16 bytes at least.
    data = {entry: base64.b64encode(value.ljust(16, "-").encode()).decode() for entry, value in entries.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}


def carried(bed: Bed) -> list[str]:
    """Names of the API keys that gateways take."""
    data = bed.cluster.objects["Secret", "events", "main-credentials"].get("data") or {}
    return [key["name"] for key in json.loads(base64.b64decode(data[FILE]))["keys"]] if FILE in data else []


async def guarded(*secrets: dict[str, Any]) -> Bed:
    bed = Bed()
    bed.put(OPEN, profile(), repo("access", namespace="team", auth=AUTH), *secrets)
    await bed.reconcile()
    bed.cluster.writes.clear()
    return bed


async def test_a_missing_secret_is_named_and_its_coming_is_noticed() -> None:
    bed = await guarded()
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("False", "SecretNotFound")
    bed.put(keys(one="first"))
    await bed.secrets.poll()
    assert KEY in bed.noticed
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("True", "Accepted")
    assert carried(bed) == ["one"]


async def test_a_secret_of_the_same_name_beside_the_fleet_is_not_the_repos() -> None:
    bed = await guarded(keys("events", stray="not for this repo"))
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("False", "SecretNotFound")


async def test_a_rotation_writes_the_credentials_and_nothing_else() -> None:
    bed = await guarded(keys(one="first"))
    bed.put(keys(one="first", two="second"))
    await bed.secrets.poll()
    await bed.reconcile()
    assert carried(bed) == ["one", "two"]
    assert [(kind, name) for _, kind, name in bed.cluster.writes] == [("Secret", "main-credentials")]


async def test_an_unchanged_world_with_secrets_is_not_written_to_even_after_a_restart() -> None:
    before = await guarded(keys(one="first"))
    for bed in (before, Bed(before.cluster)):
        await bed.reconcile()
        assert bed.cluster.writes == []


async def test_what_is_promoted_keeps_its_hashes_when_the_secret_goes() -> None:
    bed = await guarded(keys(one="first"))
    del bed.cluster.objects["Secret", "team", "keys"]
    await bed.secrets.poll()
    await bed.reconcile()
    conditions = bed.conditions("EventRepo", "access", "team")
    assert (conditions["Accepted"], carried(bed)) == (("False", "SecretNotFound"), ["one"])


async def test_a_rotation_is_followed_while_another_spec_is_refused() -> None:
    bed = await guarded(keys(one="first"))
    bed.put(repo("access", namespace="team", auth={"apiKeys": {"secretRef": {"name": "none"}}}))
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("False", "SecretNotFound")
    bed.put(keys(one="first", two="second"))
    await bed.secrets.poll()
    await bed.reconcile()
    assert carried(bed) == ["one", "two"]


async def test_a_secret_that_may_not_be_read_is_as_good_as_absent_and_stops_no_other_repo() -> None:
    bed = Bed()
    bed.cluster.failing["Secret", "team", "keys"] = RejectedError("forbidden", status=403)
    bed.put(OPEN, profile(), repo("access", namespace="team", auth=AUTH), repo("open", namespace="team"))
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("False", "SecretNotFound")
    assert bed.conditions("EventRepo", "open", "team")["Accepted"] == ("True", "Accepted")


async def test_every_profile_that_a_repo_names_counts_it() -> None:
    bed = Bed()
    kafka = {"producerProfile": "local", "topic": "t", "deadLetter": {"topic": "dead", "producerProfile": "far"}}
    bed.put(fleet(), profile(), profile("far"), repo("access", kafka=kafka), repo("plain"))
    await bed.reconcile()
    counts = {
        name: bed.cluster.objects["KafkaProducerProfile", "events", name]["status"]["repos"]
        for name in ("local", "far")
    }
    assert counts == {"local": 2, "far": 1}


class CountingCluster(FakeCluster):
    """Notes what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        self.reads.append(ref.name)
        return await super().get(ref)


@pytest.mark.parametrize("where", ["team", "events"], ids=["beside repos", "in the fleet's namespace"])
async def test_thousands_of_secrets_are_read_in_turn_and_those_of_profiles_every_time(where: str) -> None:
    cluster, clock = CountingCluster(), Clock()
    count = BESIDE_REPOS_PER_POLL + 100
    cluster.put(keys("events", "kafka", password="p"))
    for index in range(count):
        cluster.put(keys(where, f"secret-{index}", key="k"))
    reader = SecretReader(cluster, clock, lambda _: None)
    beside = [(where, f"secret-{index}") for index in range(count)]
    assert len((await reader.read(KEY, [("events", "kafka")], beside)).data) == count + 1
    polled = []
    for _ in range(2):
        cluster.reads.clear()
        clock.now += 10
        await reader.poll()
        polled.append(set(cluster.reads))
    assert [len(names) for names in polled] == [BESIDE_REPOS_PER_POLL + 1] * 2
    assert polled[0] | polled[1] == {"kafka", *(f"secret-{index}" for index in range(count))}
    assert all("kafka" in names for names in polled)


async def test_a_reconcile_reads_no_secret_beside_a_repo_again() -> None:
    cluster, clock = CountingCluster(), Clock()
    cluster.put(keys("events", "kafka", password="p"))
    cluster.put(keys())
    reader = SecretReader(cluster, clock, lambda _: None)
    cluster.put(keys("events", "near"))
    for _ in range(3):
        await reader.read(KEY, [("events", "kafka")], [("team", "keys"), ("events", "near")])
        clock.now += 10
    assert sorted(cluster.reads) == ["kafka", "kafka", "kafka", "keys", "near"]


AWAY = UnavailableError("etcd is away", status=503)


async def test_a_secret_that_cannot_be_read_after_a_restart_holds_up_neither_its_repo_nor_the_fleet() -> None:
    before = await guarded(keys(one="first"))
    before.cluster.failing["Secret", "team", "keys"] = AWAY
    bed = Bed(before.cluster)
    bed.put(repo("open", namespace="team", topic="u"))
    await bed.reconcile()
    assert bed.conditions("EventRepo", "open", "team")["Accepted"] == ("True", "Accepted")
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("True", "Accepted")
    assert carried(bed) == ["one"]


async def test_a_repo_that_was_never_accepted_waits_for_its_secret_to_be_read() -> None:
    bed = Bed()
    bed.cluster.failing["Secret", "team", "keys"] = AWAY
    bed.put(OPEN, profile(), repo("access", namespace="team", auth=AUTH), keys(one="first"))
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("False", "SecretUnreadable")
    bed.noticed.clear()
    bed.cluster.failing.clear()
    await bed.secrets.poll()
    assert bed.noticed == {KEY}
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("True", "Accepted")
    assert carried(bed) == ["one"]


async def test_a_canary_keeps_its_hashes_and_its_weight_while_a_secret_cannot_be_read_after_a_restart() -> None:
    bed = RolloutBed()
    bed.put(keys("events", one="first"), keys("events", "more", two="second"))
    await bed.settle(auth=AUTH)
    bed.put(repo("access", rollout=QUICK, auth={"apiKeys": {"secretRef": {"name": "more"}}}))
    while bed.weight() == 0:
        await bed.tick()
    name, theirs = canary_name("main", *REPO), repo_secret_file("events", "more", API_KEYS_PART)
    held = bed.cluster.objects["Secret", "events", name]["data"]
    assert theirs in held
    bed.cluster.failing["Secret", "events", "more"] = AWAY
    again = bed.restarted()
    for _ in range(3):
        await again.tick()
        assert again.weight() > 0
        assert again.cluster.objects["Secret", "events", name]["data"] == held
    assert again.conditions("EventRepo", "access")["Accepted"] == ("True", "Accepted")
    await again.until("Stable")


async def test_a_value_that_is_known_stays_while_it_cannot_be_read_again() -> None:
    bed = await guarded(keys(one="first"))
    bed.cluster.failing["Secret", "team", "keys"] = AWAY
    await bed.secrets.poll()
    await bed.reconcile()
    assert bed.cluster.writes == []


async def test_who_no_longer_leads_stops_reading() -> None:
    cluster = FakeCluster()
    cluster.failing["Secret", "team", "keys"] = NotLeaderError("another leads")
    with pytest.raises(NotLeaderError):
        await SecretReader(cluster, Clock(), lambda _: None).read(KEY, [], [("team", "keys")])


async def test_an_api_server_that_does_not_answer_is_not_asked_for_thousands_of_secrets() -> None:
    cluster = CountingCluster()
    wanted = [("team", f"secret-{index}") for index in range(1_000)]
    cluster.failing |= {("Secret", *key): AWAY for key in wanted}
    found = await SecretReader(cluster, Clock(), lambda _: None).read(KEY, [], wanted)
    assert len(cluster.reads) < 2 * FAILURES_MAX
    assert found.unasked
    assert found.unread == set(wanted)


async def test_a_repo_that_names_the_fleets_own_credentials_is_refused_and_nothing_is_written_again() -> None:
    bed = await guarded(keys(one="first"))
    own = {"apiKeys": {"secretRef": {"name": "main-credentials"}}}
    bed.put(repo("access", namespace="events", auth=own))
    for _ in range(2):
        await bed.secrets.poll()
        await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Accepted"] == ("False", "SecretNotAllowed")
    bed.cluster.writes.clear()
    bed.noticed.clear()
    await bed.secrets.poll()
    await bed.reconcile()
    assert (bed.cluster.writes, bed.noticed) == ([], set())
