"""`headgate test`: a case that holds passes, one that does not fails and says where; mistakes are told by file and line."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from headgate_operator.cli.tryout.suites import SuitesRequest, run_test

pytestmark = pytest.mark.thorough

REPO = """\
apiVersion: headgate.dev/v1alpha1
kind: EventRepo
metadata:
  name: access
  namespace: team
spec:
  endpoints:
    - path: /in
    - path: /events
      format: CloudEvents
    - path: /offset
      format: JSON
      response: Offset
  partial: Accept
  constraint:
    matchExpressions:
      - field: drop
        operator: DoesNotExist
  executors:
    - set:
        fields:
          - field: seen
            value: "yes"
    - cast:
        fields:
          - field: size
            type: Integer
  kafka:
    producerProfile: main
    topic: access
    key:
      field: user
    headers:
      - name: origin
        value: web
"""
DEAD = """\
    deadLetter:
      topic: dead
"""
GUARDED = """\
  auth:
    apiKeys:
      secretRef:
        name: keys
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: team}
stringData: {one: open-sesame-and-close}
"""
HEAD = """\
---
apiVersion: headgate.dev/v1alpha1
kind: EventRepoTest
metadata: {name: access, namespace: team}
spec:
  cases:
"""
LINE = HEAD.count("\n") + REPO.count("\n")
"""The line before the first case's, where the repo is REPO alone."""


def case(text: str, name: str = "it") -> str:
    """A case of its fields, as YAML."""
    return f"    - name: {name}\n" + "".join(f"      {line}\n" for line in text.strip().splitlines())


def run(tmp_path: Path, text: str, output: str = "text", *, auth: bool = True) -> tuple[int, str, str]:
    """Exit code, standard output and errors, paths shortened to file names."""
    file = tmp_path / "file.yaml"
    file.write_text(text)
    out, err = io.StringIO(), io.StringIO()
    code = run_test(SuitesRequest([str(file)], "default", None, auth, output), out, err)
    return code, out.getvalue().replace(f"{tmp_path}/", ""), err.getvalue().replace(f"{tmp_path}/", "")


ONE = 'lines: [{user: u, size: "5"}]\nexpect:\n  records:\n    - '
HOLDING = {
    "value as JSON": ONE + "value: {user: u, size: 5, seen: 'yes'}",
    "value as text": ONE + """value: '{"user":"u","size":5,"seen":"yes"}'""",
    "value as bytes": ONE + "valueBase64: eyJ1c2VyIjoidSIsInNpemUiOjUsInNlZW4iOiJ5ZXMifQ==",
    "topic, key, headers, profile, line": ONE
    + "{topic: access, key: u, headers: {origin: web}, producerProfile: main, line: 1}",
    "the clock": ONE + "{timestamp: '2026-01-01T00:00:00Z'}",
    "keyless": "lines: [{size: 5}]\nexpect: {records: [{key: null}]}",
    "dropped": "lines: [{drop: 1}, {drop: 2}]\nexpect: {dropped: 2}",
    "refused lines beside good ones": "lines: [{a: 1}, 'no JSON', {size: many}]\n"
    "expect: {status: 207, records: [{line: 1}], rejected: "
    "[{line: 2, reason: InvalidJSON}, {line: 3, reason: ExecutorRefused, message: size}]}",
    "a refused request": "headers: {Content-Type: text/html}\nlines: [{a: 1}]\n"
    "expect: {status: 415, reason: UnsupportedMediaType}",
    "a compressed body": "headers: {Content-Encoding: gzip}\n"
    "bodyBase64: H4sIAAAAAAACA6tWSlSyMqzlAgBGo+h0CAAAAA==\nexpect: {records: [{value: {a: 1, seen: 'yes'}}]}",
    "another endpoint and its answer": "endpoint: /offset\nbody: {a: 1}\n"
    'expect: {answer: "{\\"status\\":\\"ok\\",\\"partition\\":0,\\"Offset\\":0}\\n", records: [{topic: access}]}',
    "some members of an answer": "lines: [{a: 1}]\nexpect: {answer: {durability: kafka, accepted: 1}, records: [{}]}",
    "a path that is not there": "endpoint: /nowhere\nbody: x\nexpect: {status: 404}",
    "no body": "expect: {status: 400, reason: EmptyBody}",
    "a head that is no head": 'headers: {Bad Name: x}\nlines: [{a: 1}]\nexpect: {status: 400, reason: BadRequest}',
}  # fmt: skip


