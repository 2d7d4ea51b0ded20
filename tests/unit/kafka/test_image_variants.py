"""Upgrades end to end are tried with images whose producer is edited: what they edit is there."""

from pathlib import Path

import pytest
from tests.e2e.gateway_images import EDITS

import headgate_gateway

PRODUCER = Path(headgate_gateway.__path__[0], "kafka", "producer.py")


@pytest.mark.parametrize("variant", EDITS)
def test_what_an_image_for_the_tests_differs_in_is_there(variant: str) -> None:
    for old, _ in EDITS[variant]:
        assert old in PRODUCER.read_text()
