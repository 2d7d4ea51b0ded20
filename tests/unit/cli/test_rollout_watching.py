"""`headgate rollout watch` against an API server: lines, pictures, and readers that leave."""

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest
from tests.unit.cli.api_server import StandInApiServer
from tests.unit.cli.rollout_runs import PROMOTED_STATUS, Heard, at
from tests.unit.cli.views import CANDIDATE, manifest, rollout

from headgate_operator.cli.rollout_cluster import Target, close
from headgate_operator.cli.rollout_run import Terminal, Watcher, run_watch
from headgate_operator.ports import ObjectRef

pytestmark = pytest.mark.thorough


async def test_watch_prints_a_line_for_each_change_where_there_is_no_terminal(
    api: StandInApiServer, kubeconfig: Path
) -> None:
    course = {3: rollout(step="2/2", weight=50), 5: rollout("Promoting"), 7: PROMOTED_STATUS}

    def go_on(reads: int) -> None:
        if reads in course:
            api.put_repo(manifest(course[reads]))

    api.on_read, heard, target = go_on, Heard(), await at(kubeconfig)
    assert await run_watch(target, heard.terminal, seconds=20) == 0
    await close(target)
    lines = heard.out.getvalue().splitlines()
    assert [line.partition("Z ")[2] for line in lines[:-1]] == [
        f"Progressing {CANDIDATE}, step 1/2, 10% asked",
        "step 2/2",
        "weight 10% -> 50%",
        "Progressing -> Promoting",
        f"stable is now {CANDIDATE}",
        "Promoting -> Stable",
    ]
    assert lines[-1].startswith(f"revision {CANDIDATE} of web/access (generation 2) is promoted")


async def test_watch_draws_over_its_last_picture_on_a_terminal(api: StandInApiServer, kubeconfig: Path) -> None:
    api.on_read = lambda reads: api.put_repo(manifest(PROMOTED_STATUS)) if reads == 2 else None
    heard, target = Heard(live=True), await at(kubeconfig)
    assert await run_watch(target, heard.terminal, seconds=20) == 0
    await close(target)
    written = heard.out.getvalue()
    assert written.startswith("\x1b[?25l\rEventRepo web/access")
    first, _, second = written.partition("A\rEventRepo")
    lines = first.partition("\x1b[J")[0].count("\n")
    assert first.endswith(f"\x1b[{lines}")
    assert "Progressing -> Stable" in second
    assert written.count("\x1b[?25h") == 1


def test_ctrl_c_leaves_cleanly(api: StandInApiServer, kubeconfig: Path) -> None:
    command = [sys.executable, "-m", "headgate_operator.cli.main", "rollout", "watch", "access"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not api.reads:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert CANDIDATE in out


async def test_a_cancellation_that_a_library_loses_is_heeded_all_the_same() -> None:
    begun = asyncio.Event()

    class Losing:
        async def get(self, _: ObjectRef) -> dict[str, Any]:
            begun.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3_600)
            return manifest(rollout())

    terminal = Terminal(io.StringIO(), io.StringIO(), colour=False, live=False, poll=0.0)
    target = Target(cast("Any", Losing()), "team", "access")
    watching = asyncio.create_task(Watcher(target, terminal, False, None, lambda _: None).follow(lambda _: None))
    await begun.wait()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(watching, 10)


@pytest.mark.parametrize(
    ("arguments", "phase", "code"),
    [
        (["status", "access", "--wait"], "RolledBack", 1),
        (["status", "access", "--wait", "-o", "json"], "Paused", 4),
        (["status", "access"], "Progressing", 0),
        (["approve", "access"], "Progressing", 1),
        (["watch", "access"], "Progressing", 141),
        (["watch", "access", "--timeout", "1s"], "RolledBack", 141),
    ],
    ids=["text", "json", "not waiting", "a refusal", "watch", "watch to its first line"],
)
def test_a_reader_that_leaves_does_not_make_a_rollout_good(
    api: StandInApiServer, arguments: list[str], phase: str, code: int
) -> None:
    api.put_repo(manifest(rollout(phase)))
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "headgate_operator.cli.main", "rollout", *arguments]
    try:
        assert subprocess.run(command, stdout=writing, stderr=writing, check=False, timeout=60).returncode == code
    finally:
        os.close(writing)
