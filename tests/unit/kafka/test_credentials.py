import pytest

from headgate_gateway.config.producer import ProducerConfig, SaslConfig, SaslMechanism, TlsConfig
from headgate_gateway.kafka.credentials import CredentialsInvalidError, build_security, credential_files
from headgate_gateway.kafka.pool import credentials_hash, profile_hash

USER = SaslConfig(mechanism=SaslMechanism.SCRAM_SHA_512, username_file="user", password_file="password")
TOKEN = SaslConfig(mechanism=SaslMechanism.OAUTHBEARER, token_file="token")


def config(tls: TlsConfig | None = None, sasl: SaslConfig | None = None) -> ProducerConfig:
    return ProducerConfig(name="main", bootstrap_servers=("127.0.0.1:1",), tls=tls, sasl=sasl)


@pytest.mark.parametrize(
    ("tls", "sasl", "protocol"),
    [
        (None, None, "PLAINTEXT"),
        (TlsConfig(), None, "SSL"),
        (None, USER, "SASL_PLAINTEXT"),
        (TlsConfig(), USER, "SASL_SSL"),
    ],
)
def test_protocol_follows_from_tls_and_sasl(tls: TlsConfig | None, sasl: SaslConfig | None, protocol: str) -> None:
    security = build_security(config(tls, sasl), {"user": b"u", "password": b"p"}, None)
    assert security.protocol == protocol


def test_trailing_line_break_is_not_part_of_a_password() -> None:
    security = build_security(config(sasl=USER), {"user": b"u\n", "password": b"p \r\n"}, None)
    assert security.sasl["sasl_plain_username"] == "u"
    assert security.sasl["sasl_plain_password"] == "p "


def test_secrets_are_not_in_the_representation() -> None:
    assert "hidden" not in repr(build_security(config(sasl=USER), {"user": b"u", "password": b"hidden"}, None))


async def test_token_is_handed_out() -> None:
    security = build_security(config(sasl=TOKEN), {"token": b"t0k3n"}, None)
    assert await security.sasl["sasl_oauth_token_provider"].token() == "t0k3n"


@pytest.mark.parametrize(
    ("wanted", "credentials", "message"),
    [
        (config(sasl=USER), {"user": b"u"}, "file password is missing"),
        (config(sasl=USER), {"user": b"\xff", "password": b"p"}, "not UTF-8"),
        (config(tls=TlsConfig(ca_file="ca")), {"ca": b"nonsense"}, "file ca holds no usable certificate"),
        (
            config(tls=TlsConfig(certificate_file="crt", key_file="key")),
            {"crt": b"nonsense", "key": b"nonsense"},
            "not usable",
        ),
        (config(tls=TlsConfig(certificate_file="crt")), {"crt": b""}, "names no file for the client certificate's key"),
    ],
    ids=["missing", "binary", "bad-ca", "bad-certificate", "no-key"],
)
def test_credentials_that_no_broker_must_judge_are_refused(
    wanted: ProducerConfig, credentials: dict[str, bytes], message: str
) -> None:
    with pytest.raises(CredentialsInvalidError, match=message):
        build_security(wanted, credentials, None)


def test_only_the_files_that_a_profile_names_count_for_its_hash() -> None:
    wanted = config(sasl=USER)
    assert credential_files(wanted) == ("user", "password")
    one = credentials_hash(wanted, {"user": b"u", "password": b"p", "other": b"1"})
    assert one == credentials_hash(wanted, {"user": b"u", "password": b"p", "other": b"2"})
    assert one != credentials_hash(wanted, {"user": b"u", "password": b"q"})
    assert profile_hash(wanted) != profile_hash(config())
