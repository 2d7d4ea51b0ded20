"""What is fuzzed holds for what Hypothesis makes up, and for every seed: a few seconds of `make fuzz`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS, Target

BOUNDED = settings(max_examples=80, deadline=None)

PIECES = {
    "lines": b'{ } [ ] "a" "k" "ts" : , 1 1e999 true null \\ " \\ud800 x \xff \n \r\n \n'.split(b" "),
    "json": b'{ } [ ] {} [{}, {"a":1}, "a" : , 1 \\ " ," ]" \xff \n'.split(b" "),
    "cloudevents": [
        *(b"ce-id: 1\n", b"ce-source: /s\n", b"ce-type: t\n", b"ce-specversion: 1.0\n", b"ce-x: ", b"%C3", b"%A4"),
        *(b"content-type: ", b"application/json\n", b"application/cloudevents+json\n", b"text/plain\n", b"\n", b'"'),
        *(b"application/cloudevents-batch+json\n", b"[", b"]", b"{", b"}", b",", b'"id":"1"', b'"source":"/s"'),
        *(b'"type":"t"', b'"specversion":"1.0"', b'"data":', b'"data_base64":', b'"YQ=="', b"null", b"1.5", b"\xff"),
    ],
    "decoders": b'a = " \\" , ; [ ] - 200 10/Oct/2000:13:55:36 +0000 "GET / HTTP/1.1" 1.2.3.4 { } : \t \n \xff'.split(
        b" "
    ),
    "parser": [
        *(b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"Host: gw\r\n", b"Content-Length: ", b"2\r\n", b"3\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"\r\n", b"{}"),
        *(b"0\r\n", b"a;b=c\r\n", b"A: b\r\n", b" ", b"\n", b"\r", b"\0", b"0123456789"),
    ],
    "requests": [
        *(b"POST /lines HTTP/1.1\r\n", b"POST /log/repo/logs HTTP/1.1\r\n", b"POST /json HTTP/1.1\r\n"),
        *(b"POST /async HTTP/1.0\r\n", b"POST /guarded HTTP/1.1\r\n", b"OPTIONS /ce HTTP/1.1\r\n", b"Host: gw\r\n"),
        *(b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"X-API-Key: k-1\r\n", b"\r\n", b"\r\n"),
        *(b"Expect: 100-continue\r\n", b"Content-Encoding: gzip\r\n", b"9\r\n", b"0\r\n\r\n", b'{"a":2}\n\n', b"{}"),
    ],
    "codings": [
        b"\0",
        b"\1",
        b"\x1f\x8b\x08",
        b"\xff\x06\x00\x00sNaPpY",
        b"\xfe\1\0\0\0",
        b"(\xb5/\xfd",
        b'\x04"M\x18',
    ],
}
MADE_UP = {
    target: st.lists(st.sampled_from(pieces) | st.binary(max_size=3), max_size=24).map(b"".join)
    for target, pieces in PIECES.items()
}


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_holds(target: str) -> None:
    assert set(SEEDS) == set(TARGETS) == set(PIECES)
    for seed in (*SEEDS[target], b""):
        TARGETS[target](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_made_up_holds(name: str) -> None:
    target: Target = TARGETS[name]

    @BOUNDED
    @given(MADE_UP[name])
    def holds(data: bytes) -> None:
        target(data)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_seed_holds(name: str) -> None:
    target: Target = TARGETS[name]

    @BOUNDED
    @given(st.sampled_from(SEEDS[name]), st.integers(0, 400), st.integers(0, 400), st.binary(max_size=4))
    def holds(seed: bytes, start: int, end: int, put: bytes) -> None:
        start = start % (len(seed) + 1)
        target(seed[:start] + put + seed[max(start, end % (len(seed) + 1)) :])

    holds()
