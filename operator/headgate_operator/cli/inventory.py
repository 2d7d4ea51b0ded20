"""What a set of files holds: Headgate's resources, Secrets and Namespaces, each with its place in the files.

Parses with the operator's own types. What is not Headgate's business is passed over.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import API_VERSION, GROUP, LABEL_FLEET
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.resource import InvalidResourceError, Resource
from headgate_operator.cli.documents import Document
from headgate_operator.cli.problems import Problem
from headgate_operator.render.world import ORDINARY, SecretNote

Key = tuple[str, str]
TEST_KIND = "EventRepoTest"
"""Never in a cluster: its documents are for `headgate test` alone."""
_TYPES: Mapping[str, type[Resource]] = {kind.KIND: kind for kind in (GatewayFleet, KafkaProducerProfile, EventRepo)}


@dataclass(slots=True)
class Inventory:
    """The content of the files, by (namespace, name)."""

    fleets: dict[Key, GatewayFleet] = field(default_factory=dict)
    profiles: dict[Key, KafkaProducerProfile] = field(default_factory=dict)
    repos: dict[Key, EventRepo] = field(default_factory=dict)
    secrets: dict[Key, dict[str, bytes]] = field(default_factory=dict)
    secret_notes: dict[Key, SecretNote] = field(default_factory=dict)
    """Of the Secrets, what they are beyond what they hold."""
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    broken: set[tuple[str, Key]] = field(default_factory=set)
    """(kind, key) of resources that are there but do not parse: already complained of."""
    places: dict[tuple[str, Key], Document] = field(default_factory=dict)
    """Where each of Headgate's resources stands, by kind and key."""
    tests: list[Document] = field(default_factory=list)
    """Documents of TEST_KIND, unread."""
    problems: list[Problem] = field(default_factory=list)

    def complain(self, kind: str, key: Key, path: str, message: str) -> Problem:
        """A problem at a field of a resource."""
        document = self.places[kind, key]
        found, line = document.locate(path)
        return Problem(document.file, line, f"{kind} {key[0]}/{key[1]}: {found + ': ' if found else ''}{message}")


def take_inventory(documents: list[Document], default_namespace: str) -> Inventory:
    """Sort documents into what they are."""
    inventory = Inventory()
    for document in documents:
        api_version, kind = str(document.content.get("apiVersion", "")), str(document.content.get("kind", ""))
        if api_version == API_VERSION and kind in _TYPES:
            _take_resource(inventory, document, kind, default_namespace)
        elif (api_version, kind) == (API_VERSION, TEST_KIND):
            inventory.tests.append(document)
        elif api_version.split("/", maxsplit=1)[0] == GROUP:
            known = ", ".join(f"{API_VERSION} {known}" for known in _TYPES)
            inventory.problems.append(
                Problem(
                    document.file, document.line, f"{api_version} {kind} is no resource of Headgate: there are {known}"
                )
            )
        elif (api_version, kind) == ("v1", "Secret"):
            _take_secret(inventory, document, default_namespace)
        elif (api_version, kind) == ("v1", "Namespace"):
            _take_namespace(inventory, document)
    return inventory


def _metadata(document: Document) -> dict[str, Any]:
    metadata = document.content.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def key_of(document: Document, default_namespace: str) -> Key:
    """Namespace and name that a document has in its metadata."""
    metadata = _metadata(document)
    return str(metadata.get("namespace") or default_namespace), str(metadata.get("name", ""))


def _take_resource(inventory: Inventory, document: Document, kind: str, default_namespace: str) -> None:
    key = key_of(document, default_namespace)
    if (kind, key) in inventory.places:
        first = inventory.places[kind, key]
        inventory.problems.append(
            Problem(document.file, document.line, f"{kind} {key[0]}/{key[1]} is in {first.file}:{first.line} already")
        )
        return
    inventory.places[kind, key] = document
    metadata = document.content.get("metadata")
    content = document.content
    if isinstance(metadata, dict):
        content = content | {"metadata": metadata | {"namespace": key[0]}}
    try:
        resource = _TYPES[kind].from_object(content)
    except InvalidResourceError as error:
        inventory.broken.add((kind, key))
        inventory.problems.extend(_schema_problems(inventory, kind, key, error))
        return
    match resource:
        case GatewayFleet():
            inventory.fleets[key] = resource
        case KafkaProducerProfile():
            inventory.profiles[key] = resource
        case EventRepo():
            inventory.repos[key] = resource


def _schema_problems(inventory: Inventory, kind: str, key: Key, error: InvalidResourceError) -> list[Problem]:
    """One problem a place: a union complains once for each of its branches."""
    by_path: dict[str, list[str]] = {}
    for path, message in error.problems:
        found, _ = inventory.places[kind, key].locate(path)
        by_path.setdefault(found, []).append(message)
    return [inventory.complain(kind, key, path, ", or ".join(messages)) for path, messages in by_path.items()]


def _take_secret(inventory: Inventory, document: Document, default_namespace: str) -> None:
    key = key_of(document, default_namespace)
    where = f"Secret {key[0]}/{key[1]}"
    values: dict[str, bytes] = {}
    for name, text in _take_mapping(inventory, document, where, "data").items():
        try:
            values[name] = base64.b64decode(text, validate=True)
        except ValueError:  # binascii.Error is one; so is what is raised for text that is not ASCII
            _, line = document.locate(f"data.{name}")
            inventory.problems.append(
                Problem(document.file, line, f"{where}: data.{name} is not base64: use stringData for text")
            )
    values |= {name: text.encode() for name, text in _take_mapping(inventory, document, where, "stringData").items()}
    inventory.secrets[key] = values
    ours = LABEL_FLEET in _take_mapping(inventory, document, where, "metadata.labels")
    inventory.secret_notes[key] = SecretNote(type=str(document.content.get("type") or ORDINARY.type), ours=ours)


def _take_namespace(inventory: Inventory, document: Document) -> None:
    name = str(_metadata(document).get("name", ""))
    labels = _take_mapping(inventory, document, f"Namespace {name}", "metadata.labels")
    # The API server puts this label on every namespace.
    inventory.namespaces[name] = {"kubernetes.io/metadata.name": name} | labels


def _take_mapping(inventory: Inventory, document: Document, where: str, path: str) -> dict[str, str]:
    """The texts under a path; an absent field has none. What is no mapping is a problem."""
    found: Any = document.content
    for step in path.split("."):
        found = (found.get(step) if isinstance(found, dict) else None) or {}
    if not isinstance(found, dict):
        _, line = document.locate(path)
        inventory.problems.append(Problem(document.file, line, f"{where}: {path} is no mapping of names to texts"))
        return {}
    return {str(name): str(text) for name, text in found.items()}
