"""The operator's settings: command line first, then environment, then defaults. Read once, by the composition root."""

import argparse
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headgate_gateway.config import parse_duration


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Durations are seconds."""

    namespaces: tuple[str, ...]
    """Namespaces to look after; empty: all."""
    default_fleet: tuple[str, str] | None
    templates: tuple[Path, ...]
    lease_namespace: str
    lease_name: str
    lease_duration: float
    lease_renew_deadline: float
    lease_retry: float
    metrics_port: int
    log_format: str
    log_level: str
    resync: float
    secret_poll: float
    identity: str
    kubeconfig: str | None
    prometheus_url: str | None
    """Where the policies' Prometheus queries are asked; None: they have no values."""
    prometheus_token_file: Path | None
    prometheus_ca_file: Path | None
    prometheus_timeout: float


def _fleet(text: str) -> tuple[str, str]:
    namespace, separator, name = text.partition("/")
    if not (separator and namespace and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is no fleet: write namespace/name")
    return namespace, name


def _seconds(text: str) -> float:
    try:
        return parse_duration(text) / 1_000
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _interval(text: str) -> float:
    """Between two rounds: none at all would be a loop that does nothing else."""
    seconds = _seconds(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is too short: wait for 1s at least")
    return seconds


def _path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


def _url_or_none(text: str) -> str | None:
    if not text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL of a server: write http://prometheus.monitoring:9090")
    if parts.username or parts.password:
        raise argparse.ArgumentTypeError("credentials have no place in a URL, which is logged: use a token file")
    if parts.query or parts.fragment or parts.path.rstrip("/").endswith("/api/v1/query"):
        raise argparse.ArgumentTypeError(f"{text!r} is more than a base: leave out what follows the server's prefix")
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    """argparse's `choices` are not asked of defaults, and the environment comes as a default."""

    def choose(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(words)}")
        return text

    return choose


def _build_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headgate-operator",
        description="Runs fleets of HTTP-to-Kafka event gateways from GatewayFleet, KafkaProducerProfile and EventRepo.",
        # An abbreviation would be another spelling of what the chart refuses among its extraArgs.
        allow_abbrev=False,
        epilog="Every option can be set as HEADGATE_<OPTION>, such as HEADGATE_DEFAULT_FLEET; namespaces by commas.",
    )

    def add(name: str, default: str, text: str, **more: object) -> None:
        variable = f"HEADGATE_{name.removeprefix('--').replace('-', '_').upper()}"
        parser.add_argument(name, default=environment.get(variable) or default, help=text, **more)  # type: ignore[arg-type]

    parser.add_argument("--namespace", action="append", help="a namespace to look after; repeatable; default: all")
    parser.add_argument("--templates", action="append", type=Path, help="a directory of template overrides; repeatable")
    add("--default-fleet", "", "namespace/name of the fleet of repos without a fleetRef")
    add("--lease-namespace", environment.get("POD_NAMESPACE", "default"), "namespace of the Lease that elects a leader")
    add("--lease-name", "headgate-operator", "name of that Lease")
    add("--lease-duration", "15s", "how long a lease that is not renewed keeps other replicas away", type=_seconds)
    add("--lease-renew-deadline", "10s", "how long after its last renewal a leader still writes", type=_seconds)
    add("--lease-retry", "2s", "between renewals, and between looks of followers", type=_seconds)
    add("--metrics-port", "8080", "port of /metrics, /livez and /readyz", type=int)
    add("--log-format", "json", "json or text", type=_one_of("json", "text"))
    add("--log-level", "info", "debug, info, warning or error", type=_one_of("debug", "info", "warning", "error"))
    add("--resync", "5m", "between listings of the whole world", type=_interval)
    add("--secret-poll", "10s", "between looks at the Secrets that profiles and repos name", type=_interval)
    add(
        "--prometheus-url",
        "",
        "base URL of the Prometheus server that policies' queries are asked of",
        type=_url_or_none,
    )
    add("--prometheus-token-file", "", "file with a bearer token for it; read anew for each query", type=_path_or_none)
    add("--prometheus-ca-file", "", "file with the certificate authorities that it is trusted by", type=_path_or_none)
    add("--prometheus-timeout", "5s", "how long one query may take", type=_seconds)
    add("--kubeconfig", environment.get("KUBECONFIG", ""), "path of a kubeconfig; default: the pod's service account")
    return parser


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from a command line and an environment. Exits with a message for what is no setting."""
    parser = _build_parser(environment)
    found = parser.parse_args(arguments)
    if not 0 < found.lease_retry < found.lease_renew_deadline < found.lease_duration:
        parser.error(
            "--lease-retry must be shorter than --lease-renew-deadline, and that shorter than --lease-duration"
        )
    if found.prometheus_timeout <= 0:
        parser.error("--prometheus-timeout: wait for 1ms at least")
    if not found.prometheus_url and (found.prometheus_token_file or found.prometheus_ca_file):
        parser.error("--prometheus-token-file and --prometheus-ca-file mean nothing without --prometheus-url")
    try:
        default_fleet = _fleet(found.default_fleet) if found.default_fleet else None
    except argparse.ArgumentTypeError as error:
        parser.error(f"--default-fleet: {error}")
    templates = found.templates or [Path(part) for part in _split(environment.get("HEADGATE_TEMPLATES", ""))]
    return Settings(
        namespaces=tuple(sorted(set(found.namespace or _split(environment.get("HEADGATE_NAMESPACE", ""))))),
        default_fleet=default_fleet,
        templates=tuple(templates),
        lease_namespace=found.lease_namespace,
        lease_name=found.lease_name,
        lease_duration=found.lease_duration,
        lease_renew_deadline=found.lease_renew_deadline,
        lease_retry=found.lease_retry,
        metrics_port=found.metrics_port,
        log_format=found.log_format,
        log_level=found.log_level,
        resync=found.resync,
        secret_poll=found.secret_poll,
        # A process that is started again in the same pod is another holder: it must not take its own old lease for held.
        identity=f"{environment.get('POD_NAME') or socket.gethostname()}_{os.urandom(4).hex()}",
        kubeconfig=found.kubeconfig or None,
        prometheus_url=found.prometheus_url,
        prometheus_token_file=found.prometheus_token_file,
        prometheus_ca_file=found.prometheus_ca_file,
        prometheus_timeout=found.prometheus_timeout,
    )
