"""`headgate dev` as a process: a request through it, a changed file, a mistake, a Kafka that is not there, its end."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.dev_process import HEADGATE, REPO, dev

pytestmark = pytest.mark.thorough

GUARDED = """\
  auth:
    apiKeys:
      secretRef: {name: keys}
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    file = tmp_path / "repo.yaml"
    file.write_text(REPO)
    return file


def test_a_request_goes_through_and_its_record_is_printed(repo: Path) -> None:
    with dev(repo) as running:
        status, answer = running.post('{"user":"u","n":1}\nno JSON\n')
        assert (status, json.loads(answer)["reason"]) == (400, "InvalidLines")
        status, answer = running.post('{"user":"u","n":1}\n')
        record = running.record()
        assert (status, json.loads(answer)["accepted"]) == (200, 1)
        assert isinstance(record.pop("timestamp"), str)
        assert record == {
            "topic": "access", "producerProfile": "main", "line": 1, "deadLetter": False, "headers": [],
            "key": "u", "value": '{"user":"u","n":1}',
        }  # fmt: skip
        running.wait_for("POST /log/repo/access 200 accepted 1")
        assert running.end() == 0


def test_a_changed_file_is_served_and_a_mistake_changes_nothing(repo: Path) -> None:
    with dev(repo) as running:
        repo.write_text(REPO + "    acks: all\n")
        running.wait_for("spec.kafka.acks: is no field of this object")
        running.wait_for("what was served before these mistakes is served on")
        assert running.post('{"n":1}')[0] == 200
        assert running.record()["topic"] == "access"
        repo.write_text(REPO.replace("topic: access", "topic: changed"))
        running.wait_for("serving team/access")
        assert running.post('{"n":1}')[0] == 200
        assert running.record()["topic"] == "changed"


def test_who_sends_is_asked_unless_told_not_to(repo: Path) -> None:
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: team}\nstringData: {one: open-sesame-and-close}\n"
    repo.write_text(REPO + GUARDED + secret)
    with dev(repo) as running:
        assert running.post('{"n":1}')[0] == 401
    with dev(repo, "--no-auth") as running:
        assert running.post('{"n":1}')[0] == 200


def test_records_for_a_kafka_that_is_away_are_not_said_to_be_there(repo: Path) -> None:
    profile = (
        "---\napiVersion: headgate.dev/v1alpha1\nkind: KafkaProducerProfile\n"
        "metadata: {name: main, namespace: headgate-system}\n"
        "spec: {bootstrapServers: ['elsewhere:9092'], deliveryTimeout: 300ms}\n"
    )
    repo.write_text(REPO + profile)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        with dev(repo, "--kafka", f"127.0.0.1:{taken.getsockname()[1]}") as running:
            assert running.post('{"n":1}')[0] == 503


def run(*options: object) -> tuple[int, str]:
    done = subprocess.run(
        [HEADGATE, "dev", *map(str, options)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr


def test_what_cannot_begin_says_why(repo: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, err = run("-f", repo, "--port", taken.getsockname()[1])
    assert code == 2
    assert "choose another --port" in err
    repo.write_text(REPO + "    acks: all\n")
    code, err = run("-f", repo)
    assert code == 2
    assert f"{repo}:9: error: EventRepo team/access: spec.kafka.acks: is no field of this object: remove it" in err
    assert run("-f", "-")[0] == 2
    assert "is not HOST:PORT" in run("-f", repo, "--kafka", "broker")[1]


@pytest.mark.parametrize(("module", "extras"), [("aiokafka", "cli,gateway"), ("msgspec", "cli")])
def test_a_library_that_is_not_installed_is_named_with_the_remedy(repo: Path, module: str, extras: str) -> None:
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from headgate_operator.cli.main import main\n"
        f"sys.exit(main(['dev', '-f', {str(repo)!r}, '--port', '0'"
        + (", '--kafka', '127.0.0.1:9'" if module == "aiokafka" else "")
        + "]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert module in done.stderr
    assert f"pip install 'headgate[{extras}]'" in done.stderr
