from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_gateway.pipeline.executors.formats.nginx import read_combined

TIME = "21/Nov/2026:08:00:00 +0100"


def line(request: str = "GET / HTTP/1.1", agent: str = "curl/8", user: str = "-", more: str = "") -> str:
    return f'10.0.0.1 - {user} [{TIME}] "{request}" 200 612 "-" "{agent}"{more}'


def decoded(text: str) -> dict[str, Any]:
    fields = read_combined(text)
    assert isinstance(fields, dict), fields
    return fields


def test_a_line_has_the_fields_that_nginx_names_its_variables() -> None:
    text = f'2001:db8::1 - ann [{TIME}] "POST /a?b=c HTTP/2.0" 404 0 "https://example.org/" "Mozilla/5.0 (X11)"'
    assert read_combined(text) == {
        "remote_addr": "2001:db8::1",
        "remote_user": "ann",
        "time_local": TIME,
        "request": "POST /a?b=c HTTP/2.0",
        "request_method": "POST",
        "request_uri": "/a?b=c",
        "server_protocol": "HTTP/2.0",
        "status": 404,
        "body_bytes_sent": 0,
        "http_referer": "https://example.org/",
        "http_user_agent": "Mozilla/5.0 (X11)",
    }


def test_a_hyphen_is_an_absent_field() -> None:
    fields = decoded(line(agent="-"))
    assert not {"remote_user", "http_referer", "http_user_agent"} & set(fields)
    assert "body_bytes_sent" not in decoded(line().replace(" 612 ", " - "))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param(r"a\x22b", 'a"b', id="quote"),
        pytest.param(r"a\x5Cb\x5cc", r"a\b\c", id="backslash"),
        pytest.param(r"\xC3\xA9\xF0\x9F\x98\x80", "é😀", id="UTF-8"),
        pytest.param(r"a\xFFb", "a\ufffdb", id="no UTF-8"),
        pytest.param(r"\x01\x0A", "\x01\n", id="control characters"),
        pytest.param(r"\"x\" \\ \n\t", '"x" \\ \n\t', id="as Apache escapes"),
        pytest.param(r"\q\x4", r"\q\x4", id="no escape at all"),
        pytest.param("é", "é", id="not escaped"),
        pytest.param("", "", id="empty"),
    ],
)
def test_escapes_come_back_as_what_was_meant(written: str, meant: str) -> None:
    assert decoded(line(agent=written))["http_user_agent"] == meant


@pytest.mark.parametrize("user", ["ann", "ann lee", "a] [b", f"x [{TIME}]", r"q\x22uote"])
def test_a_users_name_may_hold_anything(user: str) -> None:
    assert decoded(line(user=user))["remote_user"] == user.replace(r"\x22", '"')


@pytest.mark.parametrize("request_line", [r"\x16\x03\x01", "", "GET", "GET /", "-"])
def test_a_request_that_is_none_has_no_method(request_line: str) -> None:
    assert not {"request_method", "request_uri", "server_protocol"} & set(decoded(line(request_line)))


def test_a_uri_may_hold_spaces() -> None:
    assert decoded(line("GET /a b HTTP/1.1"))["request_uri"] == "/a b"


def test_the_field_that_nginxs_packages_log_after_it_is_known() -> None:
    assert decoded(line(more=' "203.0.113.9, 10.0.0.2"'))["http_x_forwarded_for"] == "203.0.113.9, 10.0.0.2"
    assert "http_x_forwarded_for" not in decoded(line(more=' "-"'))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(line(more=" 0.003"), id="more fields"),
        pytest.param(line().removesuffix('"'), id="cut off"),
        pytest.param(line(agent='a"b'), id="a bare quote"),
        pytest.param(line().replace("200", "OK"), id="no status"),
        pytest.param(line().replace(TIME, "today"), id="no time"),
        pytest.param(line(more="\n"), id="a line end"),
        pytest.param('{"a":1}', id="JSON"),
    ],
)
def test_what_is_no_line_of_combined(text: str) -> None:
    assert read_combined(text) == "it is no line of the log format combined"


def _escape(text: str) -> str:
    """ngx_http_log_escape: quote, backslash, and all bytes that are not printable ASCII."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02X}" for byte in text.encode())


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "-"))
def test_what_nginx_escapes_is_read_back(agent: str) -> None:
    assert decoded(line(agent=_escape(agent)))["http_user_agent"] == agent
