"""docs/guarantees.md promises nothing without a test: each row names one, or a fault of the fault suite, that is there."""

import ast
import re
from pathlib import Path

from tests.faults.faults import FAULTS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
SHOWN = PAGE.partition("\n## Not shown yet")[0]
_TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::([a-z0-9_]+)`")
_FAULT = re.compile(r"`([a-z]+(?:-[a-z]+)*)`")
_HEADINGS = ("| Mode", "| Fault", "| ---")


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def rows() -> list[str]:
    """The last cell of each row."""
    tables = [line for line in SHOWN.splitlines() if line.startswith("| ") and not line.startswith(_HEADINGS)]
    return [line.rstrip(" |").rpartition(" | ")[2] for line in tables]


def test_every_test_that_is_named_is_there() -> None:
    missing = [
        f"{file}::{name}" for file, name in sorted(set(_TEST.findall(PAGE))) if name not in functions_of(ROOT / file)
    ]
    assert missing == []


def test_every_row_names_a_test_or_faults_of_the_suite() -> None:
    assert len(rows()) >= 20
    for row in rows():
        faults = _FAULT.findall(_TEST.sub("", row))
        assert set(faults) <= set(FAULTS), row
        assert faults or _TEST.search(row), row
