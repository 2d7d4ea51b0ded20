"""`headgate validate`: every mistake by file and line, and what to do about it."""

from pathlib import Path

import pytest
from tests.unit.cli.validating import FLEET, GOOD, PROFILE, REPO, validate

RESHAPED = """\
  executors:
    - remove:
        fields: [secret]
    - cast:
        fields:
          - field: status
            type: Integer
    - decoder:
        format: Regex
        pattern: '(?P<a>x)'
    - mask:
        fields: [ip]
        hash:
          secretRef: {name: mask}
          key: current
"""

GUARDED = """\
  auth:
    apiKeys:
      secretRef:
        name: keys
"""

DEAD = """\
    deadLetter:
      topic: dead
"""

RULED = """\
    topics:
      - when:
          - field: a
            operator: Exists
        topic: errors
        producerProfile: other
"""


def test_good_files_are_said_to_be_good(tmp_path: Path) -> None:
    assert validate(tmp_path, GOOD) == (0, ["3 resources would be accepted"])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            REPO.replace("topic: access", "topic: a/b"),
            "file.yaml:9: error: EventRepo team/access: spec.kafka.topic: String should match pattern",
        ),
        (
            REPO.replace("    topic: access\n", ""),
            "file.yaml:7: error: EventRepo team/access: spec.kafka.topic: is required",
        ),
        (
            REPO + "    acks: all\n",
            "file.yaml:10: error: EventRepo team/access: spec.kafka.acks: is no field of this object: remove it",
        ),
        (
            REPO
            + "  constraint:\n    matchExpressions:\n      - field: a\n        operator: Matches\n        values: ['(']\n",
            "file.yaml:12: error: EventRepo team/access: spec.constraint.matchExpressions.0: regular expression '(' does not",
        ),
        (
            REPO
            + "  constraint:\n    matchExpressions:\n      - field: a\n        operator: In\n        values:\n          - [x]\n",
            "file.yaml:15: error: EventRepo team/access: spec.constraint.matchExpressions.0.values.0",
        ),
        (
            FLEET.replace("image: gateway:1", "replicas: many"),
            "file.yaml:4: error: GatewayFleet gateways/default: spec.image: is required",
        ),
        (
            REPO + RESHAPED.replace("Integer", "Decimal"),
            "file.yaml:16: error: EventRepo team/access: spec.executors.1.cast.fields.0.type: Input should be 'Integer'",
        ),
        (
            REPO + RESHAPED.replace("(?P<a>x)", "(?P<a>x"),
            "file.yaml:17: error: EventRepo team/access: spec.executors.2.decoder: pattern does not compile as RE2",
        ),
        (
            REPO
            + RESHAPED.replace("        fields: [secret]\n", "        fields: [secret]\n      sample: {percent: 1}\n"),
            "file.yaml:11: error: EventRepo team/access: spec.executors.0: an executor is exactly one of decoder,",
        ),
        (
            REPO + "    deadLetter: {topic: a/b}\n",
            "file.yaml:10: error: EventRepo team/access: spec.kafka.deadLetter.topic: String should match pattern",
        ),
        (
            REPO + "  auth: {}\n",
            "file.yaml:10: error: EventRepo team/access: spec.auth: auth takes apiKeys, basic or both",
        ),
        (
            REPO + "    delivery: Async\n  endpoints: [{path: /post, format: JSON, response: Offset}]\n",
            "file.yaml:6: error: EventRepo team/access: spec: response Offset answers with what Kafka said",
        ),
        (REPO.replace("v1alpha1", "v2"), "file.yaml:1: error: headgate.dev/v2 EventRepo is no resource of Headgate"),
        (
            REPO.replace("EventRepo", "EventRepos"),
            "file.yaml:1: error: headgate.dev/v1alpha1 EventRepos is no resource",
        ),
        (REPO + "    topic: again\n", "file.yaml:10: error: the key 'topic' is there twice: remove one"),
        (REPO + "  a: [\n", "file.yaml:11: error: is no YAML: "),
        (REPO + "---\n" + REPO, "file.yaml:11: error: EventRepo team/access is in file.yaml:1 already"),
        ("- a\n", "file.yaml:1: error: is no object: a manifest has apiVersion and kind"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: b\n  password: plain text\n",
            "file.yaml:5: error: Secret default/s: data.a is not base64: use stringData for text",
        ),
    ],
    ids=[
        "wrong value",
        "missing field",
        "unknown field",
        "regular expression",
        "wrong item",
        "second resource kind",
        "type of a cast",
        "pattern of a decoder",
        "two executors in one",
        "dead letter",
        "auth without a way in",
        "offset of async",
        "version",
        "kind",
        "doubled key",
        "broken YAML",
        "doubled resource",
        "no object",
        "Secret",
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, first: str) -> None:
    code, lines = validate(tmp_path, text)
    assert code == 1
    assert [line for line in lines if line.startswith(first)], lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            GOOD.replace("topic: access", "topic: other"),
            "file.yaml:23: error: EventRepo team/access: spec.kafka.topic: topic 'other' is not allowed",
        ),
        (
            GOOD
            + "---\n"
            + REPO.replace("name: access", "name: second")
            + "  endpoints:\n    - path: /log/repo/access\n",
            "file.yaml:34: error: EventRepo team/second: spec.endpoints: EventRepo team/access already holds the path",
        ),
        (
            GOOD.replace("  allowedTopics", "  deliveryTimeout: 5m\n  allowedTopics"),
            "file.yaml:13: error: KafkaProducerProfile gateways/main: spec.deliveryTimeout: deliveryTimeout is 5m, but",
        ),
        (
            GOOD.replace("{namespaces: {from: All}}", "{}"),
            "file.yaml:19: error: EventRepo team/access: metadata.namespace: GatewayFleet gateways/default takes no repos",
        ),
        (
            GOOD.replace("  allowedTopics", "  acks: none\n  allowedTopics"),
            "file.yaml:23: error: EventRepo team/access: spec.kafka.producerProfile: delivery: Sync answers 200 once",
        ),
        (
            GOOD + DEAD,
            "file.yaml:25: error: EventRepo team/access: spec.kafka.deadLetter.topic: topic 'dead' (spec.kafka.deadLetter.topic)",
        ),
        (
            FLEET + PROFILE + PROFILE.replace("name: main", "name: other") + REPO + RULED,
            "file.yaml:35: error: EventRepo team/access: spec.kafka.topics.0.topic: topic 'errors' (spec.kafka.topics[0].topic)",
        ),
    ],
    ids=["topic", "conflict", "timeout", "namespace", "acks", "topic of a dead letter", "topic of a rule"],
)
def test_what_the_operator_would_refuse_is_an_error(tmp_path: Path, text: str, line: str) -> None:
    code, lines = validate(tmp_path, text)
    assert code == 1
    assert [one for one in lines if one.startswith(line)], lines