@pytest.mark.parametrize("text", HOLDING.values(), ids=HOLDING)
def test_a_case_that_holds_passes(tmp_path: Path, text: str) -> None:
    code, out, _ = run(tmp_path, REPO + HEAD + case(text))
    assert (code, out.splitlines()[-1]) == (0, "1 passed, 0 failed"), out


FAILING = {
    "another value": (ONE + "value: {user: u, size: 6, seen: 'yes'}", "expect.records.0.value.size", "6", "5"),
    "text for a number": (ONE + "value: {user: u, size: '5', seen: 'yes'}", "expect.records.0.value.size", '"5"', "5"),
    "a member more": (ONE + "value: {user: u, size: 5}", "expect.records.0.value.seen", "nothing", '"yes"'),
    "a member less": (
        ONE + "value: {user: u, size: 5, seen: 'yes', x: null}",
        "expect.records.0.value.x",
        "null",
        "nothing",
    ),
    "true is not 1": ("lines: [{a: true}]\nexpect: {records: [{value: {a: 1, seen: 'yes'}}]}", "expect.records.0.value.a", "1", "true"),
    "another text": (ONE + "value: x", "expect.records.0.value", '"x"', r'"{\"user\":\"u\",\"size\":5,\"seen\":\"yes\"}"'),
    "a value where none is expected": (ONE + "value: null", "expect.records.0.value", "no value", r'"{\"user\":\"u\",\"size\":5,\"seen\":\"yes\"}"'),
    "another topic": (ONE + "topic: other", "expect.records.0.topic", "other", "access"),
    "another key": (ONE + "key: v", "expect.records.0.key", '"v"', '"u"'),
    "a key where none is expected": (ONE + "key: null", "expect.records.0.key", "null", '"u"'),
    "a header less": (ONE + "headers: {}", "expect.records.0.headers.origin", "nothing", '"web"'),
    "another time": (ONE + "timestamp: 1", "expect.records.0.timestamp", "1970-01-01T00:00:00.001Z", "2026-01-01T00:00:00.000Z"),
    "a record that nobody expects": ("lines: [{user: u}]\nexpect: {}", "expect.records.0", "nothing", '{"topic": "access", "key": "u", "headers": {"origin": "web"}, "value": {"user": "u", "seen": "yes"}}'),
    "a record that does not come": ("lines: [{drop: 1}]\nexpect: {dropped: 1, records: [{topic: t}]}", "expect.records.0", '{"topic": "t"}', "nothing"),
    "dropped lines": ("lines: [{drop: 1}]\nexpect: {}", "expect.dropped", "0", "1"),
    "another reason": ("body: x\nendpoint: /no\nexpect: {status: 404, reason: Gone}", "expect.reason", "Gone", "UnknownRepo: "),
    "a refused line that nobody expects": ("lines: ['x', {a: 1}]\nexpect: {status: 207, records: [{}]}", "expect.rejected.0", "nothing", '{"line": 1, "reason": "InvalidJSON"'),
    "another answer": ("lines: [{a: 1}]\nexpect: {answer: {accepted: 2}, records: [{}]}", "expect.answer.accepted", "2", "1"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "path", "expected", "actual"), FAILING.values(), ids=FAILING)
def test_a_case_that_does_not_hold_fails_and_says_where(
    tmp_path: Path, text: str, path: str, expected: str, actual: str
) -> None:
    code, out, _ = run(tmp_path, REPO + HEAD + case(text), "json")
    (difference,) = json.loads(out)[0]["cases"][0]["differences"]
    assert (code, difference["path"], difference["expected"]) == (1, path, expected)
    assert difference["actual"].startswith(actual)


