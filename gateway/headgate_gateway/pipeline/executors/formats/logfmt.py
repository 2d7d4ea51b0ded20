"""Format Logfmt: `level=info msg="it is done" cached`.

There is no standard; this is what github.com/kr/logfmt and go-logfmt agree on, but with `=` let through in bare values, as
URLs have it there. Words are separated by spaces and control characters. `key` alone is true, `key=` is the empty text, all other values
are texts. In quotes, the escapes are JSON's. Of repeated keys the last counts.
"""

import re

from headgate_gateway.config.executors import Decoder
from headgate_gateway.pipeline.executors.formats.reader import ReadText
from headgate_gateway.pipeline.steps import Event

# Possessive, so that no text can make it look back.
_PAIR = re.compile(
    r'([^\x00-\x20="]++)(?:(=)(?:"((?:[^"\\]|\\.)*+)"|([^\x00-\x20"]*+)))?(?=([\x00-\x20]*+))', re.DOTALL
)
_SPACE = re.compile(r"[\x00-\x20]*+")
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_PLAIN = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def compile_logfmt(config: Decoder) -> ReadText:
    """A reader of pairs."""
    return read_logfmt


def read_logfmt(text: str) -> Event | str:
    """The pairs of a text, or what is wrong with it."""
    fields: Event = {}
    match_pair, end = _PAIR.match, len(text)
    position = _SPACE.match(text).end()  # type: ignore[union-attr]
    while position < end:
        found = match_pair(text, position)
        if found is None:
            return f"at character {position + 1} there is no key"
        key, equals, quoted, bare, space = found.groups()
        position = found.end()
        if position < end and not space:
            return f"at character {position + 1} a word goes on where it should have ended"
        position += len(space)
        if quoted is not None:
            value = _unescaped(quoted) if "\\" in quoted else quoted
            if value is None:
                return f"the value that ends before character {position + 1} has an escape that is none"
            fields[key] = value
        else:
            fields[key] = bare if equals else True
    return fields or "it holds no pair"


def _unescaped(quoted: str) -> str | None:
    """The text that is meant; None when a backslash escapes nothing, or escapes half of a character."""
    if _ESCAPE.sub("", quoted).count("\\"):
        return None
    text = _ESCAPE.sub(lambda found: _PLAIN[found[1]] if found[1] else chr(int(found[2], 16)), quoted)
    try:
        # Two escapes make one character beyond the first 65,536.
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None
