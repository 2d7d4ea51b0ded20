"""The switch that rewrites goldens: `pytest tests/unit/render --update-goldens`, and then read the diff."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite tests/golden/fleets/*.expected.yaml")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    # Where this file is found after options are parsed (a run of all tests), the option does not exist.
    return bool(request.config.getoption("--update-goldens", default=False))
