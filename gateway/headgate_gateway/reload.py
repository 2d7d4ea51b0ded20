"""From mounted files to a running router: notices a change, compiles what changed beside what runs, swaps it in.

A repo whose new config is no good keeps its last good one and is listed as refused; a shard that cannot be read as a
whole keeps all of its last good ones. Requests keep the repo they began with. Run by the composition root; nothing
else writes to the router.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
from pydantic import ValidationError

from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.config.shard import CONTRACT_VERSIONS, content_hash
from headgate_gateway.config.status import RefusedRepo, RefusedShard, credentials_hash
from headgate_gateway.directory import ConfigFiles
from headgate_gateway.http.auth import Authenticator, compile_auth
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.router import Router, ServedRepo, build_router
from headgate_gateway.leases import ProducerSource, RepoSpool, acquire_leases, check_spool, release_leases
from headgate_gateway.pipeline.compile import compile_repo

log = logging.getLogger("headgate.gateway.reload")

POLL_SECONDS = 0.2
UNCHANGED_PER_TURN = 256
"""Entries that are passed over before others get the event loop: some tenths of a millisecond."""

RepoName = tuple[str, str]
"""Namespace and name."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A shard, its entries unread."""

    contract_version: int
    repos: list[msgspec.Raw] = []


class _Identity(msgspec.Struct):
    """Whose entry it is, whatever else is wrong with it."""

    name: str
    namespace: str
    revision: str = ""


class ShardUnreadableError(ValueError):
    """A shard that cannot be read as a whole."""


def read_shard(content: bytes) -> dict[RepoName, tuple[bytes, str]]:
    """The entries of a shard, unread, with their revisions. Raises ShardUnreadableError."""
    try:
        version = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("contractVersion")
        if version is not None and int(bytes(version)) not in CONTRACT_VERSIONS:
            readable = ", ".join(map(str, CONTRACT_VERSIONS))
            raise ShardUnreadableError(f"contract version {int(bytes(version))}, and this gateway reads {readable}")
        entries = [bytes(raw) for raw in msgspec.json.decode(content, type=_Envelope).repos]
        identities = [msgspec.json.decode(entry, type=_Identity) for entry in entries]
    except ShardUnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        raise ShardUnreadableError(f"not a shard: {error}") from error
    return {(i.namespace, i.name): (e, i.revision) for i, e in zip(identities, entries, strict=True)}


class ConfigSource(Protocol):
    """Where files come from: a `ConfigDirectory`."""

    def version(self) -> object:
        """Something that changes when the files may have. Raises OSError when they cannot be looked at."""
        ...

    def read(self) -> ConfigFiles:
        """All files. Raises OSError when they cannot be read now."""
        ...


@dataclass(slots=True)
class _Entry:
    """A repo as last read, and as served."""

    content: bytes
    served: ServedRepo | None = None
    """Its last good config."""
    refused: RefusedRepo | None = None
    held: bool = False
    """Whether nothing but another repo's path speaks against it: it is looked at again with every load."""


