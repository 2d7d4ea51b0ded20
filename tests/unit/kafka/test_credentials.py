import ssl
import tempfile
from pathlib import Path

import pytest
from tests.testbed import tls
from tests.testbed.tls import Certificates

from headgate_gateway.config.producer import ProducerConfig, SaslConfig, SaslMechanism, TlsConfig
from headgate_gateway.kafka.credentials import CredentialsInvalidError, build_security
from headgate_gateway.kafka.pool import profile_hash, secret_hash

USER = SaslConfig(mechanism=SaslMechanism.SCRAM_SHA_512, username_file="user", password_file="password")
BROKEN_PEM = b"-----BEGIN CERTIFICATE-----\n\xff???\n-----END CERTIFICATE-----\n"
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
    security = build_security(config(tls, sasl), {"user": b"u", "password": b"p"})
    assert security.protocol == protocol


def test_trailing_line_break_is_not_part_of_a_password() -> None:
    security = build_security(config(sasl=USER), {"user": b"u\n", "password": b"p \r\n"})
    assert security.sasl["sasl_plain_username"] == "u"
    assert security.sasl["sasl_plain_password"] == "p "


def test_secrets_are_not_in_the_representation() -> None:
    assert "hidden" not in repr(build_security(config(sasl=USER), {"user": b"u", "password": b"hidden"}))


async def test_token_is_handed_out() -> None:
    security = build_security(config(sasl=TOKEN), {"token": b"t0k3n"})
    assert await security.sasl["sasl_oauth_token_provider"].token() == "t0k3n"


@pytest.mark.parametrize(
    ("wanted", "credentials", "message"),
    [
        (config(sasl=USER), {"user": b"u"}, "file password is missing"),
        (config(sasl=USER), {"user": b"\xff", "password": b"p"}, "not UTF-8"),
        (config(tls=TlsConfig(ca_file="ca")), {"ca": b"nonsense"}, "file ca holds no usable certificate"),
        (config(tls=TlsConfig(ca_file="ca")), {"ca": b""}, "file ca holds no usable certificate"),
        (
            config(tls=TlsConfig(ca_file="ca")),
            {"ca": b"# \xc3\xa9\n" + BROKEN_PEM},
            "file ca holds no usable certificate",
        ),
        (
            config(tls=TlsConfig(certificate_file="crt", key_file="key")),
            {"crt": b"nonsense", "key": b"nonsense"},
            "not usable",
        ),
        (config(tls=TlsConfig(certificate_file="crt")), {"crt": b""}, "names no file for the client certificate's key"),
    ],
    ids=["missing", "binary", "bad-ca", "empty-ca", "broken-ca", "bad-certificate", "no-key"],
)
def test_credentials_that_no_broker_must_judge_are_refused(
    wanted: ProducerConfig, credentials: dict[str, bytes], message: str
) -> None:
    with pytest.raises(CredentialsInvalidError, match=message):
        build_security(wanted, credentials)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return tls.ensure(tmp_path_factory.mktemp("certificates"))


def test_comments_in_a_bundle_may_be_in_any_language(certificates: Certificates) -> None:
    bundle = "# Zertifizierungsstelle für Tests\n".encode() + b"# latin: \xe9\n" + certificates.ca.read_bytes()
    bundle += certificates.other_ca.read_bytes()
    context = build_security(config(tls=TlsConfig(ca_file="ca")), {"ca": bundle}).context
    assert context is not None
    assert len(context.get_ca_certs()) == 2


def test_a_client_certificate_needs_no_directory_to_write_to(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", read_only)
    given = {"crt": certificates.client_certificate.read_bytes(), "key": certificates.client_key.read_bytes()}
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    wanted = config(tls=TlsConfig(certificate_file="crt", key_file="key"))
    assert isinstance(build_security(wanted, given).context, ssl.SSLContext)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files


def test_only_the_files_that_a_profile_names_count_for_its_hash() -> None:
    wanted = config(sasl=USER)
    assert wanted.credential_files == ("user", "password")
    one = secret_hash(wanted, {"user": b"u", "password": b"p", "other": b"1"})
    assert one == secret_hash(wanted, {"user": b"u", "password": b"p", "other": b"2"})
    assert one != secret_hash(wanted, {"user": b"u", "password": b"q"})
    assert profile_hash(wanted) != profile_hash(config())
