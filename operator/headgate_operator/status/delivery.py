"""Which gateway serves which repo, from shard hashes alone. Pure; the history is a value in memory, never stored.

Gateways report the hash of each shard file. The operator remembers, per shard, the order of the hashes that it wrote,
and per repo since which of them its present entry is contained: a neighbour's change in the same shard then does not
flip a repo's Programmed. After a restart the history is empty: equality decides, else the earlier condition stands.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from headgate_operator.status.observation import GatewayReport, GatewayView, Refusal, RepoKey

KEPT_HASHES = 512
"""Hashes remembered per shard; a gateway that is further behind counts as unknown."""


class Confirmation(Enum):
    """What one gateway's report says about one repo."""

    NEWEST = "newest"
    OLDER = "older"
    """Some earlier entry of the repo."""
    NONE = "none"
    REFUSED = "refused"
    REFUSED_SERVING_OLDER = "refused, serving the last good"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class _RepoLine:
    entry: str
    present_since: int
    entry_since: int


@dataclass(slots=True)
class _ShardLine:
    sequence: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    current: str = ""


class ShardHistory:
    """The order of what one fleet's shards contained."""

    def __init__(self) -> None:
        self._shards: dict[int, _ShardLine] = {}
        self._repos: dict[RepoKey, _RepoLine] = {}

    def record(self, shard_hashes: Mapping[int, str], entries: Mapping[RepoKey, tuple[int, str]]) -> None:
        """Take in what the shards contain now: hash of each, and per served repo its shard and its entry's hash."""
        for index, content in shard_hashes.items():
            _advance(self._shards.setdefault(index, _ShardLine()), content)
        for key in self._repos.keys() - entries.keys():
            del self._repos[key]
        for key, (index, entry) in entries.items():
            self._record_repo(key, self._shards[index].sequence if index in self._shards else 0, entry)

    def _record_repo(self, key: RepoKey, sequence: int, entry: str) -> None:
        line = self._repos.get(key)
        if line is None:
            self._repos[key] = _RepoLine(entry, sequence, sequence)
        elif line.entry != entry:
            line.entry, line.entry_since = entry, sequence

    def confirm(self, key: RepoKey, shard: int, revision: str | None, report: GatewayReport) -> Confirmation:
        """What a report says about a repo at its newest entry."""
        line, position = self._repos.get(key), self._position(shard, report.shards.get(shard))
        refusal = report.refused.get(key)
        if refusal is not None and _applies(refusal, revision):
            return Confirmation.REFUSED_SERVING_OLDER if refusal.serving else Confirmation.REFUSED
        if line is None:
            return Confirmation.NONE
        refused = self._position(shard, report.refused_shards.get(shard, ("", ""))[0])
        if refused is not None and refused >= line.entry_since and (position is None or position < line.entry_since):
            return Confirmation.REFUSED if position is None else Confirmation.REFUSED_SERVING_OLDER
        if position is None:
            return Confirmation.UNKNOWN if report.shards.get(shard) else Confirmation.NONE
        if position >= line.entry_since:
            return Confirmation.NEWEST
        return Confirmation.OLDER if position >= line.present_since else Confirmation.NONE

    def _position(self, shard: int, content: str | None) -> int | None:
        line = self._shards.get(shard)
        return line.positions.get(content) if line is not None and content is not None else None


def _advance(line: _ShardLine, content: str) -> None:
    if content == line.current:
        return
    line.sequence += 1
    line.current = content
    # A content that comes back is newest again: whoever reports its hash holds the same bytes.
    line.positions.pop(content, None)
    line.positions[content] = line.sequence
    if len(line.positions) > KEPT_HASHES:
        del line.positions[next(iter(line.positions))]


def _applies(refusal: Refusal, revision: str | None) -> bool:
    return not refusal.revision or revision is None or refusal.revision == revision


def behind(report: GatewayReport, shard_hashes: Mapping[int, str], credentials_hash: str) -> bool:
    """Whether a gateway does not report the newest config yet; a refused shard was seen, so it waits for nobody."""
    return report.credentials_hash != credentials_hash or any(
        content not in (report.shards.get(index), report.refused_shards.get(index, ("", ""))[0])
        for index, content in shard_hashes.items()
    )


def common_contract_versions(reports: Iterable[GatewayReport], live: int) -> tuple[int, ...]:
    """Versions that all reporting gateways read.

    Where nobody has reported (yet), those up to the version of the live shards (0: there are none): an operator that
    has just started rewrites nothing because it has not asked.
    """
    versions = [set(report.contract_versions) for report in reports]
    return tuple(sorted(set.intersection(*versions))) if versions else tuple(range(1, max(live, 1) + 1))


@dataclass(frozen=True, slots=True)
class Tally:
    """What the ready gateways say about one repo."""

    ready: int
    newest: int
    serving: int
    unknown: int
    unreachable: tuple[str, ...]
    refusals: tuple[tuple[str, str], ...]
    """(gateway, reason)."""


def build_tally(
    history: ShardHistory, key: RepoKey, shard: int, revision: str | None, gateways: Iterable[GatewayView]
) -> Tally:
    """Count what the ready gateways say about one repo."""
    found = [(view, history.confirm(key, shard, revision, view.report)) for view in gateways if view.report]
    silent = tuple(view.name for view in gateways if view.report is None)
    says = [confirmation for _, confirmation in found]
    return Tally(
        ready=len(found) + len(silent),
        newest=says.count(Confirmation.NEWEST),
        serving=sum(says.count(each) for each in _SERVING),
        unknown=says.count(Confirmation.UNKNOWN),
        unreachable=silent,
        refusals=tuple(
            (view.name, _reason(view.report, key, shard))
            for view, confirmation in found
            if confirmation in _REFUSED and view.report
        ),
    )


def _reason(report: GatewayReport, key: RepoKey, shard: int) -> str:
    return report.refused[key].reason if key in report.refused else report.refused_shards[shard][1]


_SERVING = (Confirmation.NEWEST, Confirmation.OLDER, Confirmation.REFUSED_SERVING_OLDER)
_REFUSED = (Confirmation.REFUSED, Confirmation.REFUSED_SERVING_OLDER)
