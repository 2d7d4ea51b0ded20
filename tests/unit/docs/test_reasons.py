"""docs/reasons.md explains every word that a condition may give."""

from pathlib import Path
from types import ModuleType

import pytest

from headgate_operator.api import reasons as verdict_reasons
from headgate_operator.status import reasons as status_reasons

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reasons.md").read_text()


@pytest.mark.parametrize("module", [verdict_reasons, status_reasons], ids=["verdicts", "status"])
def test_every_reason_is_documented(module: ModuleType) -> None:
    words = {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
    assert words
    assert sorted(word for word in words if f"`{word}`" not in PAGE) == []
