"""A policy's Prometheus queries: from Jinja2 template to PromQL. Pure; whoever asks Prometheus calls it.

Templates are written by application teams and rendered by the operator of everybody, so that only what cannot grow is
known here: variables, `if`, comparisons and two filters. A sandbox alone would keep secrets, but not time and memory.
"""

import math

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from headgate_operator.api.rollout import MetricQuery

VARIABLES = ("namespace", "repo", "revision", "track", "window")
"""What a template may name. `window` is a PromQL duration, such as `60s`."""

FILTERS = ("lower", "upper")
DEPTH = 20
"""Levels of nesting."""
LARGEST = 10**15
"""The largest whole number that a template may write: PromQL counts in doubles."""

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const,
    nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip

_FAILURES = (TypeError, ValueError, ArithmeticError, RecursionError)
"""What comparing and printing may raise in Python; other errors are ours."""

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)


class QueryError(ValueError):
    """A query cannot be rendered: names it, and says what to write instead. Retrying does not help."""

    retryable = False

    def __init__(self, query: MetricQuery, problem: str) -> None:
        super().__init__(f"query {query.name}: {problem}")


def render_query(query: MetricQuery, namespace: str, repo: str, revision: str, track: str, window: float) -> str:
    """The PromQL of a query. `window`: seconds that are measured, rounded up to whole ones. Raises QueryError."""
    values = {
        "namespace": namespace,
        "repo": repo,
        "revision": revision,
        "track": track,
        "window": f"{max(1, math.ceil(window))}s",
    }
    try:
        rendered = _compile(query).render(values).strip()
    except QueryError:
        raise
    except jinja2.TemplateError as error:
        raise QueryError(query, f"{error.message}; there are {', '.join(VARIABLES)}") from error
    except _FAILURES as error:
        raise QueryError(query, f"cannot be evaluated ({error}): compare texts with texts") from error
    if not rendered:
        raise QueryError(query, "is empty once its variables are filled in")
    return rendered


def check_query(query: MetricQuery) -> None:
    """Whether a query can be rendered for any repo, so that a mistake is told when it is written. Raises QueryError."""
    for track in ("canary", "stable"):
        render_query(query, "namespace", "repo", "0123456789abcdef", track, 60)


def _compile(query: MetricQuery) -> jinja2.Template:
    try:
        tree = _ENVIRONMENT.parse(query.query)
        _check(query, tree)
        return _ENVIRONMENT.from_string(tree)
    except QueryError:
        raise
    except jinja2.TemplateSyntaxError as error:
        raise QueryError(query, f"line {error.lineno}: {error.message}") from error
    except RecursionError as error:
        raise QueryError(query, "is nested too deeply: write it flat") from error
    except _FAILURES as error:
        raise QueryError(query, f"cannot be read: {str(error)[:200]}") from error


def _check(query: MetricQuery, node: nodes.Node, depth: int = 0) -> None:
    """Only what is known goes on to the compiler, which Python bounds in depth by errors of many kinds."""
    if depth > DEPTH:
        raise RecursionError
    if not _is_known(node):
        what = f"filter {node.name}" if isinstance(node, nodes.Filter) else type(node).__name__
        raise QueryError(
            query,
            f"line {node.lineno}: a query knows no {what}: use the variables {', '.join(VARIABLES)},"
            f" if, comparisons, and the filters {' and '.join(FILTERS)}",
        )
    if isinstance(node, nodes.Const) and isinstance(node.value, int) and abs(node.value) > LARGEST:
        raise QueryError(query, f"line {node.lineno}: a number is at most {LARGEST}")
    for child in node.iter_child_nodes():
        _check(query, child, depth + 1)


def _is_known(node: nodes.Node) -> bool:
    return node.name in FILTERS if isinstance(node, nodes.Filter) else isinstance(node, _ALLOWED)
