"""Whether a live object already holds what is desired of it, and what of it has to go. Pure.

Used where nobody remembers what was applied (after a restart): desired ⊆ live, quantities compared by value, and
empty values equal to absent ones, since the API server leaves those out. What others add stands beside ours, except
where it would change what ours means: there the two must be equal.
"""

import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"^([+-]?[0-9.]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_QUANTITY_PARENTS = frozenset({"requests", "limits", "hard", "capacity"})
_QUANTITY_FIELDS = frozenset({"sizeLimit", "averageValue", "storage"})

_DROPPED_ZEROS = frozenset(
    {
        *("hostIPC", "hostNetwork", "hostPID", "paused", "publishNotReadyAddresses", "readOnly"),
        *("hostPort", "initialDelaySeconds", "minReadySeconds", "nodePort", "stdin", "stdinOnce", "tty"),
    }
)
"""Fields whose `false` or `0` the API server leaves out: no pointers in its types. Any other `false` says something:
`automountServiceAccountToken: false`, once removed, means true."""

_EXACT: dict[str, tuple[tuple[str, ...], ...]] = {
    "ConfigMap": (("data",), ("binaryData",)),
    "Secret": (("data",),),
    "Service": (("spec", "selector"),),
    "HTTPRoute": (("spec",),),
}
"""Where nothing of others may stand beside ours: files that gateways would load, a label that would select no pod, a
retry that would deliver twice."""


def is_subset(desired: Any, live: Any, field: str = "", parent: str = "") -> bool:
    """Whether every field of `desired` is in `live` with the same value; lists must be equally long and in order."""
    if isinstance(desired, dict) and isinstance(live, dict):
        return all(is_subset(value, live.get(key), key, field) for key, value in desired.items())
    if isinstance(desired, list) and isinstance(live, list):
        return len(desired) == len(live) and all(
            is_subset(one, other, field, parent) for one, other in zip(desired, live, strict=True)
        )
    if live is None:
        return _is_empty(desired, field)
    return bool(desired == live) or (_is_quantity(field, parent) and _quantity(desired) == _quantity(live) is not None)


def build_removal(kind: str, desired: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """The JSON merge patch that takes away what others added where nothing may stand beside ours; {} for nothing."""
    removal: dict[str, Any] = {}
    for path in _EXACT.get(kind, ()):
        foreign = _foreign(_at(desired, path), _at(live, path))
        for name in reversed(path):
            foreign = {name: foreign} if foreign else {}
        removal |= foreign
    return removal


def _at(manifest: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        manifest = manifest.get(name) or {}
    return manifest


def _foreign(desired: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in live.items():
        wanted = desired.get(name)
        if wanted is None:
            found |= {name: None} if value not in (None, [], {}) else {}
        elif isinstance(wanted, dict) and isinstance(value, dict):
            found |= {name: inner} if (inner := _foreign(wanted, value)) else {}
        elif isinstance(wanted, list) and isinstance(value, list) and _is_foreign(wanted, value):
            found[name] = wanted  # a merge patch reaches into no list
    return found


def _is_foreign(desired: list[Any], live: list[Any]) -> bool:
    """Whether something in this list is not ours; order counts."""
    pairs = zip(desired, live, strict=False)
    return len(desired) < len(live) or any(
        bool(_foreign({"item": one}, {"item": other})) for one, other in pairs if isinstance(one, dict | list)
    )


def _is_empty(desired: Any, field: str) -> bool:
    if isinstance(desired, dict):
        return all(_is_empty(value, name) for name, value in desired.items())
    return desired is None or desired in ("", []) or (field in _DROPPED_ZEROS and not desired)


def _is_quantity(field: str, parent: str) -> bool:
    return parent in _QUANTITY_PARENTS or field in _QUANTITY_FIELDS


def _quantity(value: Any) -> Decimal | None:
    matched = _QUANTITY.match(str(value))
    return Decimal(matched[1]) * _FACTORS[matched[2] or ""] if matched else None
