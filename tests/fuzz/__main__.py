"""Fuzzes with atheris, which follows the coverage of our own code: `make fuzz`, by default a minute for each target.

usage: python -m tests.fuzz [--seconds N] [TARGET ...]
What it learns stays in .fuzz/ for the next run; bytes that break something are there too, as crash-*. They belong into
`seeds.py`, whose examples every `make check` runs.
"""

import argparse
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tests.fuzz.seeds import SEEDS

ROOT = Path(__file__).parents[2]
LEARNT = ROOT / ".fuzz"
HANG_SECONDS = 5
MOST_MEMORY_MB = 2_048
MOST_BYTES = 4_096


def main() -> int:
    """Run each target in a process of its own; how many of them broke."""
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(SEEDS)}; all without it")
    options = parser.parse_args()
    unknown = set(options.targets) - set(SEEDS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    broken = [target for target in options.targets or SEEDS if not _run(target, options.seconds)]
    for target in broken:
        print(f"{target} broke: see {LEARNT.name}/{target}/crash-*")
    return len(broken)


def _run(target: str, seconds: int) -> bool:
    learnt = LEARNT / target
    corpus, seeds = learnt / "corpus", learnt / "seeds"
    for folder in (corpus, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[target]:
        (seeds / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    print(f"--- {target}, {seconds} s", flush=True)
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", target, str(corpus), str(seeds)),
        *(f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MOST_MEMORY_MB}"),
        *(f"-max_len={MOST_BYTES}", f"-artifact_prefix={learnt}/", "-print_final_stats=1", "-verbosity=0"),
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
