"""The record of a request's text with an object around it, written as lua-cjson writes strings.

Source: `char2escape` in lua_cjson.c, https://github.com/openresty/lua-cjson: the solidus and DEL are escaped, control
characters have short forms where JSON knows them, and what is not ASCII stays as it is.
"""

_SHORT = {0x08: r"\b", 0x09: r"\t", 0x0A: r"\n", 0x0C: r"\f", 0x0D: r"\r", 0x22: r"\"", 0x2F: r"\/", 0x5C: r"\\"}
_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)} | _SHORT


def wrap_body_data(text: bytes) -> bytes:
    """`{"body_data":"..."}` around any bytes."""
    # Latin-1 maps each byte to the character of its number, and back.
    return b'{"body_data":"%b"}' % text.decode("latin-1").translate(_ESCAPES).encode("latin-1")
