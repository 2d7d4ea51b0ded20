"""Secrets beside repos: fetched by name from the repo's namespace, carried as hashes, and rotated without a rollout."""

import base64
import json
from typing import Any

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, Bed, Clock, fleet, profile, repo

from headgate_gateway.config import API_KEYS_PART, repo_secret_file
from headgate_operator.ports import ObjectRef, RejectedError
from headgate_operator.reconcile.secrets import BESIDE_REPOS_PER_POLL, SecretReader

OPEN = fleet(allowedRepos={"namespaces": {"from": "All"}})
AUTH = {"apiKeys": {"secretRef": {"name": "keys"}}}
FILE = repo_secret_file("team", "keys", API_KEYS_PART)


def keys(namespace: str = "team", name: str = "keys", **entries: str) -> dict[str, Any]:
    data = {entry: base64.b64encode(value.encode()).decode() for entry, value in entries.items()}
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


async def test_thousands_of_secrets_are_read_in_turn_and_those_of_profiles_every_time() -> None:
    cluster, clock = CountingCluster(), Clock()
    count = BESIDE_REPOS_PER_POLL + 100
    cluster.put(keys("events", "kafka", password="p"))
    for index in range(count):
        cluster.put(keys("team", f"secret-{index}", key="k"))
    reader = SecretReader(cluster, clock, lambda _: None)
    wanted = [("events", "kafka"), *(("team", f"secret-{index}") for index in range(count))]
    assert len(await reader.read(KEY, wanted)) == count + 1
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
    for _ in range(3):
        await reader.read(KEY, [("events", "kafka"), ("team", "keys")])
        clock.now += 10
    assert sorted(cluster.reads) == ["kafka", "kafka", "kafka", "keys"]
