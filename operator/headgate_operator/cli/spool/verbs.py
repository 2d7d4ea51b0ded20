"""The verbs of `headgate spool`: read a directory, say what is in it; `replay` runs the gateway's own sender."""

import argparse
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.errors import SpoolFencedError, SpoolLockedError, SpoolVersionError
from headgate_gateway.spool.inspection import LogView, is_in_use, is_spool, log_places
from headgate_operator.cli.spool.text import entry_text, entry_values, list_text, list_values

UNREADABLE = 2


def run_verb(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run one; the exit code."""
    logging.getLogger("headgate_gateway").setLevel(logging.CRITICAL)  # what is wrong is said in words for people
    directory = str(options.directory.absolute())
    try:
        if not is_spool(OsDisk(), directory):
            err.write(f"error: {directory} is no spool's directory: it has no lock and no log\n")
            return UNREADABLE
        match options.verb:
            case "ls":
                return _list(directory, options.output, out)
            case "show":
                return _show(directory, options, out)
            case "verify":
                return _verify(directory, out)
            case _:
                return _replay(directory, options, out, err)
    except (OSError, SpoolLockedError, SpoolVersionError, SpoolFencedError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        err.write(f"error: {error}\n")
        return UNREADABLE


def _views(directory: str, logs: list[str], *, everything: bool = False) -> Iterator[LogView]:
    disk = OsDisk()
    for place in log_places(disk, directory):
        if not logs or place.name in logs:
            yield LogView.open(disk, place, everything=everything)


def _list(directory: str, output: str, out: TextIO) -> int:
    views, in_use = list(_views(directory, [])), _is_in_use(directory)
    if output == "json":
        told = {"inUse": in_use, "logs": [list_values(view) for view in views]}
        out.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        out.write("".join(f"{line}\n" for line in list_text(views, in_use=in_use, now_ms=time.time_ns() // 1_000_000)))
    return 0


def _is_in_use(directory: str) -> bool | None:
    try:
        return is_in_use(OsDisk(), directory)
    except OSError:
        return None  # the directory may be looked at, and not written


def _show(directory: str, options: argparse.Namespace, out: TextIO) -> int:
    shown = 0
    for view in _views(directory, options.logs, everything=options.all):
        for stored, missing in view.entries():
            if options.topics and stored.entry.topic not in options.topics:
                continue
            if options.limit is not None and shown >= options.limit:
                return 0
            shown += 1
            if options.output == "json":
                values = entry_values(view.name, stored, missing, records=options.records)
                out.write(json.dumps(values, ensure_ascii=False) + "\n")
            else:
                out.writelines(f"{line}\n" for line in entry_text(view.name, stored, missing, records=options.records))
    return 0


def _verify(directory: str, out: TextIO) -> int:
    damaged = False
    for view in _views(directory, [], everything=True):
        for _ in view.entries():
            pass  # what decodes as a head may not decode as a whole: reading notes it
        damaged = damaged or bool(view.damage) or view.checkpoint_damaged
        for place in view.damage:
            lost = f", {place.records} records" if place.records else ""
            out.write(f"{view.name}: {place.segment}: damaged at byte {place.offset}: {place.nbytes} bytes{lost}\n")
        if view.checkpoint_damaged:
            out.write(f"{view.name}: the checkpoint is damaged: what was delivered would be sent again\n")
        out.writelines(
            f"{view.name}: {name}: {size} damaged bytes, set aside before\n" for name, size in view.aside.items()
        )
        out.write(f"{view.name}: {len(view.segments)} segments, {view.nbytes} bytes read\n")
    out.write("damaged\n" if damaged else "nothing is damaged\n")
    return 1 if damaged else 0


def _replay(directory: str, options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    from headgate_operator.cli.spool.replay import run_replay  # noqa: PLC0415 - it takes a Kafka client

    credentials = _files(options.credentials) if options.credentials is not None else {}
    return run_replay(directory, options, credentials, out, err)


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
