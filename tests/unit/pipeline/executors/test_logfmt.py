import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_gateway.pipeline.executors.formats.logfmt import read_logfmt


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param("a=1 b=2", {"a": "1", "b": "2"}, id="bare values are texts"),
        pytest.param('msg="it is done" x=y', {"msg": "it is done", "x": "y"}, id="quoted value"),
        pytest.param(r'msg="say \"no\" \\ \/ \n\t\r\b\f"', {"msg": 'say "no" \\ / \n\t\r\b\f'}, id="escapes"),
        pytest.param(r'msg="\u00e9\ud83d\ude00"', {"msg": "é😀"}, id="escapes by code"),
        pytest.param("cached a=1 done", {"cached": True, "a": "1", "done": True}, id="a key alone is true"),
        pytest.param('a= b="" c', {"a": "", "b": "", "c": True}, id="empty values"),
        pytest.param("url=/x?a=b&c=d", {"url": "/x?a=b&c=d"}, id="equals signs in a bare value"),
        pytest.param("a=1 a=2", {"a": "2"}, id="the last of repeated keys"),
        pytest.param("  a=1\t \tb=2  ", {"a": "1", "b": "2"}, id="any white space"),
        pytest.param("größe=groß ключ=да", {"größe": "groß", "ключ": "да"}, id="other alphabets"),
        pytest.param("a.b=1", {"a.b": "1"}, id="a dot is part of the name"),
        pytest.param(r"path=C:\temp", {"path": r"C:\temp"}, id="a backslash outside of quotes is itself"),
        pytest.param('a="x=y \t z"', {"a": "x=y \t z"}, id="anything in quotes"),
    ],
)
def test_what_is_logfmt(text: str, fields: dict[str, Any]) -> None:
    assert read_logfmt(text) == fields


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it holds no pair"),
        (" \t", "it holds no pair"),
        ("=1", "at character 1 there is no key"),
        ('a=1 "b"', "at character 5 there is no key"),
        ('a="x', "at character 3 a word goes on where it should have ended"),
        ('a="x"y', "at character 6 a word goes on where it should have ended"),
        ('a=x"y"', "at character 4 a word goes on where it should have ended"),
        ('a"b"=1', "at character 2 a word goes on where it should have ended"),
        (r'a="\q"', "the value that ends before character 7 has an escape that is none"),
        (r'a="\u12"', "the value that ends before character 9 has an escape that is none"),
        (r'a="\ud800"', "the value that ends before character 11 has an escape that is none"),
    ],
)
def test_what_is_not(text: str, why: str) -> None:
    assert read_logfmt(text) == why


_KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='="\\ '), min_size=1, max_size=6)
_BARE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\ '), max_size=6)
_ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def _write(value: str | bool, quotes: bool) -> str:
    if value is True:
        return ""
    if not quotes:
        return f"={value}"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'="{escaped}"'


@given(
    st.dictionaries(
        _KEYS, st.tuples(_ANY, st.just(True)) | st.tuples(_BARE | st.just(True), st.just(False)), min_size=1
    )
)
def test_what_is_written_is_read_back(pairs: dict[str, tuple[Any, bool]]) -> None:
    text = " ".join(key + _write(value, quotes) for key, (value, quotes) in pairs.items())
    assert read_logfmt(text) == {key: value for key, (value, _) in pairs.items()}


@given(st.text(st.sampled_from(string.ascii_letters[:4] + '=" \\\n')))
def test_every_text_is_fields_or_a_reason(text: str) -> None:
    assert isinstance(read_logfmt(text), dict | str)
