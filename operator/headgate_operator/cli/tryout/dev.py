"""`headgate dev`: watches the files, and tells of what the gateway's own code makes of requests."""

import base64
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from headgate_gateway.config.status import RefusedRepo
from headgate_gateway.tryout.compare import write_time
from headgate_gateway.tryout.record import Record, readable
from headgate_gateway.tryout.serve import Entries, Settings, serve
from headgate_operator.cli.documents import SUFFIXES, read_documents
from headgate_operator.cli.inventory import Key, take_inventory
from headgate_operator.cli.problems import Problem, has_errors, tell
from headgate_operator.cli.tryout.repos import build_repos

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class DevRequest:
    """What the command line asks for."""

    paths: list[str]
    namespace: str
    default_fleet: Key | None
    auth: bool
    output: str
    settings: Settings


class WatchedFiles:
    """The files, read again whenever they change; mistakes in them are told, and change nothing."""

    def __init__(self, request: DevRequest, err: TextIO) -> None:
        self._request = request
        self._err = err
        self.entries: Entries | None = None
        """The last good ones."""
        self._seen: object = None
        """The version of what was read last."""

    def version(self) -> object:
        """When which file was written."""
        found = ((str(file), file.stat()) for path in self._request.paths for file in _files(Path(path)))
        return [(name, one.st_mtime_ns, one.st_ino, one.st_size) for name, one in found]

    def read(self) -> Entries:
        """What the files say, or said when they were last good. Raises ValueError where they never were."""
        seen = self._look()
        if self.entries is not None and seen is not None and seen == self._seen:
            return self.entries
        self._seen = seen
        entries, problems = self._examine()
        tell(problems, self._err)
        if entries is not None:
            self.entries = entries
        elif self.entries is not None:
            self._err.write("what was served before these mistakes is served on\n")
        self._err.flush()
        if self.entries is None:
            raise ValueError("the files hold mistakes")
        return self.entries

    def _look(self) -> object:
        try:
            return self.version()
        except OSError:
            return None  # reading says what is the matter

    def _examine(self) -> tuple[Entries | None, list[Problem]]:
        request = self._request
        documents, unreadable = read_documents(request.paths)
        inventory = take_inventory(documents, request.namespace)
        inventory.problems[:0] = unreadable
        repos, problems = build_repos(inventory, request.default_fleet, auth=request.auth)
        if not inventory.repos and not has_errors(problems):
            problems.append(Problem(request.paths[0], 0, "there is no EventRepo among the files: add its file with -f"))
        if has_errors(problems):
            return None, problems
        credentials = {file: content for repo in repos.values() for file, content in repo.credentials.items()}
        return Entries(tuple(repo.entry for repo in repos.values()), credentials), problems


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
    else:
        yield path


class Terminal:
    """Records to standard output, all else beside it."""

    def __init__(self, form: str, kafka: str | None, out: TextIO, err: TextIO) -> None:
        self._form, self._out, self._err = form, out, err
        self._fate = f"go to {kafka}" if kafka else "are printed and go nowhere"

    def listening(self, url: str) -> None:
        """Where requests are taken."""
        self._say(f"listening on {url}; records {self._fate}; Ctrl-C ends it")

    def serving(self, paths: Mapping[str, str], refused: tuple[RefusedRepo, ...]) -> None:
        """What is served from now on."""
        for path, repo in paths.items():
            self._say(f"serving {repo} at {path}")
        for one in refused:
            self._say(f"refused {one.namespace}/{one.name}: {one.reason}")

    def request(self, head: Any, answer: Any) -> None:
        """A request, and what became of it."""
        self._say(f"{head.method} {head.path} {answer.status} {summarise(answer.body)}".rstrip())

    def record(self, record: Record) -> None:
        """A record as it would go to Kafka."""
        self._out.write((write_json(record) if self._form == "json" else write_text(record)) + "\n")
        self._out.flush()

    def _say(self, line: str) -> None:
        self._err.write(line + "\n")
        self._err.flush()


def summarise(body: bytes) -> str:
    """What an answer says, on one line."""
    try:
        answer = json.loads(body)
    except ValueError:
        return readable(body).strip()
    if not isinstance(answer, dict):
        return readable(body).strip()
    if "reason" in answer:
        return f"{answer['reason']}: {answer.get('message', '')}"
    counts = [
        f"{name} {answer[name]}" for name in ("accepted", "dropped", "rejected", "deadLettered") if name in answer
    ]
    places = [
        f"{one['topic']}-{one['partition']}@{one['baseOffset']}"
        for one in answer.get("partitions", ())
        if "topic" in one
    ]
    return ", ".join([*counts, *places]) or readable(body).strip()


def write_text(record: Record) -> str:
    """A record for people: what is beside the value on one line, the value on the next."""
    parts = [record.topic, f"profile={record.profile}", write_time(record.timestamp)]
    parts += [] if record.key is None else [f"key={readable(record.key)}"]
    parts += [f"{name}={readable(value)}" for name, value in record.headers]
    value = "no value" if record.value is None else readable(record.value)
    return f"{'dead letter ' if record.dead_letter else ''}{'  '.join(parts)}\n    {value}"


def write_json(record: Record) -> str:
    """A record as one line of JSON; bytes that are no text under names that end in Base64."""
    told: dict[str, object] = {"topic": record.topic, "producerProfile": record.profile}
    told |= {"timestamp": write_time(record.timestamp), "line": record.line, "deadLetter": record.dead_letter}
    told["headers"] = [[name, readable(value)] for name, value in record.headers]
    return json.dumps(told | _bytes("key", record.key) | _bytes("value", record.value), ensure_ascii=False)


def _bytes(name: str, content: bytes | None) -> dict[str, str | None]:
    try:
        return {name: None if content is None else content.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": base64.b64encode(content or b"").decode()}


def run_dev(request: DevRequest, out: TextIO, err: TextIO) -> int:
    """Serve until somebody ends it. 0: it was ended; 2: it could not begin."""
    if "-" in request.paths:
        err.write("error: dev reads its files again when they change: name a file in place of standard input\n")
        return 2
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
    if request.settings.host != LOOPBACK:
        err.write(f"warning: whoever reaches {request.settings.host} may send\n")
    files = WatchedFiles(request, err)
    try:
        files.read()
    except ValueError:
        return 2
    try:
        serve(files, request.settings, Terminal(request.output, request.settings.kafka, out, err))
    except OSError as error:
        where = f"{request.settings.host}:{request.settings.port}"
        err.write(f"error: cannot listen on {where}: {error.strerror or error}: choose another --port or --host\n")
        return 2
    return 0