SASL = "  tls: {}\n  sasl: {mechanism: PLAIN, secretRef: {name: kafka}}\n  allowedTopics"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (REPO, "file.yaml:6: warning: EventRepo team/access: spec.fleetRef: the repo names no fleet, so it is only"),
        (
            FLEET + REPO,
            "file.yaml:15: warning: EventRepo team/access: spec.kafka.producerProfile: KafkaProducerProfile",
        ),
        (
            GOOD.replace("  allowedTopics", SASL),
            "file.yaml:11: warning: KafkaProducerProfile gateways/main: spec: Secret gateways/kafka is not among the files",
        ),
        (
            GOOD.replace("from: All", "from: Selector, selector: {matchLabels: {a: b}}"),
            "file.yaml:19: warning: EventRepo team/access: metadata.namespace: GatewayFleet gateways/default takes no repos",
        ),
        (
            REPO.replace("spec:", "spec:\n  fleetRef: {name: far, namespace: away}"),
            "file.yaml:7: warning: EventRepo team/access: spec.fleetRef: GatewayFleet away/far is not among the files",
        ),
        (
            GOOD + RULED,
            "file.yaml:29: warning: EventRepo team/access: spec.kafka.topics.0.producerProfile: KafkaProducerProfile gateways/other",
        ),
        (
            GOOD + GUARDED,
            "file.yaml:27: warning: EventRepo team/access: spec.auth.apiKeys.secretRef.name: Secret team/keys is not among",
        ),
        (
            GOOD + RESHAPED,
            "file.yaml:38: warning: EventRepo team/access: spec.executors.3.mask.hash.key: Secret team/mask is not among",
        ),
    ],
    ids=[
        "default fleet",
        "profile",
        "Secret",
        "Namespace",
        "fleet",
        "profile of a rule",
        "Secret of keys",
        "Secret of a mask",
    ],
)
def test_what_only_the_cluster_can_tell_is_a_warning(tmp_path: Path, text: str, warning: str) -> None:
    code, lines = validate(tmp_path, text)
    assert code == 0
    assert [one for one in lines if one.startswith(warning)], lines
    assert "0 errors, 1 warning in" in lines[-2]


