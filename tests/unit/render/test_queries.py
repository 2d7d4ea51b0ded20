"""Queries as teams write them, and what must not get through."""

import pytest

from headgate_operator.api.rollout import MetricQuery
from headgate_operator.render.queries import QueryError, check_query, render_query


def query(text: str) -> MetricQuery:
    return MetricQuery(name="lag", query=text, max="10")


def render(text: str, window: float = 60, track: str = "canary") -> str:
    return render_query(query(text), "web", "access", "cafe", track, window)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ('up{repo="{{ repo }}", ns="{{namespace}}"}', 'up{repo="access", ns="web"}'),
        ("rate(x[{{ window }}])", "rate(x[60s])"),
        ("x{{ '{' }}a='{{ revision }}'{{ '}' }}", "x{a='cafe'}"),
        ("{% if track == 'canary' %}a{% else %}b{% endif %}", "a"),
        ("{{ 'a' if track != 'canary' and not repo == 'x' else 'b' }}", "b"),
        ("x{t='{{ track | upper }}'}\n", "x{t='CANARY'}"),
        ("1 # {{ repo }}", "1 # access"),
    ],
    ids=["labels", "window", "braces", "if", "either", "filter", "comment"],
)
def test_a_template_becomes_promql(text: str, rendered: str) -> None:
    assert render(text) == rendered


@pytest.mark.parametrize(("window", "text"), [(0, "1s"), (0.2, "1s"), (60, "60s"), (60.1, "61s"), (7200, "7200s")])
def test_a_window_is_a_duration_that_promql_takes(window: float, text: str) -> None:
    assert render("{{ window }}", window) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ topic }}", "query lag: 'topic' is undefined; there are namespace, repo, revision, track, window"),
        ("{{ repo", "query lag: line 1: "),
        ("a\n{% if %}", "query lag: line 2: "),
        ("{% if track == 'stable' %}a{% endif %}", "is empty once its variables are filled in"),
        ("{{ repo.__class__ }}", "knows no Getattr: use the variables namespace"),
        ("{{ repo['x'] }}", "knows no Getitem"),
        ("{{ ''.format(repo) }}", "knows no Call"),
        ("{{ range(9) }}", "knows no Call"),
        ("{{ 'a' * 9 }}", "knows no Mul"),
        ("{{ 9 ** 9 }}", "knows no Pow"),
        ("{{ repo ~ repo }}", "knows no Concat"),
        ("{% for a in repo %}{% endfor %}", "knows no For"),
        ("{% set a = 1 %}", "knows no Assign"),
        ("{% macro a() %}{% endmacro %}", "knows no Macro"),
        ("{% include 'x' %}", "knows no Include"),
        ("{{ repo | attr('x') }}", "knows no filter attr"),
        ("{{ repo | replace('a', 'b') }}", "knows no filter replace"),
        ("{{ repo is defined }}", "knows no Test"),
        ("{{ [1] }}", "knows no List"),
        ("{% if repo < 1 %}a{% endif %}", "cannot be evaluated"),
        ("{{ 1 if 1 in 2 else 3 }}", "cannot be evaluated"),
        ("{{ " + "9" * 4_000 + " }}", "line 1: a number is at most 1000000000000000"),
        ("{{ " + "9" * 4_050 + " }}", "a number is at most"),
        ("{{ 0x" + "f" * 4_000 + " }}", "a number is at most"),
    ],
)
def test_what_is_no_query_is_refused_with_a_remedy(text: str, words: str) -> None:
    with pytest.raises(QueryError) as refusal:
        render(text)
    assert str(refusal.value).startswith("query lag: ")
    assert words in str(refusal.value)
    assert refusal.value.retryable is False


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 1_900 + "1" + ")" * 1_900 + " }}",
        "{{ " + "not " * 1_000 + "repo }}",
        "{{ repo" + "|lower" * 600 + " }}",
        "{% if repo %}" * 150 + "a" + "{% endif %}" * 150,
    ],
    ids=["parentheses", "not", "filters", "if"],
)
def test_a_template_that_is_nested_too_deeply_never_reaches_the_compiler(text: str) -> None:
    with pytest.raises(QueryError, match="is nested too deeply: write it flat"):
        render(text)


def test_many_branches_are_not_deep() -> None:
    text = "{% if repo == 'a' %}1" + "{% elif repo == 'b' %}2" * 100 + "{% else %}3{% endif %}"
    assert render(text) == "3"


def test_a_mistake_is_found_before_any_rollout() -> None:
    check_query(query("up{repo='{{ repo }}'}"))
    with pytest.raises(QueryError, match="is undefined"):
        check_query(query("{% if track == 'stable' %}{{ topic }}{% else %}1{% endif %}"))
