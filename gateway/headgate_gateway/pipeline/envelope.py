"""The record of a request's text with an object around it, written as lua-cjson writes strings.

Source: `char2escape` in lua_cjson.c, https://github.com/openresty/lua-cjson: the solidus and DEL are escaped, control
characters have short forms where JSON knows them, and what is not ASCII stays as it is.
"""

import re

_SHORT = {0x08: rb"\b", 0x09: rb"\t", 0x0A: rb"\n", 0x0C: rb"\f", 0x0D: rb"\r"}
_CONTROLS = {bytes((code,)): b"\\u%04x" % code for code in (*range(0x20), 0x7F)} | {
    bytes((code,)): short for code, short in _SHORT.items()
}
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


def wrap_body_data(text: bytes) -> bytes:
    """`{"body_data":"..."}` around any bytes."""
    escaped = text.replace(b"\\", rb"\\").replace(b'"', rb"\"").replace(b"/", rb"\/")
    if _CONTROL.search(escaped):
        escaped = _CONTROL.sub(lambda found: _CONTROLS[found[0]], escaped)
    return b'{"body_data":"%b"}' % escaped
