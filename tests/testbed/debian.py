"""Debian as the machine and as a source of images: packages, mirrors, root file systems.

Owns apt and debootstrap. The mirror always comes from this machine's own apt configuration, at run time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands import run, succeeds
from .errors import TestbedError

POLICY = Path("/usr/sbin/policy-rc.d")


def is_debian_root() -> bool:
    """May we install packages here?"""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def install(*packages: str) -> list[str]:
    """Install what is missing, without letting any package start a service; returns what that was."""
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return []
    if not is_debian_root():
        raise TestbedError(f"missing packages {' '.join(missing)}: install them, or run as root on Debian")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        if not succeeds(["apt-get", "install", "-y", "--no-install-recommends", *missing], env=quiet):
            run(["apt-get", "update"], env=quiet)
            run(["apt-get", "install", "-y", "--no-install-recommends", *missing], env=quiet)
    return missing


def mirror() -> str:
    """The base address of this machine's Debian archive."""
    targets = run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(CREATED_BY)|$(REPO_URI)|$(CODENAME)"])
    return choose_mirror(line.split("|") for line in targets.splitlines())


def choose_mirror(targets: Iterable[list[str]]) -> str:
    """The first archive of plain Debian; `targets` are origin, creator, address, code name."""
    for origin, creator, address, codename in targets:
        if origin == "Debian" and creator == "Packages" and "-" not in codename:
            return address.rstrip("/")
    raise TestbedError("apt knows no Debian archive here: images can only be pulled (HEADGATE_TESTBED_IMAGES=pull)")


def bootstrap(suite: str, target: Path, log: Path, include: Iterable[str] = ()) -> None:
    """A minimal root file system of `suite` in `target`."""
    extra = [f"--include={','.join(include)}"] if include else []
    run(["debootstrap", "--variant=minbase", *extra, suite, target, mirror()], log=log)
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        _empty(target / folder)


def unmount_below(path: Path) -> None:
    """Unmount what an interrupted run left below `path`, deepest first, so that removing it stays inside."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    for point in sorted((p for p in points if p.startswith(f"{path}/")), key=len, reverse=True):
        run(["umount", "--lazy", point])


def remove_tree(path: Path) -> None:
    """Remove a directory, nothing mounted in it, read-only module caches included."""
    if path.exists():
        unmount_below(path)
        run(["rm", "-rf", "--one-file-system", path])


@contextmanager
def _no_services() -> Iterator[None]:
    """Packages ask policy-rc.d before they start a service; 101 means no."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _installed(package: str) -> bool:
    try:
        status = run(["dpkg-query", "-W", "-f", "${Status}", package])
    except TestbedError:
        return False
    return status == "install ok installed"


def _empty(folder: Path) -> None:
    for entry in folder.iterdir() if folder.is_dir() else ():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
