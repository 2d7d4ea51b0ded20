"""What an engine changes on the machine's network, remembered before and put back after.

Owns bridges, iptables chains and two kernel settings that dockerd makes; removes only what was not there before.
"""

from __future__ import annotations

from pathlib import Path

from tests.testbed.commands import run
from tests.testbed.errors import CommandError

TABLES = ("filter", "nat", "raw", "mangle")
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


def remember() -> dict[str, object]:
    """The state before our engine starts: rules by table, links, forwarding."""
    return {
        "rules": {table: _rules(table) for table in TABLES},
        "links": _links(),
        "ip_forward": IP_FORWARD.read_text().strip(),
    }


def restore(before: dict[str, object]) -> None:
    """Remove the rules, chains and bridges that came since; leave everything else alone."""
    rules = before["rules"]
    assert isinstance(rules, dict)
    for table, old in rules.items():
        for words in undo(set(old), _rules(table)):
            _try("iptables", "-t", table, *words)
    links = before["links"]
    for link in _links():
        if isinstance(links, list) and link not in links and (link == "docker0" or link.startswith("br-")):
            _try("ip", "link", "delete", link)
    IP_FORWARD.write_text(str(before["ip_forward"]))


def undo(old: set[str], now: list[str]) -> list[list[str]]:
    """iptables arguments that lead from the rules `now` back to `old`; both as `iptables -S` prints them."""
    added = [line for line in now if line not in old]
    rules = [["-D", *line.split()[1:]] for line in added if line.startswith("-A ")]
    chains = [line.split()[1] for line in added if line.startswith("-N ")]
    policies = [line.split() for line in old if line.startswith("-P ") and line not in now]
    return [*policies, *rules, *(["-F", chain] for chain in chains), *(["-X", chain] for chain in chains)]


def _rules(table: str) -> list[str]:
    try:
        return run(["iptables", "-t", table, "-S"]).splitlines()
    except CommandError:
        return []


def _links() -> list[str]:
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


def _try(*argv: str) -> None:
    try:
        run(argv)
    except CommandError:  # gone already, or still in use by something that is not ours
        return
