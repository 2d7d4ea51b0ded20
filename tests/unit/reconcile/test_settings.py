"""The command line and the environment."""

from pathlib import Path

import pytest

from headgate_operator.settings import parse_settings


def test_defaults_are_usable() -> None:
    settings = parse_settings([], {})
    assert (settings.namespaces, settings.default_fleet, settings.metrics_port) == ((), None, 8080)
    assert (settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry) == (15, 10, 2)
    assert (settings.resync, settings.secret_poll, settings.log_format) == (300, 10, "json")


def test_flags_come_before_the_environment() -> None:
    environment = {"HEADGATE_DEFAULT_FLEET": "a/b", "HEADGATE_NAMESPACE": "x, y", "HEADGATE_METRICS_PORT": "9"}
    assert parse_settings([], environment).default_fleet == ("a", "b")
    assert parse_settings([], environment).namespaces == ("x", "y")
    assert parse_settings(["--default-fleet=c/d", "--namespace=z"], environment).default_fleet == ("c", "d")
    assert parse_settings(["--namespace=z"], environment).namespaces == ("z",)
    assert parse_settings([], environment).metrics_port == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--default-fleet=nonsense"], "write namespace/name"),
        (["--resync=soon"], "is not a duration"),
        (["--lease-duration=5s"], "shorter than"),
        (["--resync=0s"], "wait for 1s at least"),
        (["--secret-poll=0s"], "wait for 1s at least"),
        (["--log-format=xml"], "none of json, text"),
        (["--lease-na=other"], "unrecognized arguments"),
        (["--prometheus-url=prometheus:9090"], "write http://prometheus.monitoring:9090"),
        (["--prometheus-url=http://x:port"], "is no URL of a server"),
        (["--prometheus-url=http://me:secret@x"], "use a token file"),
        (["--prometheus-url=http://x/api/v1/query"], "is more than a base"),
        (["--prometheus-ca-file=ca.crt"], "mean nothing without --prometheus-url"),
        (["--prometheus-timeout=0s"], "wait for 1ms at least"),
    ],
)
def test_nonsense_is_refused_with_a_remedy(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_settings(arguments, {})
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ({"HEADGATE_LOG_FORMAT": "xml"}, "'xml' is none of json, text"),
        ({"HEADGATE_LOG_LEVEL": "loud"}, "'loud' is none of debug"),
        ({"HEADGATE_RESYNC": "0s"}, "wait for 1s at least"),
    ],
)
def test_the_environment_is_judged_like_flags(
    variable: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_settings([], variable)
    assert message in capsys.readouterr().err


def test_two_processes_of_one_pod_are_two_holders() -> None:
    environment = {"POD_NAME": "operator-0"}
    assert parse_settings([], environment).identity != parse_settings([], environment).identity


def test_prometheus_is_asked_only_where_somebody_names_it() -> None:
    none = parse_settings([], {})
    assert (none.prometheus_url, none.prometheus_token_file, none.prometheus_ca_file) == (None, None, None)
    environment = {"HEADGATE_PROMETHEUS_URL": "https://x/prefix", "HEADGATE_PROMETHEUS_TOKEN_FILE": "/t"}
    found = parse_settings(["--prometheus-timeout=2s"], environment)
    assert (found.prometheus_url, found.prometheus_token_file, found.prometheus_timeout) == (
        "https://x/prefix", Path("/t"), 2,
    )  # fmt: skip
