"""Every contender is sent lines of the length that the page names."""

from tests.bench.events import LINE_BYTES, jsonl


def test_every_line_has_the_same_length() -> None:
    lines = [line for seed in range(16) for line in jsonl(1_000, seed).splitlines()]
    assert {len(line) for line in lines} == {LINE_BYTES}
    assert len(set(lines)) > len(lines) // 2
