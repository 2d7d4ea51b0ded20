"""Running other programs: output captured or sent to a log, failures turned into `CommandError`.

The only place of the package that calls `subprocess.run` or `Popen` for something that ends by itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import CommandError, TestbedError

TAIL_BYTES = 6000


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    log: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run to the end and return stdout ("" when `log` takes the output). `env` adds to the environment."""
    words = [str(word) for word in argv]
    if log is not None:
        return _run_logged(words, merged(env), cwd, stdin, log, timeout)
    try:
        done = subprocess.run(
            words,
            env=merged(env),
            cwd=cwd,
            input=stdin or b"",
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise CommandError(words, 127, f"{words[0]}: no such program") from None
    except subprocess.TimeoutExpired as late:
        raise CommandError(words, 124, f"no end after {late.timeout:.0f} s") from None
    if done.returncode != 0:
        raise CommandError(words, done.returncode, _text(done.stderr or done.stdout))
    return _text(done.stdout)


def succeeds(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, timeout: float | None = None) -> bool:
    """Does the command exit with 0 (within the time)?"""
    try:
        run(argv, env=env, timeout=timeout)
    except CommandError:
        return False
    return True


def require(program: str, remedy: str) -> Path:
    """The path of a program, or an error that says how to get it."""
    found = shutil.which(program)
    if found is None:
        raise TestbedError(f"{program} is missing: {remedy}")
    return Path(found)


def merged(env: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment with `env` over it."""
    return {**os.environ, **(env or {})}


def _run_logged(
    words: list[str],
    env: dict[str, str],
    cwd: Path | None,
    stdin: bytes | None,
    log: Path,
    timeout: float | None,
) -> str:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(f"\n$ {' '.join(words)}\n".encode())
        sink.flush()
        try:
            done = subprocess.run(
                words,
                env=env,
                cwd=cwd,
                input=stdin or b"",
                stdout=sink,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise CommandError(words, 127, f"{words[0]}: no such program", log) from None
        except subprocess.TimeoutExpired as late:
            raise CommandError(words, 124, f"no end after {late.timeout:.0f} s", log) from None
    if done.returncode != 0:
        raise CommandError(words, done.returncode, tail_of(log), log)
    return ""


def tail_of(log: Path) -> str:
    """The last few thousand bytes of a log."""
    with log.open("rb") as source:
        source.seek(max(0, log.stat().st_size - TAIL_BYTES))
        return _text(source.read())


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
