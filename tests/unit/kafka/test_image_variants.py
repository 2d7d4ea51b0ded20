"""Upgrades end to end are tried with images whose producer is edited: what they edit is there."""

import inspect

import pytest
from tests.e2e.gateway_images import EDITS

from headgate_gateway.kafka import producer


@pytest.mark.parametrize("variant", EDITS)
def test_what_an_image_for_the_tests_differs_in_is_there(variant: str) -> None:
    assert EDITS[variant][0] in inspect.getsource(producer)
