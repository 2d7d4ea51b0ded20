"""TLS and SASL against real listeners: what authenticates, what is refused, and how rotated credentials are adopted."""

import asyncio
from base64 import urlsafe_b64encode
from pathlib import Path
from time import time

import pytest
from tests.testbed.kafka import Kafka, Mechanism

from headgate_gateway.config.producer import ProducerConfig, SaslConfig, SaslMechanism, TlsConfig
from headgate_gateway.kafka.credentials import CredentialsInvalidError
from headgate_gateway.kafka.pool import ProducerPool
from headgate_gateway.kafka.status import ProducerState

from .producing import make_config, make_records, new_name, now_ms, producing, read_all, settled, until

pytestmark = pytest.mark.kafka

TLS = TlsConfig(ca_file="ca")


def scram(mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512) -> SaslConfig:
    return SaslConfig(mechanism=mechanism, username_file="user", password_file="password")


def credentials(kafka: Kafka, user: str, password: str) -> dict[str, bytes]:
    return {"ca": Path(kafka.ca).read_bytes(), "user": user.encode(), "password": password.encode()}


async def deliver(kafka: Kafka, config: ProducerConfig, given: dict[str, bytes]) -> None:
    topic = new_name("secure")
    kafka.create_topic(topic, partitions=1)
    async with producing(config, given) as producer:
        outcome = await producer.submit(make_records(topic, [b"a"]), now_ms())
        assert outcome.complete, outcome.message
        assert producer.state is ProducerState.READY
    assert [read.value for read in read_all(kafka.bootstrap, topic)] == [b"a"]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_scram_over_tls_delivers(kafka: Kafka, mechanism: Mechanism) -> None:
    user = new_name("user")
    kafka.add_scram_user(user, "right", mechanism)
    config = make_config(kafka.bootstrap_scram, tls=TLS, sasl=scram(SaslMechanism(mechanism)))
    await deliver(kafka, config, credentials(kafka, user, "right\n"))


async def test_plain_over_tls_delivers(kafka: Kafka) -> None:
    config = make_config(kafka.bootstrap_plain, tls=TLS, sasl=scram(SaslMechanism.PLAIN))
    await deliver(kafka, config, credentials(kafka, kafka.plain_user, kafka.plain_password))


async def test_tls_without_sasl_delivers(kafka: Kafka) -> None:
    await deliver(kafka, make_config(kafka.bootstrap_tls, tls=TLS), credentials(kafka, "", ""))


async def test_client_certificate_delivers(kafka: Kafka) -> None:
    certificates, topic = kafka.certificates, new_name("mutual")
    kafka.create_topic(topic, partitions=1)
    given = {
        "ca": certificates.ca.read_bytes(),
        "crt": certificates.client_certificate.read_bytes(),
        "key": certificates.client_key.read_bytes(),
    }
    tls = TlsConfig(ca_file="ca", certificate_file="crt", key_file="key")
    pool = ProducerPool()
    lease = pool.acquire(make_config(kafka.bootstrap_tls, tls=tls), given)
    outcome = await lease.producer.submit(make_records(topic, [b"a"]), now_ms())
    assert outcome.complete, outcome.message
    await pool.close(1)


async def test_new_credentials_that_no_broker_must_judge_are_reported_and_not_adopted(kafka: Kafka) -> None:
    pool = ProducerPool()
    config = make_config(kafka.bootstrap_tls, tls=TLS)
    lease = pool.acquire(config, credentials(kafka, "", ""))
    serving = lease.producer
    again = pool.acquire(config, {"ca": b"no certificate"})
    assert again.producer is serving
    assert "file ca holds no usable certificate" in pool.report()[0].last_error
    pool.acquire(config, credentials(kafka, "", ""))
    assert "usable" not in pool.report()[0].last_error
    with pytest.raises(CredentialsInvalidError):
        pool.acquire(make_config(kafka.bootstrap_tls, tls=TLS, delivery_timeout=777), {"ca": b"no certificate"})
    await pool.close(1)


async def test_oauth_token_delivers(kafka: Kafka) -> None:
    def part(text: str) -> str:
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    # An unsigned token: the testbed's broker takes them.
    now = int(time())
    head, claims = part('{"alg":"none"}'), part(f'{{"sub":"headgate","iat":{now},"exp":{now + 600}}}')
    token = f"{head}.{claims}."
    sasl = SaslConfig(mechanism=SaslMechanism.OAUTHBEARER, token_file="token")
    given = credentials(kafka, "", "") | {"token": token.encode()}
    await deliver(kafka, make_config(kafka.bootstrap_oauth, tls=TLS, sasl=sasl), given)