def test_people_are_told_file_and_line_of_what_differs(tmp_path: Path) -> None:
    cases = case("lines: [{drop: 1}]\nexpect: {dropped: 1}", "good") + case(
        "lines: [{a: 1}]\nexpect:\n  dropped: 2\n  records:\n    - {}", "bad"
    )
    code, out, _ = run(tmp_path, REPO + HEAD + cases)
    assert code == 1
    assert out.splitlines() == [
        "team/access  file.yaml",
        "  ok      good",
        "  FAILED  bad",
        f"          file.yaml:{LINE + 7}: expect.dropped",
        "            expected  2",
        "            got       0",
        "1 passed, 1 failed",
    ]  # fmt: skip


def test_dead_letters_are_told_from_records(tmp_path: Path) -> None:
    text = "lines: ['{ }', {size: many}]\nexpect:\n  records: [{value: {seen: 'yes'}}]\n  deadLetter:\n    - "
    good = (
        "{reason: ExecutorRefused, step: 'executors[1].cast', message: size, topic: dead, line: 2, value: {size: many}}"
    )
    assert run(tmp_path, REPO + DEAD + HEAD + case(text + good))[0] == 0
    code, out, _ = run(tmp_path, REPO + DEAD + HEAD + case(text + "{reason: InvalidKey, step: key}"), "json")
    assert code == 1
    assert [one["path"] for one in json.loads(out)[0]["cases"][0]["differences"]] == [
        "expect.deadLetter.0.reason",
        "expect.deadLetter.0.step",
    ]


def test_an_event_of_cloudevents_is_tested_like_any(tmp_path: Path) -> None:
    text = (
        "endpoint: /events\n"
        "headers: {Content-Type: application/json, ce-specversion: '1.0', ce-id: '1', ce-source: /s, ce-type: t}\n"
        "body: {a: 1}\nexpect:\n  records:\n    - value: {a: 1}\n"
        "      headers: {origin: web, ce_specversion: '1.0', ce_id: '1', ce_source: /s, ce_type: t, ce_seen: 'yes', "
        "content-type: application/json}"
    )
    code, out, _ = run(tmp_path, REPO + HEAD + case(text))
    assert code == 0, out


def test_what_is_answered_before_kafka_has_it_is_compared_all_the_same(tmp_path: Path) -> None:
    repo = REPO.replace("      response: Offset\n", "").replace(
        "    topic: access\n", "    topic: access\n    delivery: Async\n"
    )
    text = "lines: [{a: 1}]\nexpect: {answer: {durability: memory}, records: [{value: {a: 1, seen: 'yes'}}]}"
    code, out, err = run(tmp_path, repo + HEAD + case(text))
    assert code == 0, out + err


def test_cases_know_nothing_of_each_other(tmp_path: Path) -> None:
    limits = "  limits:\n    perGateway:\n      requestsPerSecond: 1\n"
    text = "endpoint: /offset\nbody: {a: 1}\nexpect: {answer: {Offset: 0}, records: [{}]}"
    assert run(tmp_path, REPO + limits + HEAD + case(text, "one") + case(text, "two"))[0] == 0


def test_who_sends_is_asked_as_in_a_gateway(tmp_path: Path) -> None:
    sent = "lines: [{a: 1}]\nexpect: {records: [{}]}"
    known = case("headers: {X-API-Key: open-sesame-and-close}\n" + sent, "known")
    unknown = case(sent, "unknown")
    assert run(tmp_path, REPO + GUARDED + HEAD + known)[0] == 0
    code, out, _ = run(tmp_path, REPO + GUARDED + HEAD + unknown)
    assert code == 1
    assert "--no-auth" in out
    assert run(tmp_path, REPO + GUARDED + HEAD + unknown, auth=False)[0] == 0


def test_a_secret_that_the_files_lack_lets_nobody_in(tmp_path: Path) -> None:
    auth = GUARDED.partition("---")[0]
    sent = "lines: [{a: 1}]\nexpect: {status: 401}"
    code, _, err = run(tmp_path, REPO + auth + HEAD + case("headers: {X-API-Key: not-among-the-files}\n" + sent))
    assert code == 0
    assert "Secret team/keys is not among the files" in err


