"""`headgate test`: finds the tests among the files, has the gateway's own runner run them, tells how each went."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from pydantic import ValidationError

from headgate_gateway.tryout.cases import Suite
from headgate_gateway.tryout.run import CaseResult, run_suite
from headgate_operator.cli.documents import Document, read_documents
from headgate_operator.cli.inventory import TEST_KIND, Inventory, Key, key_of, take_inventory
from headgate_operator.cli.problems import Problem, has_errors, tell
from headgate_operator.cli.tryout.report import SuiteRun, report
from headgate_operator.cli.tryout.repos import TriedRepo, build_repos

_FIELDS = {"apiVersion", "kind", "metadata", "spec"}


@dataclass(frozen=True, slots=True)
class SuitesRequest:
    """What the command line asks for."""

    paths: list[str]
    namespace: str
    default_fleet: Key | None
    auth: bool
    output: str


def run_test(request: SuitesRequest, out: TextIO, err: TextIO) -> int:
    """Run all tests among the files. 0: every case holds; 1: one does not; 2: they could not be run."""
    documents, unreadable = read_documents(request.paths)
    inventory = take_inventory(documents, request.namespace)
    inventory.problems[:0] = unreadable
    repos, problems = build_repos(inventory, request.default_fleet, auth=request.auth)
    suites = list(_read_suites(inventory, request.namespace, problems))
    if not inventory.tests:
        err.write(f"there is no {TEST_KIND} among the files: add its file with -f (docs/cli.md has an example)\n")
    tested = [] if has_errors(problems) else list(_run(suites, repos, problems))
    tell(problems, err)
    if has_errors(problems) or not inventory.tests:
        return 2
    report(tested, request.output, out)
    return 1 if any(result.differences for suite in tested for result in suite.results) else 0


@dataclass(frozen=True, slots=True)
class _Found:
    document: Document
    repo: Key
    suite: Suite


def _read_suites(inventory: Inventory, namespace: str, problems: list[Problem]) -> Iterator[_Found]:
    for document in inventory.tests:
        key = key_of(document, namespace)
        complaints = list(_complaints(document, key, inventory))
        problems += complaints
        if complaints:
            continue
        try:
            yield _Found(document, key, Suite.model_validate(document.content["spec"]))
        except ValidationError as error:
            problems += _spec_problems(document, key, error)


def _complaints(document: Document, key: Key, inventory: Inventory) -> Iterator[Problem]:
    for name in document.content.keys() - _FIELDS:
        yield _problem(document, key, str(name), "is no field of this object: remove it, or check its spelling")
    if not isinstance(document.content.get("spec"), dict):
        yield _problem(document, key, "spec", "is required, with cases")
    if key not in inventory.repos and ("EventRepo", key) not in inventory.broken:
        message = (
            f"EventRepo {key[0]}/{key[1]} is not among the files: a test has the name and the namespace of its repo"
        )
        yield _problem(document, key, "metadata.name", message)


def _spec_problems(document: Document, key: Key, error: ValidationError) -> list[Problem]:
    """One problem a place: a union complains once for each of its branches."""
    found: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False):
        path, _ = document.locate(".".join(["spec", *map(str, problem["loc"])]))
        found.setdefault(path, _message(problem))
    return [_problem(document, key, path, message) for path, message in found.items()]


def _message(problem: Mapping[str, Any]) -> str:
    match problem["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is no field of this object: remove it, or check its spelling"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")


def _problem(document: Document, key: Key, path: str, message: str) -> Problem:
    found, line = document.locate(path)
    return Problem(document.file, line, f"{TEST_KIND} {key[0]}/{key[1]}: {found}: {message}")


def _run(suites: list[_Found], repos: Mapping[Key, TriedRepo], problems: list[Problem]) -> Iterator[SuiteRun]:
    for found in suites:
        repo, document = repos[found.repo], found.document
        try:
            results: list[CaseResult] = run_suite(repo.entry, repo.credentials, found.suite)
        except ValueError as error:
            # What compiles at the operator may be refused by a gateway: a plugin that is not installed here.
            problems.append(_problem(document, found.repo, "metadata.name", f"gateways would refuse the repo: {error}"))
            continue
        yield SuiteRun(found.repo, document, results)
