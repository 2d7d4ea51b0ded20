"""What may be compiled: mypyc takes some ways of Python for others, without a word."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import headgate_gateway

PACKAGE = Path(headgate_gateway.__file__).parent
LIST = Path(__file__).resolve().parents[3] / "gateway/native.txt"
NAMES = LIST.read_text().split()


def awaits_at_the_end(source: str) -> Iterator[int]:
    """Lines of each `await` in a `finally`: compiled, it loses the exception on whose way it lies."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Try):
            for last in node.finalbody:
                yield from (inner.lineno for inner in ast.walk(last) if isinstance(inner, ast.Await))


def test_it_is_seen() -> None:
    assert list(awaits_at_the_end("async def f():\n    try:\n        pass\n    finally:\n        await g()\n")) == [5]


def test_the_list_names_each_once_and_in_order() -> None:
    assert sorted(set(NAMES)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_awaited_in_a_finally(name: str) -> None:
    assert list(awaits_at_the_end((PACKAGE.parent / name).read_text())) == []
