"""Brokers' properties, ports and what goes into a build's context."""

from pathlib import Path

import pytest
from tests.testbed import building, ports
from tests.testbed.errors import TestbedError
from tests.testbed.kafka_config import build_properties
from tests.testbed.kafka_listeners import PORTS_OF_A_BROKER, BrokerPorts, build_broker


def properties(brokers: int, index: int = 0) -> dict[str, str]:
    size = len(PORTS_OF_A_BROKER)
    chosen = [BrokerPorts(*range(1000 * number, 1000 * number + size)) for number in range(1, brokers + 1)]
    text = build_properties(build_broker(index, chosen))
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize(("brokers", "replicas", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_replication_fits_the_number_of_brokers(brokers: int, replicas: str, in_sync: str) -> None:
    told = properties(brokers)
    assert (told["default.replication.factor"], told["min.insync.replicas"]) == (replicas, in_sync)


def test_a_broker_listens_on_loopback_alone() -> None:
    told = properties(3, index=1)
    assert all("127.0.0.1" in each for each in told["listeners"].split(","))
    assert told["node.id"] == "2"
    assert told["controller.quorum.voters"] == "1@127.0.0.1:1005,2@127.0.0.1:2005,3@127.0.0.1:3005"


def test_every_way_in_has_its_mechanism() -> None:
    told = properties(1)
    assert told["listener.name.scram.sasl.enabled.mechanisms"] == "SCRAM-SHA-256,SCRAM-SHA-512"
    assert told["listener.name.oauth.sasl.enabled.mechanisms"] == "OAUTHBEARER"
    assert told["listener.name.plain.sasl.enabled.mechanisms"] == "PLAIN"
    assert "SCRAM:SASL_SSL" in told["listener.security.protocol.map"]


def test_a_way_in_by_a_proxy_advertises_the_proxy() -> None:
    told = properties(1)
    assert "PROXIED://127.0.0.1:1006" in told["listeners"].split(",")
    assert "PROXIED://127.0.0.1:1007" in told["advertised.listeners"].split(",")
    assert "PROXIED:SASL_PLAINTEXT" in told["listener.security.protocol.map"]


def test_topics_are_never_made_by_asking_for_them() -> None:
    assert properties(1)["auto.create.topics.enable"] == "false"


def test_free_ports_differ_and_stay_below_outgoing_ones() -> None:
    found = ports.free(6, 22_000)
    assert len(set(found)) == 6
    assert all(22_000 <= port < ports.LAST for port in found)


def test_too_few_ports_are_an_error() -> None:
    with pytest.raises(TestbedError, match="no 5 free ports"):
        ports.free(5, ports.LAST - 2)


def test_the_bundle_is_the_first_that_exists(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    assert building.certificate_bundle({"PIP_CERT": str(tmp_path / "none"), "SSL_CERT_FILE": str(bundle)}) == bundle
    assert building.certificate_bundle({}, [tmp_path / "none", bundle]) == bundle
    assert building.certificate_bundle({}, [tmp_path / "none"]) is None


def test_a_context_holds_sources_and_the_bundle_and_no_bytecode(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "gateway" / "__pycache__").mkdir(parents=True)
    (checkout / "gateway" / "app.py").touch()
    (checkout / "tests").mkdir()
    (checkout / "Dockerfile.gateway").write_text("FROM x")
    bundle = tmp_path / "ca.crt"
    bundle.write_text("CA")
    context = tmp_path / "context"
    building.fill_context(context, checkout / "Dockerfile.gateway", bundle)
    found = sorted(str(path.relative_to(context)) for path in context.rglob("*"))
    assert found == ["Dockerfile", "build-ca.crt", "gateway", "gateway/app.py"]