class Loader:
    """Keeps a router equal to a directory."""

    def __init__(
        self,
        directory: ConfigSource,
        producers: ProducerSource,
        traffic: TrafficCounters,
        swap: Callable[[Router], None],
        spool: RepoSpool | None = None,
        *,
        needs_no_spool: bool = False,
    ) -> None:
        """`needs_no_spool`: where there is none, repos that want their lines on disk are served all the same."""
        self._directory = directory
        self._producers = producers
        self.spool = spool
        """To be set before the first load."""
        self._needs_no_spool = needs_no_spool
        self._traffic = traffic
        self._swap = swap
        self._files = ConfigFiles()
        self._names: dict[str, dict[RepoName, tuple[bytes, str]]] = {}
        """Entries of each readable shard."""
        self._entries: dict[RepoName, _Entry] = {}
        self.first_load = asyncio.Event()
        """Set once a config has been loaded."""
        self.shard_hashes: dict[str, str] = {}
        self.credentials_hash = ""
        self.refused_shards: dict[str, RefusedShard] = {}
        self._served = 0
        # Counted once a load, since every scrape asks.
        self.revisions: dict[str, str] = {}
        """The revision served, by repo."""
        self.refused: tuple[RefusedRepo, ...] = ()
        """Repos whose newest config is not served, in order."""

    @property
    def loaded(self) -> bool:
        """Whether a config has ever been loaded."""
        return self.first_load.is_set()

    @property
    def repos(self) -> int:
        """Repos that are served."""
        return self._served

    async def run(self) -> None:
        """Look for changes for ever."""
        seen: object = None
        complained = False
        while True:
            try:
                version = self._directory.version()
                if version != seen or not self.loaded:
                    await self.load(self._directory.read())
                    seen = version
                complained = False
            except OSError as error:
                # A projected volume may be swapped between two system calls; only what lasts is worth a word.
                if complained is False:
                    log.warning("config directory unreadable", extra={"error": str(error)})
                complained = True
            await asyncio.sleep(POLL_SECONDS)

    async def load(self, files: ConfigFiles) -> None:
        """Serve what the files say, as far as it is good. Returns once it is swapped in."""
        if self.loaded and files == self._files:
            return
        changed_credentials = {
            name
            for name in files.credentials.keys() | self._files.credentials.keys()
            if files.credentials.get(name) != self._files.credentials.get(name)
        }
        names, hashes, refused_shards = self._read_shards(files)
        wanted = {name: entry for entries in names.values() for name, entry in entries.items()}
        entries = await self._build(wanted, files.credentials, changed_credentials)
        await self._adopt(entries)
        self._renew_last_good(files.credentials, changed_credentials)
        if self.spool is not None:
            self.spool.set_credentials(files.credentials)
        self._files, self._names = files, names
        self.shard_hashes, self.refused_shards = hashes, refused_shards
        self.credentials_hash = credentials_hash(files.credentials)
        self.first_load.set()
        log.info(
            "config loaded",
            extra={"repos": self.repos, "refused": len(self.refused), "refusedShards": len(refused_shards)},
        )

    def _read_shards(
        self, files: ConfigFiles
    ) -> tuple[dict[str, dict[RepoName, tuple[bytes, str]]], dict[str, str], dict[str, RefusedShard]]:
        names: dict[str, dict[RepoName, tuple[bytes, str]]] = {}
        hashes: dict[str, str] = {}
        refused: dict[str, RefusedShard] = {}
        for index, content in sorted(files.shards.items()):
            last_good = index in self._names and index not in self.refused_shards
            if last_good and self._files.shards.get(index) == content:
                names[index], hashes[index] = self._names[index], self.shard_hashes[index]
                continue
            digest = content_hash(content)
            try:
                names[index], hashes[index] = read_shard(content), digest
            except ShardUnreadableError as error:
                refused[index] = RefusedShard(shard=index, hash=digest, reason=str(error))
                log.error("shard refused", extra={"shard": index, "error": str(error)})
                if index in self._names:
                    names[index], hashes[index] = self._names[index], self.shard_hashes[index]
        return names, hashes, refused

    async def _build(
        self,
        wanted: Mapping[RepoName, tuple[bytes, str]],
        credentials: Mapping[str, bytes],
        changed_credentials: set[str],
    ) -> dict[RepoName, _Entry]:
        entries: dict[RepoName, _Entry] = {}
        try:
            for number, (name, (content, revision)) in enumerate(wanted.items()):
                before = self._entries.get(name)
                if before is not None and before.content == content and not _is_touched(before, changed_credentials):
                    entries[name] = before
                    if number % UNCHANGED_PER_TURN:
                        continue
                else:
                    entries[name] = self._build_one(name, content, revision, credentials, before)
                await asyncio.sleep(0)  # requests go on between two repos
        except BaseException:
            # The load ends here, so what it has built will never serve: its leases go back.
            for name, entry in entries.items():
                if entry is not self._entries.get(name) and entry.refused is None and entry.served is not None:
                    entry.served.leave()
            raise
        return entries

    def _build_one(
        self, name: RepoName, content: bytes, revision: str, credentials: Mapping[str, bytes], before: _Entry | None
    ) -> _Entry:
        try:
            config = RepoConfig.model_validate_json(content)
            served = self._serve(config, credentials)
        except ValueError as error:
            return _refuse(name, content, revision, describe(error), before)
        except Exception as error:
            # Broad on purpose: whatever one repo's config or credentials bring out, its neighbours are loaded, and
            # the loader lives on.
            log.exception("a repo's config met a defect", extra={"namespace": name[0], "repo": name[1]})
            return _refuse(name, content, revision, f"{type(error).__name__}: {error}", before)
        return _Entry(content, served)

    def _serve(self, config: RepoConfig, credentials: Mapping[str, bytes]) -> ServedRepo:
        if not self._needs_no_spool:
            check_spool(config, self.spool)
        compiled, auth = compile_repo(config, credentials), _build_auth(config, credentials)
        leases = acquire_leases(config, credentials, self._producers, self.spool)
        try:
            for profile, topics in config.topics.items():
                leases[profile].producer.watch(topics)
            return ServedRepo(compiled, leases, self._traffic, auth, self.spool)
        except BaseException:
            release_leases(leases)
            raise

    async def _adopt(self, entries: dict[RepoName, _Entry]) -> None:
        running = {entry.served for entry in self._entries.values() if entry.served is not None}
        self._settle_paths(entries, running)
        await asyncio.sleep(0)
        served = [entry.served for entry in entries.values() if entry.served is not None]
        self.revisions = {repo.config.name: repo.config.revision for repo in served}
        await asyncio.sleep(0)
        self._swap(build_router(served))
        self._entries, self._served = entries, len(served)
        refused = ((name, _refusal(e)) for name, e in entries.items())
        self.refused = tuple(row for _, row in sorted((name, row) for name, row in refused if row is not None))
        for gone in running.difference(served):
            gone.leave()

    def _settle_paths(self, entries: dict[RepoName, _Entry], running: set[ServedRepo]) -> None:
        """One repo a path: whoever serves it already keeps it, then by namespace and name."""
        taken = {
            endpoint.path: name
            for name, entry in entries.items()
            if entry.served in running
            for endpoint in entry.served.config.endpoints
        }
        newcomers = [(name, e, e.served) for name, e in entries.items() if e.served and e.served not in running]
        for name, entry, served in sorted(newcomers, key=lambda row: row[0]):
            holder = next((taken[e.path] for e in served.config.endpoints if e.path in taken), None)
            if holder is None:
                taken.update((e.path, name) for e in served.config.endpoints)
                continue
            served.leave()
            before = self._last_good_beside(name, taken)
            reason = f"one of its paths is held by {'/'.join(holder)}"
            entries[name] = _refuse(name, entry.content, served.config.revision, reason, before, held=True)
            if before is not None and before.served is not None:
                taken.update((e.path, name) for e in before.served.config.endpoints)

    def _renew_last_good(self, credentials: Mapping[str, bytes], changed_credentials: set[str]) -> None:
        """New credentials are for the config that serves, too, when a newer one is refused."""
        for entry in self._entries.values():
            if entry.refused is None or entry.served is None or not _uses(entry.served, changed_credentials):
                continue
            if entry.served.guard is not None:
                entry.served.guard.auth = _build_auth(entry.served.config, credentials)
            # Its own leases hold the producers: what the pool starts for these stays.
            release_leases(acquire_leases(entry.served.config, credentials, self._producers))

    def _last_good_beside(self, name: RepoName, taken: Mapping[str, RepoName]) -> _Entry | None:
        """What a repo served until now, unless one of those paths has gone to another repo in the meantime."""
        before = self._entries.get(name)
        if before is None or before.served is None:
            return None
        return None if any(e.path in taken for e in before.served.config.endpoints) else before