def test_what_stands_in_for_what_the_files_lack_is_said(tmp_path: Path) -> None:
    _, _, err = run(tmp_path, REPO + HEAD + case("lines: [{drop: 1}]\nexpect: {dropped: 1}"))
    assert err.splitlines() == [
        (
            "file.yaml:6: warning: EventRepo team/access: spec.fleetRef: GatewayFleet headgate-system/default is not among the "
            "files: one with all defaults stands in for it"
        ),
        (
            "file.yaml:29: warning: EventRepo team/access: spec.kafka.producerProfile: KafkaProducerProfile headgate-system/main "
            "is not among the files: one with all defaults stands in for it"
        ),
    ]


GOOD_CASE = case("lines: [{drop: 1}]\nexpect: {dropped: 1}")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (REPO + HEAD + case("expect: {satus: 200}"),
         f"file.yaml:{LINE + 2}: error: EventRepoTest team/access: spec.cases.0.expect.satus: is no field of this object"),
        (REPO + HEAD + case("lines: []\nbody: x\nexpect: {}"),
         f"file.yaml:{LINE + 1}: error: EventRepoTest team/access: spec.cases.0: takes one of lines, body and bodyBase64"),
        (REPO + HEAD + case("body: x"),
         f"file.yaml:{LINE + 1}: error: EventRepoTest team/access: spec.cases.0.expect: is required"),
        (REPO + HEAD + case("bodyBase64: '?'\nexpect: {}"),
         f"file.yaml:{LINE + 2}: error: EventRepoTest team/access: spec.cases.0.bodyBase64: is not base64"),
        (REPO + HEAD + GOOD_CASE + GOOD_CASE, "two cases are called 'it': give each a name of its own"),
        (REPO + HEAD.replace("  cases:", "  now: noon\n  cases:") + GOOD_CASE, "spec.now: 'noon' is no time: write it as"),
        (REPO + HEAD.replace("name: access", "name: other") + GOOD_CASE,
         f"file.yaml:{LINE - 2}: error: EventRepoTest team/other: metadata.name: EventRepo team/other is not among the files"),
        (REPO + "    acks: all\n" + HEAD + GOOD_CASE, "spec.kafka.acks: is no field of this object: remove it"),
        (REPO.replace("executors:", "executors:\n    - plugin: {name: missing}") + HEAD + GOOD_CASE, "gateways would refuse the repo"),
        (REPO, "there is no EventRepoTest among the files: add its file with -f"),
    ],
    ids=["unknown field", "two bodies", "nothing expected", "not base64", "doubled name", "no time", "no such repo",
         "mistake in the repo", "missing plugin", "no test"],
)  # fmt: skip
def test_what_cannot_be_run_is_told_by_file_and_line(tmp_path: Path, text: str, wanted: str) -> None:
    code, out, err = run(tmp_path, text)
    assert (code, out) == (2, "")
    assert wanted in err


def test_build_servers_get_junit(tmp_path: Path) -> None:
    cases = case("lines: [{drop: 1}]\nexpect: {dropped: 1}", "good") + case("lines: [{drop: 1}]\nexpect: {}", "bad")
    _, out, _ = run(tmp_path, REPO + HEAD + cases, "junit")
    (suite,) = ElementTree.fromstring(out)
    assert suite.attrib == {"name": "team/access", "tests": "2", "failures": "1"}
    assert [len(one) for one in suite] == [0, 1]
    assert "expect.dropped" in (suite[1][0].text or "")


def test_the_command_finds_tests_below_a_directory(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "repo.yaml").write_text(REPO)
    (tmp_path / "tests" / "access.yaml").write_text(HEAD + GOOD_CASE)
    with contextlib.chdir(tmp_path):
        done = subprocess.run(
            [Path(sys.executable).with_name("headgate"), "test", "-f", "."],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed"), done.stderr


def test_what_the_extra_cli_installs_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(REPO + HEAD + GOOD_CASE)
    script = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['aiokafka', 'kopf', 'prometheus_client', 'uvloop', 'zstandard'])\n"
        "import headgate_gateway.tryout.serve\n"
        "from headgate_operator.cli.main import main\n"
        f"sys.exit(main(['test', '-f', {str(file)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
