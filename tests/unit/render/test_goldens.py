"""Golden fleets. After a change that is meant: `pytest tests/unit/render --update-goldens`, and review the diff."""

import pytest
from tests.golden.fleets_of_files import NAMES, expected_file, plan_of, write_plan


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_fleet_is_rendered_to_the_letter(name: str, update_goldens: bool) -> None:
    rendered = write_plan(plan_of(name))
    if update_goldens:
        expected_file(name).write_text(rendered)
    assert rendered == expected_file(name).read_text(), "if this is meant: pytest tests/unit/render --update-goldens"
