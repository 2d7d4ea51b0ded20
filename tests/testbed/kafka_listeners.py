"""The listeners of a broker on loopback: one for each way in that Headgate offers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from .kafka_config import CONFIG_FOLDER, Broker, Listener

PLAIN_USER, PLAIN_PASSWORD = "headgate", "headgate-secret"
_SECURITY = "org.apache.kafka.common.security"
_TLS = {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": f"{CONFIG_FOLDER}-tls/broker.pem",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": f"{CONFIG_FOLDER}-tls/ca.crt",
}


@dataclass(frozen=True)
class BrokerPorts:
    """Ports on 127.0.0.1, one a listener."""

    plaintext: int
    tls: int
    scram: int
    plain: int
    oauth: int
    controller: int
    proxied: int
    proxy: int


PORTS_OF_A_BROKER = [each.name for each in fields(BrokerPorts)]


def build_broker(index: int, ports: Sequence[BrokerPorts]) -> Broker:
    """Broker `index` of a quorum of all."""
    own = ports[index]
    return Broker(
        node_id=index + 1,
        quorum={number: f"127.0.0.1:{each.controller}" for number, each in enumerate(ports, start=1)},
        controller_bind=f"127.0.0.1:{own.controller}",
        listeners=(
            _listener("PLAINTEXT", own.plaintext, "PLAINTEXT"),
            _listener("TLS", own.tls, "SSL", {**_TLS, "ssl.client.auth": "requested"}),
            _sasl("SCRAM", own.scram, scram_login()),
            _sasl("PLAIN", own.plain, _plain()),
            _sasl("OAUTH", own.oauth, _oauth()),
            _proxied(own),
        ),
    )


def _listener(name: str, port: int, protocol: str, settings: dict[str, str] | None = None) -> Listener:
    address = f"127.0.0.1:{port}"
    return Listener(name, address, address, protocol, settings or {})


def _sasl(name: str, port: int, settings: dict[str, str]) -> Listener:
    return _listener(name, port, "SASL_SSL", {**_TLS, **settings})


def _proxied(own: BrokerPorts) -> Listener:
    """Tells clients another port than its own, so that a test can stand between; without TLS, to see what passes."""
    bind, told = f"127.0.0.1:{own.proxied}", f"127.0.0.1:{own.proxy}"
    return Listener("PROXIED", bind, told, "SASL_PLAINTEXT", scram_login())


def scram_login() -> dict[str, str]:
    """Settings of a listener that takes SCRAM, in both sizes."""
    login = f"{_SECURITY}.scram.ScramLoginModule required;"
    return {
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
        "scram-sha-256.sasl.jaas.config": login,
        "scram-sha-512.sasl.jaas.config": login,
    }


def _plain() -> dict[str, str]:
    users = f'user_{PLAIN_USER}="{PLAIN_PASSWORD}"'
    return {
        "sasl.enabled.mechanisms": "PLAIN",
        "plain.sasl.jaas.config": f"{_SECURITY}.plain.PlainLoginModule required {users};",
    }


def _oauth() -> dict[str, str]:
    # The default handler of this module takes unsigned tokens.
    return {
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "oauthbearer.sasl.jaas.config": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required "
        'unsecuredLoginStringClaim_sub="broker";',
    }
