"""Manifest templates: YAML with Jinja2 expressions, each of which is JSON-encoded, so no value can break out of its place.

Pure: takes the templates' texts by name (template_files.py reads them) and gives back parsed objects.
"""

import json
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import jinja2
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE_NAMES = (
    "configmap.yaml.j2",
    "controllerrevision.yaml.j2",
    "credentials.yaml.j2",
    "deployment.yaml.j2",
    "headlessservice.yaml.j2",
    "horizontalpodautoscaler.yaml.j2",
    "httproute.yaml.j2",
    "pod.yaml.j2",
    "poddisruptionbudget.yaml.j2",
    "service.yaml.j2",
    "serviceaccount.yaml.j2",
    "statefulset.yaml.j2",
)
"""All templates there are; a platform team may override each of them by a file of the same name."""

_NOT_PLAIN = re.compile(r"[^\x20-\x7e]")
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TemplateError(ValueError):
    """A template cannot be used; says which one, where, and why. Retrying does not help."""

    retryable = False

    def __init__(self, template: str, line: int | None, message: str) -> None:
        where = f"{template}, line {line}" if line is not None else template
        super().__init__(f"template {where}: {message}")
        self.template = template
        self.line = line


def encode_scalar(value: Any) -> str:
    """One expression's value as JSON that YAML reads back as the same value.

    YAML refuses some characters that JSON may hold bare, and does not join surrogate pairs, so all but plain ASCII is
    written as `\\UXXXXXXXX`, which YAML 1.1 knows in double-quoted scalars.
    """
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if text.isascii() and "\x7f" not in text:
        return text
    return _NOT_PLAIN.sub(lambda match: f"\\U{ord(match[0]):08x}", text)


def _finalize(value: Any) -> str:
    if isinstance(value, jinja2.Undefined):
        str(value)  # StrictUndefined raises here, with the variable's name
    return encode_scalar(value)


class Templates:
    """Compiled templates. Raises TemplateError for one that does not compile or has no known name."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._check_names(texts)
        loader = jinja2.FunctionLoader(lambda name: (texts[name], name, lambda: True) if name in texts else None)
        environment = ImmutableSandboxedEnvironment(
            loader=loader,
            undefined=jinja2.StrictUndefined,
            finalize=_finalize,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=len(texts) + 1,
        )
        self._compiled = {name: _compile(environment, name) for name in texts}

    @staticmethod
    def _check_names(texts: Mapping[str, str]) -> None:
        for name in texts:
            if name not in TEMPLATE_NAMES:
                raise TemplateError(name, None, f"no template has this name; there are {', '.join(TEMPLATE_NAMES)}")
        if missing := sorted(set(TEMPLATE_NAMES) - set(texts)):
            raise TemplateError(missing[0], None, "is missing")

    def render(self, name: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """The object that a template makes of its context. Raises TemplateError."""
        try:
            text = self._compiled[name].render(context)
        except jinja2.TemplateError as error:
            raise TemplateError(*_place_of(error.__traceback__, name), str(error)) from error
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise TemplateError(*_place_of(error.__traceback__, name), f"{type(error).__name__}: {error}") from error
        return _parse(name, text)


def _compile(environment: jinja2.Environment, name: str) -> jinja2.Template:
    try:
        return environment.get_template(name)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(name, error.lineno, error.message or "syntax error") from error


def _place_of(traceback: TracebackType | None, name: str) -> tuple[str, int | None]:
    """The template, which may be one that this one includes, and the line in it.

    Jinja2 rewrites tracebacks so that a template's frames carry its file name and lines.
    """
    place: tuple[str, int | None] = name, None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file in TEMPLATE_NAMES:
            place = file, traceback.tb_lineno
        traceback = traceback.tb_next
    return place


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        parsed = yaml.load(text, Loader=_YamlLoader)  # noqa: S506 (a safe loader, in C where there is one)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise TemplateError(name, None, f"line {line} of what it renders is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise TemplateError(name, None, f"what it renders is no YAML: {error}") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("metadata"), dict):
        raise TemplateError(name, None, "does not render an object with apiVersion, kind and metadata")
    for field in ("apiVersion", "kind"):
        if not isinstance(parsed.get(field), str):
            raise TemplateError(name, None, f"renders an object without {field}")
    return parsed
