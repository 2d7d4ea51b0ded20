"""How tests of repos went: for people, as JSON, and as JUnit's XML for build servers. Runs nothing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO
from xml.etree import ElementTree

from headgate_gateway.tryout.compare import Difference
from headgate_gateway.tryout.run import CaseResult
from headgate_operator.cli.documents import Document
from headgate_operator.cli.inventory import Key

FORMATS = ("text", "json", "junit")
_RED, _GREEN, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"
_LET_IN = "give the case a key or a password of the Secret that the repo names, with the Secret among the files, or run with --no-auth"


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """The cases of one document."""

    repo: Key
    document: Document
    results: Sequence[CaseResult]

    @property
    def name(self) -> str:
        """Namespace and name of the repo."""
        return "/".join(self.repo)

    def place(self, index: int, path: str = "") -> str:
        """File and line of a case, or of the part of it that is nearest to a path."""
        _, line = self.document.locate(f"spec.cases.{index}" + (f".{path}" if path else ""))
        return f"{self.document.file}:{line}"


def report(suites: Sequence[SuiteRun], form: str, out: TextIO) -> None:
    """Write how they went, in one of FORMATS."""
    match form:
        case "json":
            json.dump([_plain(suite) for suite in suites], out, indent=2, ensure_ascii=False)
            out.write("\n")
        case "junit":
            out.write(_junit(suites))
        case _:
            out.writelines(f"{line}\n" for line in _text(suites, colour=out.isatty()))


def _text(suites: Sequence[SuiteRun], *, colour: bool) -> Iterator[str]:
    good = f"{_GREEN}ok{_PLAIN}" if colour else "ok"
    bad = f"{_RED}FAILED{_PLAIN}" if colour else "FAILED"
    for suite in suites:
        yield f"{suite.name}  {suite.document.file}"
        for index, result in enumerate(suite.results):
            yield f"  {bad if result.differences else good:6}  {result.name}"
            for difference in result.differences:
                yield from _explain(suite, index, difference)
    results = [result for suite in suites for result in suite.results]
    failed = sum(bool(result.differences) for result in results)
    yield f"{len(results) - failed} passed, {failed} failed"


def _explain(suite: SuiteRun, index: int, difference: Difference) -> Iterator[str]:
    yield f"          {suite.place(index, difference.path)}: {difference.path}"
    yield f"            expected  {difference.expected}"
    yield f"            got       {difference.actual}"
    if _is_shut_out(difference):
        yield f"            {_LET_IN}"


def _is_shut_out(difference: Difference) -> bool:
    return difference.path == "expect.status" and difference.actual.startswith("401")


def _plain(suite: SuiteRun) -> dict[str, object]:
    return {
        "repo": suite.name,
        "file": suite.document.file,
        "cases": [
            {
                "name": result.name,
                "line": int(suite.place(index).rpartition(":")[2]),
                "passed": not result.differences,
                "differences": [
                    {"path": one.path, "expected": one.expected, "actual": one.actual} for one in result.differences
                ],
            }
            for index, result in enumerate(suite.results)
        ],
    }


def _junit(suites: Sequence[SuiteRun]) -> str:
    root = ElementTree.Element("testsuites")
    for suite in suites:
        failures = sum(bool(result.differences) for result in suite.results)
        counts = {"name": suite.name, "tests": str(len(suite.results)), "failures": str(failures)}
        node = ElementTree.SubElement(root, "testsuite", counts)
        for index, result in enumerate(suite.results):
            case = ElementTree.SubElement(node, "testcase", classname=suite.name, name=result.name)
            if result.differences:
                message = f"{len(result.differences)} differences from {suite.place(index)}"
                lines = (line.strip() for one in result.differences for line in _explain(suite, index, one))
                ElementTree.SubElement(case, "failure", message=message).text = _without_controls("\n".join(lines))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _without_controls(text: str) -> str:
    """XML has no way to write most control characters."""
    return "".join(sign if sign >= " " or sign == "\n" else repr(sign)[1:-1] for sign in text)
