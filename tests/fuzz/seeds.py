"""What fuzzing begins with: a few good and bad examples for each target, and whatever once broke something."""

import gzip
from typing import Final

import zstandard
from lz4.frame import compress as encode_lz4  # type: ignore[attr-defined, unused-ignore]

_POST = b"POST /log/repo/logs HTTP/1.1\r\nHost: gw\r\n"
_EVENT = b'{"specversion":"1.0","type":"t","source":"/s","id":"1","data":{"a":1}}'
_CE = b"ce-id: 1\nce-source: /s\nce-type: t\nce-specversion: 1.0\n"
_BATCH = b"content-type: application/cloudevents-batch+json\n\n"
_NGINX = b'1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.1" 200 23 "-" "curl/8 \\x22q\\x22"'

_ROWS = b'{"a":1}\n{"a":2,"k":"x"}\n\n{"l":[1,2]}\nno\n{"k":[]}\n{"a":"y"}\n{"a":3}'


def _ask(path: str, body: bytes, *fields: bytes) -> bytes:
    lines = (b"POST %b HTTP/1.1" % path.encode(), b"Host: gw", b"Content-Length: %d" % len(body), *fields)
    return b"\r\n".join((*lines, b"", body))


SEEDS: Final[dict[str, list[bytes]]] = {
    "parser": [
        _POST + b"Content-Length: 2\r\n\r\n{}" + _POST + b"Content-Length: 3\r\n\r\nabc",
        _POST + b'Transfer-Encoding: chunked\r\n\r\n2;a="b"\r\n{}\r\n0\r\nX: y\r\n\r\n' + _POST + b"\r\n",
        b"GET http://gw/status?x HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n",
        b"\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        _POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    ],
    "lines": [
        b'{"a":1,"k":"x","ts":5,"h":{"i":true}}\n\n{"a":2}\r\n[]\n{"a":1e999}\n{"a":\xff}\n ',
        b'{"k":[1]}\n{"ts":"now"}\n{"a":"x"}\n{"a":"\\ud800"}{}\n' + b"[" * 600,
    ],
    "json": [b'[{"a":1}, {"b":"},{"},\t{"k":[{}]}]', b'{"a":1}', b'[1,"\\"]",[[]],{}]', b"[{},]", b"[]", b"[{}}"],
    "cloudevents": [
        _CE + b'content-type: application/json\nce-subject: a%20%E2%82%AC "b\\"c"\n\n' + b'{"a":1.0}',
        _CE + b"content-type: text/plain\nce-time: 2018-04-05T17:31:00Z\nce-partitionkey: k\n\ntext",
        _CE + b"\n",
        b"content-type: application/cloudevents+json\n\n" + _EVENT,
        _BATCH + b"[%b,%b]" % (_EVENT, _EVENT.replace(b'"data":{"a":1}', b'"data_base64":"YQ==","ext":5,"no":null')),
        _BATCH + b"[]",
    ],
    "decoders": [
        b'{"a":[1,"\\u00e4"],"message":null}',
        b'level=info msg="it \\"is\\" done" flag a.b=1',
        b'a,"b ""c""",d',
        b"a;b\tc",
        _NGINX,
    ],
    # In the order of the codings' names: gzip, lz4, snappy, x-gzip, x-snappy-framed, zstd.
    "codings": [
        b"\0" + gzip.compress(b"text" * 50, mtime=0),
        b"\1" + encode_lz4(b"text" * 50),
        b"\2\x05\x10hello",
        b"\2\0",
        b"\2\xff\x06\x00\x00sNaPpY" + b"\xfe\1\0\0\0" * 5 + b"\x01\x09\x00\x00\xbb\x1f\x1c\x19hello",
        b"\3" + gzip.compress(b"", mtime=0) * 2,
        b"\4\xff\x06\x00\x00sNaPpY\x01\x09\x00\x00\xbb\x1f\x1c\x19hello",
        b"\5" + zstandard.ZstdCompressor().compress(b"text" * 50),
    ],
    "requests": [
        _ask("/log/repo/logs", b'{"a":1}') * 3 + _ask("/lines", _ROWS) + b"GET /status HTTP/1.1\r\nHost: gw\r\n\r\n",
        _ask("/json", b'[{"a":2},{"l":[1,{"b":2}]},5]') + _ask("/text", b"x\ny") + _ask("/offset", b'{"a":2}'),
        _ask("/ce", _EVENT, b"Content-Type: application/cloudevents+json") + _ask("/named", b"{}", b"topic: named"),
        _ask("/ce", b"", b"ce-id: 1", b"ce-source: /s", b"ce-type: t", b"ce-specversion: 1.0"),
        _ask("/async", b"{}\n" * 9) + _ask("/guarded", b"{}", b"X-API-Key: k-1") + _ask("/guarded", b"{}"),
        _ask("/lines", gzip.compress(_ROWS * 5, mtime=0), b"Content-Encoding: gzip") + _ask("/none", b"{}"),
        _ask("/lines", b"x" * 3_000) + _ask("/lines", b"{}", b"Expect: 100-continue") + _ask("/lines", b"{}")[:-1],
        b"POST /lines HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n",
        b"OPTIONS /ce HTTP/1.1\r\nHost: gw\r\nWebHook-Request-Origin: a.example\r\n\r\nHEAD /status HTTP/1.0\r\n\r\n",
    ],
}
