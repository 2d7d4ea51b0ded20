"""Templates: no value breaks out of its place, overrides, and errors that name template and line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.render.builders import find, fleet, render, world

from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.template_files import load_templates
from headgate_operator.render.templates import TEMPLATE_NAMES, TemplateError, encode_scalar

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda children: (
        st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), children)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON)
def test_every_value_comes_back_as_it_went_in(value: Any) -> None:
    document = f"a: {encode_scalar(value)}\nb: [{encode_scalar(value)}]\n"
    for loader in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        assert yaml.load(document, Loader=loader) == {"a": value, "b": [value]}


@pytest.mark.parametrize(
    "image",
    [
        'x"\n  evil: true',
        "x\nevil: true",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "# no comment",
        "'",
        "a: b",
        "\u2028x",
        "\U0001f600\x7f",
        "&a *a",
    ],
)
def test_no_value_breaks_out_of_its_place(image: str) -> None:
    spec = find(render(world(fleet=fleet(image=image))), "Deployment", "default-gateway")["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == image
    assert spec.keys() == pod_keys()


def pod_keys() -> set[str]:
    return set(find(render(world()), "Deployment", "default-gateway")["spec"]["template"]["spec"])


def override(directory: Path, name: str, text: str) -> Path:
    (directory / name).write_text(text)
    return directory


SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ name }}\n"


def test_an_override_replaces_one_template(tmp_path: Path) -> None:
    override(tmp_path, "service.yaml.j2", SERVICE + "  annotations: {mine: {{ fleet.spec.image }}}\n")
    (tmp_path / "..data").mkdir()
    (tmp_path / "README").write_text("not a template")
    plan = render_fleet(world(), load_templates(tmp_path))
    assert find(plan, "Service", "default-gateway")["metadata"]["annotations"] == {"mine": "gateway:1"}
    assert find(plan, "Deployment", "default-gateway") == find(render(world()), "Deployment", "default-gateway")


def test_an_override_cannot_lose_owner_labels_or_namespace(tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n  namespace: y\n  labels: {headgate.dev/fleet: z, a: b}\n"
    )
    plan = render_fleet(world(), load_templates(override(tmp_path, "service.yaml.j2", text)))
    metadata = find(plan, "Service", "default-gateway")["metadata"]
    assert metadata["namespace"] == "headgate"
    assert metadata["labels"]["headgate.dev/fleet"] == "default"
    assert metadata["labels"]["a"] == "b"
    assert metadata["ownerReferences"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SERVICE + "spec: {{ unknown }}\n", "template service.yaml.j2, line 5: 'unknown' is undefined"),
        (
            SERVICE + "spec: {{ fleet.spec.nothing.deep }}\n",
            "template service.yaml.j2, line 5: 'dict object' has no attribute",
        ),
        (SERVICE + "spec: {{ name\n", "template service.yaml.j2, line 5: unexpected end of template"),
        (SERVICE + "{% if %}\n", "template service.yaml.j2, line 5: Expected an expression"),
        (SERVICE + "spec: {{ 1 // 0 }}\n", "template service.yaml.j2, line 5: ZeroDivisionError"),
        (
            SERVICE + "spec: {{ name.__class__.mro() }}\n",
            "template service.yaml.j2, line 5: access to attribute '__class__'",
        ),
        (SERVICE + "spec: [\n", "line 6 of what it renders is no YAML"),
        ("a: b\n", "does not render an object with apiVersion, kind and metadata"),
        ("kind: Service\nmetadata: {name: x}\n", "renders an object without apiVersion"),
    ],
)
def test_a_broken_override_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TemplateError) as broken:
        render_fleet(world(), load_templates(override(tmp_path, "service.yaml.j2", text)))
    assert message in str(broken.value)


def test_an_override_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"servce\.yaml\.j2: no template has this name; there are configmap"):
        load_templates(override(tmp_path, "servce.yaml.j2", SERVICE))


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="is no directory"):
        load_templates(tmp_path / "absent")


def test_every_template_is_shipped() -> None:
    assert load_templates()
    shipped = Path(__file__).parents[3] / "operator/headgate_operator/render/templates"
    assert {path.name for path in shipped.iterdir()} == set(TEMPLATE_NAMES)


def test_finalized_json_is_ascii() -> None:
    assert json.loads(encode_scalar({"b": 1, "a": "x"})) == {"a": "x", "b": 1}
    assert encode_scalar("ü\u2028").isascii()
