"""An engine of our own: Debian's docker.io with its own socket, data and pid file below the cache.

Owns installing, starting and stopping it. Never stops a process that it did not record, and never touches
another engine. Called by `engine.find` and by `clean`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from tests.testbed.commands import tail_of
from tests.testbed.debian import install, is_debian_root, unmount_below
from tests.testbed.errors import TestbedError
from tests.testbed.progress import Progress
from tests.testbed.settings import Settings
from tests.testbed.state import State

from . import capabilities, firewall
from .docker import Docker, client

START_SECONDS = 60
# linux/un.h allows 108 bytes with the final zero; containerd puts sockets below the exec root too.
LONGEST_SOCKET_PATH = 107

_started: list[subprocess.Popen[bytes]] = []
"""Engines that this process has started. They outlive it: an object that goes while its process runs is a warning."""


def socket_url(settings: Settings) -> str:
    """DOCKER_HOST of our engine."""
    return f"unix://{_socket(settings)}"


def start(settings: Settings, state: State, progress: Progress) -> Docker:
    """Install Debian's engine where it is missing and run it, detached from this process."""
    if not is_debian_root():
        raise TestbedError(
            "no Docker engine answers: install and start Docker (on Debian as root that is done for you), or set DOCKER_HOST"
        )
    with progress.step("installing Debian's Docker engine", 20):
        installed = install("docker.io", "iptables", "debootstrap")
        state.put("packages", sorted({*state.get("packages", []), *installed}))
    binary = client() or Path("/usr/bin/docker")
    docker = Docker(binary, socket_url(settings), ours=True)
    with progress.step("starting a Docker engine of our own", 4):
        _launch(settings, state)
        _wait_until_answering(settings, docker)
    return docker


def stop(settings: Settings, state: State) -> None:
    """End our engine, by its recorded id, and undo what it did to the machine's network."""
    pid = state.get("engine", {}).get("pid")
    if pid and is_ours(pid, settings):
        os.kill(pid, signal.SIGTERM)
        if not _gone_within(pid, 60):
            os.kill(pid, signal.SIGKILL)
            _gone_within(pid, 10)
    before = state.get("engine", {}).get("network_before")
    if before:
        firewall.restore(before)
    unmount_below(settings.engine)
    unmount_below(_exec_root(settings))
    shutil.rmtree(_exec_root(settings), ignore_errors=True)
    state.put("engine", None)


def is_ours(pid: int, settings: Settings) -> bool:
    """Is this process the engine that we started (and not another that got its number)?"""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[0].endswith(b"dockerd") and str(_data_root(settings)).encode() in words


def _launch(settings: Settings, state: State) -> None:
    config = settings.engine / "daemon.json"
    config.write_text(json.dumps(_daemon_config(settings), indent=1))
    pid_file = settings.engine / "docker.pid"
    pid_file.unlink(missing_ok=True)
    argv = [
        "/usr/sbin/dockerd",
        "--config-file",
        str(config),
        "--host",
        socket_url(settings),
        "--data-root",
        str(_data_root(settings)),
        "--exec-root",
        str(_exec_root(settings)),
        "--pidfile",
        str(pid_file),
        "--label",
        "headgate.dev/testbed=1",
    ]
    before = state.get("engine", {}).get("network_before") or firewall.remember()
    with (settings.logs / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    _started.append(process)
    state.put("engine", {"pid": process.pid, "network_before": before, "socket": str(_socket(settings))})


def _daemon_config(settings: Settings) -> dict[str, object]:
    config: dict[str, object] = {"oom-score-adjust": 0, "log-level": "warn"}
    if not capabilities.has_sys_resource(capabilities.read_bounding_set()):
        config["runtimes"] = {"headgate-runc": {"path": str(_write_runtime(settings))}}
        config["default-runtime"] = "headgate-runc"
    return config


def _write_runtime(settings: Settings) -> Path:
    """The runtime wrapper, run by the base interpreter: a virtual environment may go away before the engine does."""
    script = settings.engine / "oci_runtime.py"
    shutil.copyfile(Path(__file__).with_name("oci_runtime.py"), script)
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    runc = shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin:/bin") or "/usr/sbin/runc"
    wrapper = settings.engine / "headgate-runc"
    words = " ".join(shlex.quote(str(word)) for word in (python, "-I", "-S", script, runc))
    wrapper.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return wrapper


def _wait_until_answering(settings: Settings, docker: Docker) -> None:
    log = settings.logs / "dockerd.log"
    pid_file = settings.engine / "docker.pid"
    deadline = time.monotonic() + START_SECONDS
    while not docker.answers(timeout=5):
        if time.monotonic() > deadline:
            raise TestbedError(f"our Docker engine does not answer; its log {log} ends with:\n{tail_of(log)[-1500:]}")
        time.sleep(0.2)
    if not pid_file.exists():
        raise TestbedError(f"our Docker engine wrote no pid file; see {log}")


def _gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists() or _is_zombie(pid):
            return True
        time.sleep(0.1)
    return False


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # it is a child only where this very process started it
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _socket(settings: Settings) -> Path:
    wanted = settings.engine / "docker.sock"
    return wanted if len(str(wanted)) <= LONGEST_SOCKET_PATH else _exec_root(settings) / "docker.sock"


def _data_root(settings: Settings) -> Path:
    return settings.engine / "data"


def _exec_root(settings: Settings) -> Path:
    return Path("/run") / f"headgate-testbed-{settings.cache_id}"