async def test_wrong_password_is_an_authentication_failure_and_the_right_one_later_is_noticed(kafka: Kafka) -> None:
    user, topic = new_name("user"), new_name("later")
    kafka.create_topic(topic, partitions=1)
    kafka.add_scram_user(user, "other")
    config = make_config(kafka.bootstrap_scram, tls=TLS, sasl=scram())
    async with producing(config, credentials(kafka, user, "right")) as producer:
        assert await settled(producer) is ProducerState.AUTHENTICATION_FAILED
        assert producer.down is not None
        assert "Authentication failed" in producer.down
        await asyncio.to_thread(kafka.add_scram_user, user, "right")
        await until(lambda: producer.down is None, 3.0)
        assert (await producer.submit(make_records(topic, [b"a"]), now_ms())).complete


async def test_certificate_of_a_stranger_is_an_authentication_failure(kafka: Kafka) -> None:
    config = make_config(kafka.bootstrap_tls, tls=TlsConfig())
    async with producing(config) as producer:
        assert await settled(producer) is ProducerState.AUTHENTICATION_FAILED
        assert "certificate" in (producer.down or "")


async def test_plaintext_to_a_tls_listener_is_down_and_says_where(kafka: Kafka) -> None:
    async with producing(make_config(kafka.bootstrap_tls, delivery_timeout=1000)) as producer:
        assert await settled(producer) is ProducerState.UNREACHABLE
        assert kafka.bootstrap_tls in (producer.down or "")


async def test_rotated_password_is_adopted_once_kafka_takes_it(kafka: Kafka) -> None:
    user, topic = new_name("user"), new_name("rotation")
    kafka.create_topic(topic, partitions=1)
    kafka.add_scram_user(user, "old")
    config = make_config(kafka.bootstrap_scram, tls=TLS, sasl=scram())
    pool = ProducerPool()
    lease = pool.acquire(config, credentials(kafka, user, "old"))
    before = lease.producer
    await settled(before)

    # The Secret changes first: Kafka does not know the new password yet.
    again = pool.acquire(config, credentials(kafka, user, "new"))
    await until(lambda: ProducerState.AUTHENTICATION_FAILED in [row.state for row in pool.report()])
    assert lease.producer is before
    assert again.producer is before
    assert (await lease.producer.submit(make_records(topic, [b"meanwhile"]), now_ms())).complete
    refused = next(row for row in pool.report() if row.candidate)
    assert "Authentication failed" in refused.last_error

    held = before.reserve(10)
    await asyncio.to_thread(kafka.add_scram_user, user, "new")
    await until(lambda: lease.producer is not before)
    assert held
    assert (await lease.producer.submit(make_records(topic, [b"after"]), now_ms())).complete
    # A request that began with the old producer is delivered by the new one.
    assert (await before.submit(make_records(topic, [b"begun"]), now_ms())).complete
    before.release(10)
    await until(lambda: before.state is ProducerState.CLOSED)
    # So does an upload that is slower than the old producer's end.
    assert (await before.submit(make_records(topic, [b"slow"]), now_ms())).complete
    assert [row.candidate for row in pool.report()] == [False]

    lease.release()
    again.release()
    await until(lambda: pool.report() == [])
    await pool.close(1)
    assert {read.value for read in read_all(kafka.bootstrap, topic)} == {b"meanwhile", b"after", b"begun", b"slow"}


async def test_profile_with_other_content_is_a_producer_of_its_own(kafka: Kafka) -> None:
    pool = ProducerPool()
    one = pool.acquire(make_config(kafka.bootstrap), {})
    same = pool.acquire(make_config(kafka.bootstrap), {"unrelated": b"x"})
    other = pool.acquire(make_config(kafka.bootstrap, delivery_timeout=5_000), {})
    assert one.producer is same.producer
    assert one.producer is not other.producer
    assert [row.users for row in pool.report()] == [2, 1]
    one.release()
    one.release()
    assert [row.users for row in pool.report()] == [1, 1]
    await pool.close(1)
    assert same.producer.state is ProducerState.CLOSED
