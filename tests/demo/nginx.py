"""A real nginx on loopback with a JSON access log, and visitors who want all kinds of things from it.

Owns its process, directory and port; installs nginx on Debian as root where there is none.
"""

import asyncio
import json
import random
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from tests.testbed.debian import install
from tests.testbed.errors import TestbedError

PATHS = {
    "/": 40,
    "/products/42": 25,
    "/moved": 5,
    "/cart?item=7&note=%22quoted%22": 10,
    "/missing": 8,
    "/private": 4,
    "/teapot": 2,
    "/broken": 4,
    "/busy": 2,
}
"""What visitors ask for, and how often."""
AGENTS = ("Mozilla/5.0 (X11; Linux)", "curl/8.14", 'odd "agent" \\ with quotes', "Mañana/1.0 ☂")
VISITORS = 8
CONFIG = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format json escape=json '{{"time":"$time_iso8601","remote_addr":"$remote_addr","method":"$request_method",'
    '"path":"$request_uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time,'
    '"user_agent":"$http_user_agent","id":"$request_id"}}';
  access_log {folder}/access.log json;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000;
  server {{
    listen 127.0.0.1:{port};
    location = /moved {{ return 301 /; }}
    location = /missing {{ return 404; }}
    location = /private {{ return 403; }}
    location = /teapot {{ return 418; }}
    location = /broken {{ return 500; }}
    location = /busy {{ return 503; }}
    location / {{ return 200 "welcome\\n"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    url: str
    log: Path

    def lines(self, skip: int = 0) -> list[bytes]:
        """Lines of its access log, after the first `skip`."""
        return self.log.read_bytes().splitlines()[skip:]

    def visit(self, count: int, seed: int) -> Counter[int]:
        """Make this many requests, from several addresses of loopback; answers how often each status was seen."""
        return asyncio.run(_visit(self.url, count, random.Random(seed)))

    def wait_for_lines(self, count: int) -> None:
        """Until the log holds this many lines."""
        deadline = time.monotonic() + 20
        while len(self.lines()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nginx wrote {len(self.lines())} lines, not {count}")
            time.sleep(0.1)


@contextmanager
def running_nginx() -> Iterator[Nginx]:
    """An nginx for as long as the block runs."""
    program = _program()
    with TemporaryDirectory(prefix="headgate-demo-nginx-") as name:
        folder, port = Path(name), _free_port()
        # Its worker is another user where we are root.
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port))
        process = subprocess.Popen([program, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
        try:
            _wait_until_listening(process, port, folder / "error.log")
            yield Nginx(f"http://127.0.0.1:{port}", folder / "access.log")
        finally:
            process.terminate()
            process.wait(timeout=20)


def _program() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        install("nginx-light")
        found = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if found is None:
        raise TestbedError("nginx is missing: install it")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TestbedError(f"nginx does not start: {log.read_text()[-500:] if log.exists() else 'no log'}")


async def _visit(url: str, count: int, rng: random.Random) -> Counter[int]:
    wanted = [
        (path, rng.choice(AGENTS).encode()) for path in rng.choices(list(PATHS), weights=list(PATHS.values()), k=count)
    ]
    shares = [wanted[visitor::VISITORS] for visitor in range(VISITORS)]
    seen = await asyncio.gather(*(_visitor(url, number, share) for number, share in enumerate(shares)))
    return sum(seen, Counter())


async def _visitor(url: str, number: int, wanted: list[tuple[str, bytes]]) -> Counter[int]:
    """One visitor, with an address of loopback of its own, so that the log has several."""
    seen: Counter[int] = Counter()
    transport = httpx.AsyncHTTPTransport(local_address=f"127.0.0.{10 + number}")
    async with httpx.AsyncClient(base_url=url, transport=transport, trust_env=False) as client:
        for path, agent in wanted:
            seen[(await client.get(path, headers=[(b"User-Agent", agent)])).status_code] += 1
    return seen


def status_of(line: bytes) -> int:
    """The status in a line of the log."""
    status: int = json.loads(line)["status"]
    return status
