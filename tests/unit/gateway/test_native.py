"""What may be compiled: mypyc takes some ways of Python for others, without a word; and what is written out for its sake."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import headgate_gateway

PACKAGE = Path(headgate_gateway.__file__).parent
LIST = Path(__file__).resolve().parents[3] / "gateway/native.txt"
NAMES = LIST.read_text().split()
SUSPENDS = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)
TIMEOUT = "asyncio.timeout("
"""Leaving it never suspends."""


def suspends_at_the_end(source: str) -> Iterator[int]:
    """Lines that may suspend while an exception is on its way: compiled, they lose it."""
    for node in ast.walk(ast.parse(source)):
        ends: list[ast.stmt] = []
        if isinstance(node, ast.Try | ast.TryStar):
            ends = list(node.finalbody)
            ends += [each for handler in node.handlers for each in handler.body if _raises_again(handler)]
        elif isinstance(node, ast.AsyncWith):
            shown = [ast.unparse(item.context_expr) for item in node.items]
            if not all(each.startswith(TIMEOUT) for each in shown):
                yield node.lineno
        for last in ends:
            yield from (inner.lineno for inner in ast.walk(last) if isinstance(inner, SUSPENDS))


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(handler))


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["try:", "    pass", "finally:", "    await g()"], [5]),
        (["try:", "    pass", "finally:", "    async for _ in g():", "        pass"], [5]),
        (["try:", "    pass", "except ValueError:", "    await g()", "    raise"], [5]),
        (["try:", "    pass", "except ValueError:", "    await g()"], []),
        (["async with g():", "    pass"], [2]),
        (["async with asyncio.timeout(1):", "    pass"], []),
        (["try:", "    await g()", "finally:", "    h()"], []),
    ],
)
def test_it_is_seen(lines: list[str], found: list[int]) -> None:
    assert list(suspends_at_the_end("\n    ".join(["async def f():", *lines]))) == found


def test_the_list_names_each_once_and_in_order() -> None:
    assert sorted(set(NAMES)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_suspends_while_an_exception_is_on_its_way(name: str) -> None:
    assert list(suspends_at_the_end((PACKAGE.parent / name).read_text())) == []


def written_out() -> Iterator[tuple[str, list[str], list[str], list[str]]]:
    """Dataclasses with an `__init__` of their own: their fields, what it takes, what it sets."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for found in ast.walk(ast.parse(path.read_text())):
            if isinstance(found, ast.ClassDef) and any(
                "init=False" in ast.unparse(each) for each in found.decorator_list
            ):
                inits = [each for each in found.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
                fields = [each.target for each in found.body if isinstance(each, ast.AnnAssign)]
                taken = [each.arg for init in inits for each in init.args.args[1:]]
                targets = [each.targets[0] for init in inits for each in init.body if isinstance(each, ast.Assign)]
                yield (
                    found.name,
                    [each.id for each in fields if isinstance(each, ast.Name)],
                    taken,
                    [each.attr for each in targets if isinstance(each, ast.Attribute)],
                )


def test_what_is_written_out_takes_and_sets_each_field() -> None:
    all_of_them = list(written_out())
    assert {name for name, *_ in all_of_them} >= {"Outcome", "PartitionAck", "Records", "Response"}
    assert [each for each in all_of_them if not each[1] == each[2] == each[3]] == []
