"""Reads YAML files into documents that know where each of their fields stands. Judges nothing but YAML itself."""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from headgate_operator.cli.problems import Problem

SUFFIXES = (".yaml", ".yml", ".json")


class _Loader(yaml.SafeLoader):
    """Reads scalars as Kubernetes does: a timestamp stays text, and `y` and `n` are booleans."""

    bool_values: ClassVar[dict[str, bool]] = yaml.SafeLoader.bool_values | {"y": True, "n": False}


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file."""

    file: str
    node: yaml.MappingNode
    content: dict[str, Any]

    @property
    def line(self) -> int:
        """The line on which the object begins."""
        return int(self.node.start_mark.line) + 1

    def locate(self, path: str) -> tuple[str, int]:
        """The part of a dotted path that is there, and its line; a missing field is found at its parent."""
        node: yaml.Node = self.node
        line, found, rest = self.line, list[str](), path.split(".") if path else []
        while rest:
            step = _step(node, rest)
            if step is None:
                break
            line, node, used = step
            found.append(".".join(rest[:used]))
            rest = rest[used:]
        # What comes below a scalar is pydantic's own (the branch of a union), no field of the file.
        missing = [] if isinstance(node, yaml.ScalarNode) else rest
        return ".".join([*found, *missing]), line


def _step(node: yaml.Node, rest: list[str]) -> tuple[int, yaml.Node, int] | None:
    """One step down: the line, the child, and how many parts its key took (keys of labels have dots)."""
    if isinstance(node, yaml.SequenceNode) and rest[0].isdecimal() and int(rest[0]) < len(node.value):
        child = node.value[int(rest[0])]
        return child.start_mark.line + 1, child, 1
    if isinstance(node, yaml.MappingNode):
        for used in range(len(rest), 0, -1):
            for key, value in node.value:
                if key.value == ".".join(rest[:used]):
                    return key.start_mark.line + 1, value, used
    return None


def read_documents(paths: Iterable[str]) -> tuple[list[Document], list[Problem]]:
    """All objects of files, directories (their YAML and JSON files, recursively) and `-` (standard input)."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for path in paths:
        for name, text in _read_texts(path, problems):
            _read_text(name, text, documents, problems)
    return documents, problems


def _read_texts(path: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "<stdin>", sys.stdin.read()
        return
    root = Path(path)
    files = sorted(file for file in root.rglob("*") if file.suffix in SUFFIXES) if root.is_dir() else [root]
    if not files:
        problems.append(Problem(path, 0, f"holds no {', '.join(SUFFIXES)} file"))
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(str(file), 0, f"cannot be read: {error}"))


def _read_text(name: str, text: str, documents: list[Document], problems: list[Problem]) -> None:
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            problems.extend(Problem(name, line, message) for line, message in _doubled_keys(node))
            documents.extend(_objects(name, node, problems))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problems.append(Problem(name, line, f"is no YAML: {error.problem}"))
    except yaml.YAMLError as error:
        problems.append(Problem(name, 0, f"is no YAML: {error}"))


def _objects(name: str, node: yaml.Node, problems: list[Problem]) -> Iterator[Document]:
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
        return
    if not isinstance(node, yaml.MappingNode):
        problems.append(Problem(name, node.start_mark.line + 1, "is no object: a manifest has apiVersion and kind"))
        return
    content = _construct(node)
    if content.get("kind") != "List":
        yield Document(name, node, content)
        return
    for key, value in node.value:
        if key.value == "items" and isinstance(value, yaml.SequenceNode):
            for item in value.value:
                yield from _objects(name, item, problems)


def _construct(node: yaml.MappingNode) -> dict[str, Any]:
    loader = _Loader("")
    try:
        content: dict[str, Any] = loader.construct_document(node)
        return content
    finally:
        loader.dispose()


def _doubled_keys(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """A key that stands twice: YAML takes the last one in silence."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _doubled_keys(item)
    if isinstance(node, yaml.MappingNode):
        seen: set[Any] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                yield key.start_mark.line + 1, f"the key {key.value!r} is there twice: remove one"
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
            yield from _doubled_keys(value)
