"""A bed's operator with other parts: templates that break for one object, a source that raises."""

import dataclasses
from importlib.resources import files
from typing import Any, NoReturn

from tests.unit.reconcile.fleetbed import Bed

from headgate_operator.reconcile.fleet import FleetReconciler
from headgate_operator.render.templates import TEMPLATE_NAMES, Templates


def renew(bed: Bed, **rollouts: Any) -> None:
    """The same operator with other parts of rollouts: it finds its states again where they are stored."""
    parts = bed.reconciler._parts
    templates = rollouts.get("templates", parts.templates)
    new = dataclasses.replace(parts.rollouts, **rollouts)
    bed.reconciler = FleetReconciler(dataclasses.replace(parts, templates=templates, rollouts=new))


def breaking(template: str, name: str | None = None) -> Templates:
    """Templates of which one cannot be rendered: for the object with this name, or at all."""
    shipped = files("headgate_operator.render") / "templates"
    texts = {each: (shipped / each).read_text(encoding="utf-8") for each in TEMPLATE_NAMES}
    condition = "true" if name is None else f'name == "{name}"'
    texts[template] = f"{{% if {condition} %}}{{{{ 1 // 0 }}}}{{% endif %}}\n" + texts[template]
    return Templates(texts)


def fail(why: str) -> NoReturn:
    """What a source does that somebody's input breaks."""
    raise LookupError(why)
