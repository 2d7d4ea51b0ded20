"""Whether a live object already holds all that is desired of it. Pure.

Used where nobody remembers what was applied (after a restart): desired ⊆ live, quantities compared by value, and
empty or zero values equal to absent ones, since the API server leaves those out.
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


def is_subset(desired: Any, live: Any, field: str = "", parent: str = "") -> bool:
    """Whether every field of `desired` is in `live` with the same value; lists must be equally long and in order."""
    if isinstance(desired, dict) and isinstance(live, dict):
        return all(is_subset(value, live.get(key), key, field) for key, value in desired.items())
    if isinstance(desired, list) and isinstance(live, list):
        return len(desired) == len(live) and all(
            is_subset(one, other, field, parent) for one, other in zip(desired, live, strict=True)
        )
    if live is None:
        return _is_empty(desired)
    return bool(desired == live) or (_is_quantity(field, parent) and _quantity(desired) == _quantity(live) is not None)


def _is_empty(desired: Any) -> bool:
    return not desired or (isinstance(desired, dict) and all(_is_empty(value) for value in desired.values()))


def _is_quantity(field: str, parent: str) -> bool:
    return parent in _QUANTITY_PARENTS or field in _QUANTITY_FIELDS


def _quantity(value: Any) -> Decimal | None:
    matched = _QUANTITY.match(str(value))
    return Decimal(matched[1]) * _FACTORS[matched[2] or ""] if matched else None