def test_a_secret_among_the_files_is_looked_into(tmp_path: Path) -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: kafka, namespace: gateways}\nstringData: {username: u}\n---\n"
    )
    code, lines = validate(tmp_path, secret + GOOD.replace("  allowedTopics", SASL))
    assert code == 1
    assert "Secret gateways/kafka has no value under the key 'password': add it (SecretKeyMissing)" in lines[0]


@pytest.mark.parametrize(
    ("name", "entries", "spec", "said"),
    [
        (
            "keys",
            "{}",
            GUARDED,
            "file.yaml:32: error: EventRepo team/access: spec.auth.apiKeys.secretRef.name: Secret team/keys is empty",
        ),
        (
            "mask",
            "{current: short}",
            RESHAPED,
            "file.yaml:43: error: EventRepo team/access: spec.executors.3.mask.hash.key: Secret team/mask has under 'current'",
        ),
        ("keys", "{shipper: a-secret-of-random-bytes}", GUARDED, ""),
        ("mask", "{current: 0123456789abcdef}", RESHAPED, ""),
    ],
    ids=["no keys", "a short key", "a key", "a long key"],
)
def test_a_repos_secret_among_the_files_is_looked_into(
    tmp_path: Path, name: str, entries: str, spec: str, said: str
) -> None:
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: team}}\nstringData: {entries}\n---\n"
    code, lines = validate(tmp_path, secret + GOOD + spec)
    assert code == bool(said), lines
    assert not said or [line for line in lines if line.startswith(said)], lines


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("type: kubernetes.io/basic-auth", "Secret team/keys is of type kubernetes.io/basic-auth"),
        (
            "metadata: {name: keys, namespace: team, labels: {headgate.dev/fleet: x}}",
            "Secret team/keys is Headgate's own",
        ),
    ],
    ids=["another type", "Headgate's own"],
)
def test_a_secret_that_may_not_be_taken_is_an_error_of_the_repo(tmp_path: Path, extra: str, said: str) -> None:
    metadata = "" if extra.startswith("metadata") else "metadata: {name: keys, namespace: team}\n"
    secret = f"apiVersion: v1\nkind: Secret\n{metadata}{extra}\nstringData: {{one: a-secret-of-random-bytes}}\n---\n"
    code, lines = validate(tmp_path, secret + GOOD + GUARDED)
    assert code == 1
    assert [line for line in lines if said in line], lines


@pytest.mark.parametrize(
    ("neighbour", "said"),
    [
        ("kind: Secret\nmetadata: {name: s}\ndata: [a]\n", "3: error: Secret default/s: data is no mapping"),
        (
            "kind: Secret\nmetadata: {name: s}\nstringData: text\n",
            "3: error: Secret default/s: stringData is no mapping",
        ),
        ("kind: Secret\nmetadata: {name: s}\ndata: {a: é}\n", "3: error: Secret default/s: data.a is not base64"),
        (
            "kind: Namespace\nmetadata: {name: team, labels: [a]}\n",
            "2: error: Namespace team: metadata.labels is no mapping",
        ),
        ("kind: Namespace\nmetadata: [n]\n", ""),
    ],
    ids=["a list for data", "text for stringData", "no ASCII", "a list for labels", "a list for metadata"],
)
def test_a_malformed_neighbour_is_named(tmp_path: Path, neighbour: str, said: str) -> None:
    code, lines = validate(tmp_path, neighbour + f"apiVersion: v1\n---\n{GOOD}")
    assert code == bool(said)
    assert any(line.startswith(f"file.yaml:{said}") for line in lines) == bool(said)


def test_repos_on_a_broken_fleet_or_profile_are_not_blamed_twice(tmp_path: Path) -> None:
    _, lines = validate(tmp_path, FLEET.replace("image", "imago") + PROFILE + REPO)
    assert not [line for line in lines if "EventRepo" in line and "error" in line]
