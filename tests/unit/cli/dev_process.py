"""`headgate dev` as a process, for tests of it."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

HEADGATE = Path(sys.executable).with_name("headgate")
REPO = """\
apiVersion: headgate.dev/v1alpha1
kind: EventRepo
metadata: {name: access, namespace: team}
spec:
  kafka:
    producerProfile: main
    topic: access
    key: {field: user}
"""


class Running:
    """The process, and what it says."""

    def __init__(self, process: "subprocess.Popen[str]", out: IO[str], err: IO[str]) -> None:
        self.process, self._out, self._err = process, out, err
        self.url = ""

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """Read on until a line tells of it. The test's own timeout bounds it."""
        for line in self._err:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended and never said {pattern!r}")

    def record(self) -> dict[str, object]:
        """The next record printed."""
        found: dict[str, object] = json.loads(self._out.readline())
        return found

    def post(self, body: str) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.url}/log/repo/access", body.encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def dev(file: Path, *options: str) -> Iterator[Running]:
    command = [str(HEADGATE), "dev", "-f", str(file), "--port", "0", "-o", "json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        running = Running(process, process.stdout, process.stderr)
        try:
            running.url = running.wait_for(r"listening on (http://127\.0\.0\.1:[0-9]+);")[1]
            yield running
        finally:
            process.kill()
