"""The gateway with a sampling profiler in it: python -m tests.bench.sampled_gateway FILE [the gateway's arguments].

The kernel's profiling timer interrupts every millisecond of CPU time; what the interpreter was doing is counted. Time in
C code counts for the Python function that called it. Written to FILE as JSON when the gateway ends.
"""

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from tests.bench.launching import launch

INTERVAL_SECONDS = 0.001
PACKAGES = Path(__file__).resolve().parents[2] / "gateway"


class Sampler:
    """Counts where the main thread is."""

    def __init__(self) -> None:
        self.leaves: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()

    def start(self) -> None:
        """From now on."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def stop(self) -> None:
        """No more."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.leaves[place_of(frame)] += 1
        seen: set[str] = set()
        each: FrameType | None = frame
        while each is not None:
            seen.add(place_of(each))
            each = each.f_back
        self.steps.update(seen)


def place_of(frame: FrameType) -> str:
    """`http/connection.py data_received`, as short as it is still clear."""
    code = frame.f_code
    path = Path(code.co_filename)
    parts = path.parts
    name = "headgate_gateway"
    short = "/".join(parts[parts.index(name) + 1 :]) if name in parts else "/".join(parts[-2:])
    return f"{short} {code.co_qualname}"


def main() -> None:
    target, *arguments = sys.argv[1:]
    sampler = Sampler()
    sampler.start()
    try:
        launch(arguments)
    finally:
        sampler.stop()
        Path(target).write_text(json.dumps({"leaves": sampler.leaves, "steps": sampler.steps}))


if __name__ == "__main__":
    main()
