"""What authentication, rate limits and metrics cost: this gateway with all of them beside itself without.

    python -m tests.bench.features --quick

With: an API key a request (one of eight), a rate limit that is never reached, and a scrape of /metrics each second.
"""

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench import events, session
from tests.bench.closed_loop import compare_bodies
from tests.bench.contenders import GATEWAY_PATH, VARIANTS, Contender, Place, Server, gateway

from headgate_gateway.config.auth import API_KEYS_PART, repo_secret_file

KEYS = tuple(f"bench-key-{number}-{number:032x}" for number in range(8))
SECRET = "bench-keys"
SCRAPE_SECONDS = 1.0
LEAST = "at least 0.90 ×"


def guarded() -> Contender:
    """The gateway with everything on."""
    bare = gateway(
        "headgate, all on",
        constraint=events.TWO_FIELDS,
        auth={"apiKeys": {"secretRef": {"name": SECRET}}},
        limits={"perGateway": {"requestsPerSecond": 1_000_000, "bytesPerSecond": "4Gi"}},
    )

    def command(place: Place) -> list[str | Path]:
        words = list(bare.command(place))
        keys = [{"name": f"k{n}", "sha256": hashlib.sha256(key.encode()).hexdigest()} for n, key in enumerate(KEYS)]
        (place.directory / repo_secret_file("default", SECRET, API_KEYS_PART)).write_text(json.dumps({"keys": keys}))
        return words

    def requests(count: int) -> tuple[bytes, ...]:
        return tuple(
            events.post(GATEWAY_PATH, events.jsonl(count, seed), X_API_Key=KEYS[seed % len(KEYS)])
            for seed in range(VARIANTS)
        )

    return replace(bare, command=command, requests=requests, beside=scraped)


@contextmanager
def scraped(server: Server) -> Iterator[None]:
    """Somebody scrapes its metrics meanwhile."""
    stop = threading.Event()
    thread = threading.Thread(target=_scrape, args=(f"http://127.0.0.1:{server.admin_port}/metrics", stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _scrape(address: str, stop: threading.Event) -> None:
    while not stop.wait(SCRAPE_SECONDS):
        with urllib.request.urlopen(address, timeout=30) as answer:
            answer.read()


def main() -> None:
    options = session.parser(__doc__).parse_args()
    contenders = [guarded(), gateway("headgate, all off", constraint=events.TWO_FIELDS)]
    with session.opened(options) as bench:
        print(compare_bodies(bench, contenders, LEAST))


if __name__ == "__main__":
    main()