def _build_auth(config: RepoConfig, credentials: Mapping[str, bytes]) -> Authenticator | None:
    auth = compile_auth(config, credentials)
    if auth is not None and auth.problem:
        where = {"namespace": config.namespace, "repo": config.name, "error": auth.problem}
        log.error("a repo's keys or passwords cannot be checked", extra=where)
    return auth


def _refusal(entry: _Entry) -> RefusedRepo | None:
    """What speaks against a repo: its newest config is no good, or it turns away those whom it should let in."""
    served = entry.served
    if entry.refused is not None or served is None or served.guard is None or not served.guard.problem:
        return entry.refused
    config = served.config
    reason = f"requests are answered 503, since nobody can be let in: {served.guard.problem}"
    return RefusedRepo(namespace=config.namespace, name=config.name, reason=reason, revision=config.revision)


def _is_touched(entry: _Entry, changed_credentials: set[str]) -> bool:
    if entry.held:
        return True
    if entry.refused is not None:
        return bool(changed_credentials)  # what was missing may be there now
    return entry.served is not None and _uses(entry.served, changed_credentials)


def _uses(served: ServedRepo, changed_credentials: set[str]) -> bool:
    if not changed_credentials:
        return False
    files = [name for producer in served.config.producers.values() for name in producer.credential_files]
    return not changed_credentials.isdisjoint([*files, *served.config.secret_files])


def _refuse(
    name: RepoName, content: bytes, revision: str, reason: str, before: _Entry | None, *, held: bool = False
) -> _Entry:
    serving = before.served if before is not None else None
    log.error("repo refused", extra={"namespace": name[0], "repo": name[1], "error": reason})
    refused = RefusedRepo(
        namespace=name[0],
        name=name[1],
        reason=reason,
        revision=revision,
        serving_revision=serving.config.revision if serving is not None else None,
    )
    return _Entry(content, serving, refused, held)


def describe(error: ValueError) -> str:
    """A config error in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(_describe_all(error))


def _describe_all(error: ValidationError) -> Iterable[str]:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    for problem in problems[:3]:
        yield f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    if len(problems) > 3:
        yield f"and {len(problems) - 3} more"
