"""`headgate spool`: what it says of directories as gateways leave them."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.tombstone import NO_VALUE
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.entry import Entry, Origin, entry_of
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space
from headgate_operator.cli.main import main

ACCEPTED = 1_795_000_000_000
FIRST = "0000000000000000.seg"


def entry(serial: int, topic: str = "access", reason: str = "") -> Entry:
    records = Records(
        profile="main",
        topic=topic,
        values=[b'{"n":%d}' % serial, NO_VALUE, b"\xff\x1b[31m"],
        lines=[1, 2, 3],
        keys=[b"k%d" % serial, None, None],
        headers=(("trace", b"abc"),),
    )
    origin = Origin("web/access", "rev1", "stable", "0a" * 8)
    return entry_of(records, origin, ACCEPTED + serial, serial.to_bytes(16, "big"), reason)


def fill(path: Path, entries: Iterable[Entry], done: int = 0) -> None:
    log = Log.open(OsDisk(), str(path), Space(10**9, 0), lambda call: call(), LogSettings(frame_bytes=1))
    for one in entries:
        log.append(one, lambda first, error: None)
    log._writer.stop()
    log.acknowledge(0, done)
    log.checkpoint()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    directory = SpoolDirectory.open(OsDisk(), str(path))
    fill(path / "log", [entry(serial) for serial in range(4)], done=4)
    fill(path / "parked", [entry(9, "errors", "RecordTooLarge: 1048588 bytes")])
    fill(path / "side" / "5ide", [entry(7, "blocked")])
    directory.close()
    return path


def run(*arguments: object) -> int:
    return main(["spool", *map(str, arguments)])


def test_ls_says_what_waits_where_and_why(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", spool) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("14 records wait")
    assert lines[0].endswith("no process uses the directory")
    cells = [line.split() for line in lines]
    assert ["main", FIRST, "800", "B", "0-11", "8"] in cells
    waiting = [row for row in cells if row[1:3] in (["access", "main"], ["errors", "main"], ["blocked", "main"])]
    assert [(row[0], row[3], row[4]) for row in waiting] == [
        ("side/5ide", "1", "3"),
        ("main", "3", "8"),
        ("parked", "1", "3"),
    ]
    assert waiting[2][6:] == ["RecordTooLarge:", "1048588", "bytes"]


def test_ls_as_json_has_the_same(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", spool, "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["inUse"] is False
    assert {log["log"]: log["records"] for log in told["logs"]} == {"side/5ide": 3, "main": 8, "parked": 3}
    assert told["logs"][2]["waiting"][0]["reason"] == "RecordTooLarge: 1048588 bytes"


def test_it_looks_while_a_gateway_uses_the_directory(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in spool.rglob("*") if path.is_file()}
    directory = SpoolDirectory.open(OsDisk(), str(spool))
    assert run("ls", spool) == 0
    assert "a process uses the directory" in capsys.readouterr().out
    assert run("verify", spool) == 0
    assert run("show", spool) == 0
    assert run("replay", spool, "--kafka", "127.0.0.1:1") == 2
    assert "another process uses this directory" in capsys.readouterr().err
    directory.close()
    assert {path: path.read_bytes() for path in spool.rglob("*") if path.is_file()} == before


def test_show_prints_entries_in_order_and_their_records(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", spool, "--log", "main", "--records", "--limit", "2") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out, "values do not steer the terminal"
    lines = out.splitlines()
    assert lines[0].startswith("main  3-5  2026-11-18T")
    assert "records=3  waiting=2" in lines[0]
    assert lines[1].split() == ["4", "2026-11-18T11:06:40.001Z", "trace=abc"]
    assert lines[2].strip() == "no value"
    assert "key=k2" in lines[6]
    assert lines[7].strip() == '{"n":2}'


def test_show_as_json_keeps_bytes_that_are_no_text(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", spool, "--topic", "errors", "--records", "-o", "json") == 0
    (told,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (told["log"], told["first"], told["waiting"]) == ("parked", 0, 3)
    assert told["reason"] == "RecordTooLarge: 1048588 bytes"
    assert told["records"][0]["key"] == "k9"
    assert told["records"][1]["value"] is None
    assert told["records"][2]["valueBase64"] == "/xtbMzFt"


def test_show_all_has_what_is_delivered_too(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", spool, "--log", "main", "--all") == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_verify_names_damage_and_changes_nothing(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", spool) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is damaged"
    segment = spool / "log" / FIRST
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    names = sorted(path.name for path in (spool / "log").iterdir())
    assert run("verify", spool) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum("damaged at byte" in line for line in lines) == 1
    assert lines[-1] == "damaged"
    assert sorted(path.name for path in (spool / "log").iterdir()) == names


def test_verify_sees_a_newest_segment_that_was_cut(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segment = spool / "log" / FIRST
    segment.write_bytes(segment.read_bytes()[:-5])
    assert run("verify", spool) == 1
    assert "3 records" in capsys.readouterr().out


def test_verify_sees_a_damaged_checkpoint(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (spool / "log" / "checkpoint").write_bytes(b"rubbish")
    assert run("verify", spool) == 1
    assert "main: the checkpoint is damaged" in capsys.readouterr().out


def test_a_directory_that_is_no_spool_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("ls", "show", "verify", "replay"):
        assert run(verb, tmp_path) == 2
        assert "is no spool's directory" in capsys.readouterr().err
    assert run("ls", tmp_path / "missing") == 2
    assert list(tmp_path.iterdir()) == []


def test_replay_of_a_directory_that_gateways_share_has_to_be_asked_for(
    spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SpoolDirectory.open(OsDisk(), str(spool), "a").close()
    assert run("replay", spool, "--kafka", "127.0.0.1:1") == 2
    assert "name --take-over" in capsys.readouterr().err
    assert run("replay", spool, "--take-over") == 1
    assert "main: 0 records delivered, 8 left" in capsys.readouterr().out


def test_replay_without_the_profile_or_a_kafka_leaves_all_and_says_why(
    spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("replay", spool) == 1
    out = capsys.readouterr().out
    assert "main: 0 records delivered, 8 left" in out
    assert "the directory does not hold profile main: name a Kafka with --kafka" in out
    assert "parked" not in out
    assert run("ls", spool) == 0
    assert capsys.readouterr().out.startswith("14 records wait")


@pytest.mark.parametrize("arguments", [["show", "--log", "nonsense"], ["replay", "--kafka", "nowhere"], ["mend"], []])
def test_wrong_usage_is_refused(arguments: list[str], spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments[:1], *([spool] if arguments else []), *arguments[1:])
    assert ended.value.code not in (0, None)
