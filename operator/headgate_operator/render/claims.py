"""What repos of a fleet contend for: names, paths and room in shards. Pure arbitration, whatever the order of input.

Who is served keeps what it holds until its own change lets go of it; then the older, then by namespace and name. A repo
with a rollout holds what it serves and what it asks for, so that either way the rollout ends there is room for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from headgate_gateway.config import SHARD_COUNT
from headgate_operator.api import reasons
from headgate_operator.render.entries import Entry
from headgate_operator.render.world import RepoKey, Verdict

SHARD_BYTES_MAX = 1_000_000
"""Room in one shard. A ConfigMap may hold 1 MiB (1,048,576 bytes) with its metadata; the rest is left for that."""

_NEVER = datetime.max.replace(tzinfo=UTC)


Things = frozenset[tuple[str, str]]
"""What may be held: ("name", a name) and ("path", a path)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A usable repo that asks to be served as `entry`."""

    key: RepoKey
    created: datetime | None
    shard: int
    entry: Entry
    keeps: bool = False
    """Whether what it serves now stays served beside the entry: then it lets go of nothing."""


def arbitrate(claims: Iterable[Claim], served: Mapping[RepoKey, tuple[int, Entry]]) -> dict[RepoKey, Verdict]:
    """Objections to claims; a key without one is granted. `served`: shard and entry of every repo that has one."""
    ledger = _Ledger(served)
    pending = sorted(claims, key=lambda claim: _rank(claim, served))
    objections: dict[RepoKey, Verdict] = {}
    # A repo that is granted its change lets go of old paths, for which another may have asked in vain: ask again.
    while pending:
        refused = [(claim, objection) for claim in pending if (objection := ledger.grant(claim))]
        objections = {claim.key: objection for claim, objection in refused}
        if len(refused) == len(pending):
            break
        pending = [claim for claim, _ in refused]
    return objections


def _rank(claim: Claim, served: Mapping[RepoKey, tuple[int, Entry]]) -> tuple[bool, datetime, RepoKey]:
    return claim.key not in served, claim.created or _NEVER, claim.key


class _Ledger:
    """Who holds what, and how full the shards are."""

    def __init__(self, served: Mapping[RepoKey, tuple[int, Entry]]) -> None:
        self._holders: dict[tuple[str, str], RepoKey] = {}
        self._sizes: dict[RepoKey, int] = {}
        self._used = [0] * SHARD_COUNT
        self._things: dict[RepoKey, tuple[tuple[str, ...], Things]] = {}
        for key, (shard, entry) in sorted(served.items()):
            self._hold(key, shard, entry)
        self._held = {key: things for key, (_, things) in self._things.items()}

    def grant(self, claim: Claim) -> Verdict | None:
        wanted = self._wanted(claim.key, claim.entry)
        objection = self._conflict(claim.key, wanted) or self._no_room(claim)
        if objection is None:
            if not claim.keeps:
                self._release(claim.key, self._held.get(claim.key, frozenset()) - wanted)
            self._hold(claim.key, claim.shard, claim.entry, keeps=claim.keeps)
        return objection

    def _hold(self, key: RepoKey, shard: int, entry: Entry, *, keeps: bool = False) -> None:
        for thing in self._wanted(key, entry):
            self._holders.setdefault(thing, key)
        before = self._sizes.get(key, 0)
        size = max(len(entry.content) + 1, before if keeps else 0)
        self._used[shard] += size - before
        self._sizes[key] = size

    def _wanted(self, key: RepoKey, entry: Entry) -> Things:
        """Of thousands of repos nearly all ask for what they hold, so what was made last is kept."""
        known = self._things.get(key)
        if known is not None and known[0] == entry.paths:
            return known[1]
        things = frozenset({("name", key[1]), *(("path", path) for path in entry.paths)})
        self._things[key] = entry.paths, things
        return things

    def _release(self, key: RepoKey, things: Things) -> None:
        for thing in things:
            if self._holders.get(thing) == key:
                del self._holders[thing]

    def _conflict(self, key: RepoKey, wanted: Things) -> Verdict | None:
        for what, value in sorted(wanted):
            holder = self._holders.get((what, value), key)
            if holder != key:
                return Verdict(
                    False,
                    reasons.CONFLICT,
                    f"EventRepo {holder[0]}/{holder[1]} already holds the {what} {value!r} in this fleet: "
                    + ("rename this one, or use another fleet" if what == "name" else "choose another path"),
                )
        return None

    def _no_room(self, claim: Claim) -> Verdict | None:
        used = self._used[claim.shard] - self._sizes.get(claim.key, 0)
        size = len(claim.entry.content) + 1
        if used + size <= SHARD_BYTES_MAX:
            return None
        return Verdict(
            False,
            reasons.SHARD_FULL,
            f"config shard {claim.shard:02d} holds {used} of {SHARD_BYTES_MAX} bytes, and this repo needs {size}: "
            "make the spec smaller, or serve some repos from another fleet",
        )
