"""Names of rendered objects: what Kubernetes takes, and that no two objects share one."""

import re

import pytest

from headgate_operator.api import names

LONG = ("f" * names.FLEET_NAME_MAX, "n" * 63, "r" * names.LABEL_VALUE_MAX)
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.mark.parametrize("key", [LONG, ("f", "n", "r"), ("a-" * 24 + "bc", "team-a", "access.log")], ids=len)
def test_a_canary_has_a_name_that_a_service_may_have(key: tuple[str, str, str]) -> None:
    assert SERVICE.fullmatch(names.canary_name(*key))


def test_names_of_a_long_repo_fit_in_a_name_of_kubernetes() -> None:
    revision = "0" * 16
    found = (
        names.revision_name(*LONG, revision),
        names.rollout_name(*LONG),
        names.canary_config_name(names.canary_name(*LONG), revision),
    )
    assert max(map(len, found)) <= 253


def test_canaries_of_fleets_and_repos_that_look_alike_have_different_names() -> None:
    alike = "f" * 49
    keys = [
        (f"{alike}a", "team", "access"),
        (f"{alike}b", "team", "access"),
        (f"{alike}a", "team-access", "x"),
        (f"{alike}a", "team", "access-x"),
        (f"{alike}a", "other", "access"),
    ]
    assert len({names.canary_name(*key) for key in keys}) == len(keys)
