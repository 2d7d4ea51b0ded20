"""Format NginxCombined: a line of nginx's predefined log format `combined`, or of Apache's.

`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`, and
`"$http_x_forwarded_for"` after it, as the configuration that nginx's packages bring has it. Fields are named as nginx
names its variables; a `-` is an absent one. nginx escapes `"`, `\\` and all bytes outside of printable ASCII as `\\xHH`
(ngx_http_log_escape), Apache writes `\\"`, `\\\\`, `\\n` and their like beside it; both come back as what was meant.
"""

import re

from headgate_gateway.config.executors import Decoder
from headgate_gateway.pipeline.executors.formats.reader import ReadText
from headgate_gateway.pipeline.steps import Event

# Exact although a user's name may hold spaces and brackets: no quote can stand before the request's, since all are
# escaped, and the time before it has a fixed shape. Possessive wherever a text could otherwise make it look back.
_QUOTED = r'"((?:[^"\\]|\\.)*+)"'
_LINE = re.compile(
    r"(?P<remote_addr>\S++) (?P<ident>\S++) (?P<remote_user>[^\"]*) "
    r"\[(?P<time_local>[0-9]{2}/[A-Za-z]{3}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [-+][0-9]{4})\] "
    rf"{_QUOTED} ([0-9]{{3}}) ([0-9]{{1,18}}|-) {_QUOTED} {_QUOTED}(?: {_QUOTED})?"
)
_REQUEST = re.compile(r"([!-~]++) (.+) (HTTP/[0-9.]++)")
_ESCAPES = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))")
_PLAIN = {'"': b'"', "\\": b"\\", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v", "b": b"\b", "f": b"\f"}
_WRONG = "it is no line of the log format combined"


def compile_nginx(config: Decoder) -> ReadText:
    """A reader of access log lines."""
    return read_combined


def read_combined(text: str) -> Event | str:
    """The fields of a line, or what is wrong with it."""
    found = _LINE.fullmatch(text)
    if found is None:
        return _WRONG
    address, _, user, time, request, status, size, referer, agent, forwarded = found.groups()
    fields: Event = {"remote_addr": address}
    _put(fields, "remote_user", user)
    fields["time_local"] = time
    _put(fields, "request", request)
    if request_line := _REQUEST.fullmatch(fields.get("request", "")):
        fields["request_method"], fields["request_uri"], fields["server_protocol"] = request_line.groups()
    fields["status"] = int(status)
    if size != "-":
        fields["body_bytes_sent"] = int(size)
    _put(fields, "http_referer", referer)
    _put(fields, "http_user_agent", agent)
    if forwarded is not None:
        _put(fields, "http_x_forwarded_for", forwarded)
    return fields


def _put(fields: Event, name: str, written: str) -> None:
    if written != "-":
        fields[name] = _unescaped(written) if "\\" in written else written


def _unescaped(written: str) -> str:
    """The bytes that were escaped, as UTF-8; what is none becomes U+FFFD."""
    parts: list[bytes] = []
    last = 0
    for found in _ESCAPES.finditer(written):
        hexadecimal, plain = found.groups()
        parts.append(written[last : found.start()].encode())
        parts.append(bytes.fromhex(hexadecimal) if hexadecimal else _PLAIN.get(plain, found[0].encode()))
        last = found.end()
    parts.append(written[last:].encode())
    return b"".join(parts).decode(errors="replace")
