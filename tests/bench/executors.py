"""Five executors in a row: what they cost, and where the gateway's time goes then.

    python -m tests.bench.executors --quick

splitter and assigner cut the client's address into four fields, set adds one, rename moves one, mask redacts one; a
constraint on two fields comes before. Each event is decoded and written again as a whole.
"""

import json
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import events, runs, session
from tests.bench.closed_loop import CONNECTIONS, compare_bodies
from tests.bench.contenders import Contender, Place, gateway, serving
from tests.bench.loading import Load
from tests.bench.tables import table

FIVE: list[dict[str, Any]] = [
    {"splitter": {"field": "remote_addr", "separator": ".", "into": "net"}},
    {"assigner": {"field": "net", "names": ["a", "b", "c", "d"], "into": "octets"}},
    {"set": {"fields": [{"field": "site", "value": "fra1"}]}},
    {"rename": {"fields": [{"from": "ua", "to": "user_agent"}]}},
    {"mask": {"fields": ["id"], "redact": {}}},
]
TOP = 15


def sampled(target: Path) -> Contender:
    """The gateway with executors and a profiler, which writes to `target` when it ends."""
    bare = gateway(
        constraint=events.TWO_FIELDS,
        executors=FIVE,
        module="tests.bench.sampled_gateway",
        python=[sys.executable],  # compiled functions have no frames that could be sampled
    )

    def command(place: Place) -> list[str | Path]:
        python, flag, module, *arguments = bare.command(place)
        return [python, flag, module, target, *arguments]

    return replace(bare, command=command)


def profile(bench: session.Session) -> str:
    """The functions in which most time goes by, under bodies of 100 lines."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "profile.json"
        with serving(bench.kafka, [sampled(target)]) as servers:
            load = Load(servers[0].contender.requests(100), 100, CONNECTIONS[100], bench.effort.seconds)
            runs.run(servers[0], load, bench.offsets, bench.effort.warm_up_seconds)
        return profile_table(json.loads(target.read_text()))


def profile_table(samples: dict[str, dict[str, int]]) -> str:
    """The top of the profile: a function's own time, C code that it calls included, and with what it calls."""
    leaves, steps = Counter(samples["leaves"]), samples["steps"]
    total = max(leaves.total(), 1)
    rows = [
        [f"`{place}`", f"{own / total:.1%}", f"{steps.get(place, own) / total:.1%}"]
        for place, own in leaves.most_common(TOP)
    ]
    return table(["function", "itself", "with what it calls"], rows)


def main() -> None:
    options = session.parser(__doc__).parse_args()
    contenders = [
        gateway("five executors", constraint=events.TWO_FIELDS, executors=FIVE),
        gateway("none", constraint=events.TWO_FIELDS),
    ]
    with session.opened(options) as bench:
        print(compare_bodies(bench, contenders))
        print(
            f"Where the time goes with five executors and bodies of 100 lines (samples of CPU time in one run; interpreted, since "
            f"compiled functions cannot be sampled):\n\n{profile(bench)}"
        )


if __name__ == "__main__":
    main()
