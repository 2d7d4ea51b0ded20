"""From the files that a profile names to what a connection needs: TLS context, SASL user, OAuth token.

Credentials stay in memory: a gateway's pod has no directory that it may write to. The producer calls this once, when
it is made.
"""

import os
import re
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from headgate_gateway.config.producer import ProducerConfig, SaslConfig, SaslMechanism, TlsConfig


class CredentialsInvalidError(ValueError):
    """Credentials that no broker needs to be asked about: a missing file, a broken certificate."""


class _FixedToken(AbstractTokenProvider):  # type: ignore[misc, unused-ignore]
    """The token that the profile's file holds. A new token is a new credential, hence a new producer."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token


@dataclass(frozen=True)
class Security:
    """How connections of one producer are secured, in aiokafka's terms."""

    protocol: str = "PLAINTEXT"
    context: ssl.SSLContext | None = None
    sasl: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Keyword arguments of `create_conn`."""


def build_security(config: ProducerConfig, credentials: Mapping[str, bytes]) -> Security:
    """Make a profile's security from the contents of its files, by name. Raises CredentialsInvalidError."""
    context = None if config.tls is None else _build_context(config.tls, credentials)
    sasl = {} if config.sasl is None else _build_sasl(config.sasl, credentials)
    protocol = ("SASL_" if sasl else "") + ("SSL" if context else "PLAINTEXT")
    return Security(protocol, context, sasl)


def _content(name: str | None, what: str, credentials: Mapping[str, bytes]) -> bytes:
    if name is None:
        raise CredentialsInvalidError(f"the profile names no file for {what}")
    content = credentials.get(name)
    if content is None:
        raise CredentialsInvalidError(f"{what}: file {name} is missing")
    return content


def _text(name: str | None, what: str, credentials: Mapping[str, bytes]) -> str:
    try:
        # Secrets made with `echo` end in a line break that nobody means.
        return _content(name, what, credentials).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CredentialsInvalidError(f"{what}: file {name} is not UTF-8 text") from error


_CERTIFICATE = re.compile(rb"-----BEGIN (X509 )?CERTIFICATE-----.*?-----END (X509 )?CERTIFICATE-----", re.DOTALL)


def _build_context(tls: TlsConfig, credentials: Mapping[str, bytes]) -> ssl.SSLContext:
    authority = None if tls.ca_file is None else _authority(tls.ca_file, credentials)
    try:
        context = ssl.create_default_context(cadata=authority)
    except (ssl.SSLError, ValueError, TypeError, OSError) as error:
        raise CredentialsInvalidError(f"file {tls.ca_file} holds no usable certificate: {error}") from error
    if tls.certificate_file is not None:
        certificate = _content(tls.certificate_file, "the client certificate", credentials)
        key = _content(tls.key_file, "the client certificate's key", credentials)
        _load_client_certificate(context, certificate, key)
    return context


def _authority(name: str, credentials: Mapping[str, bytes]) -> str:
    """The certificates of a bundle, without the comments between them, which may be in any language.

    One without certificates is refused: handed an empty text, OpenSSL would trust the system's authorities instead.
    """
    content = _content(name, "the certificate authority", credentials)
    blocks = [found[0].decode("ascii", "ignore") for found in _CERTIFICATE.finditer(content)]
    if not blocks:
        raise CredentialsInvalidError(f"file {name} holds no usable certificate: no PEM block of one is in it")
    return "\n".join(blocks)


def _load_client_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    try:
        with _as_file(certificate + b"\n" + key) as path:
            # A password makes an encrypted key an error; without one OpenSSL would ask on the terminal.
            context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise CredentialsInvalidError(f"the client certificate and its key are not usable: {error}") from error


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path that OpenSSL can open, since it loads client certificates from files only: memory that looks like one."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("client-certificate"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        # A laptop: readable by its owner alone (mkstemp's mode), gone again at once.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(content)
            file.flush()
            yield file.name


def _build_sasl(sasl: SaslConfig, credentials: Mapping[str, bytes]) -> dict[str, Any]:
    arguments: dict[str, Any] = {"sasl_mechanism": sasl.mechanism.value}
    if sasl.mechanism is SaslMechanism.OAUTHBEARER:
        arguments["sasl_oauth_token_provider"] = _FixedToken(_text(sasl.token_file, "the token", credentials))
        return arguments
    arguments["sasl_plain_username"] = _text(sasl.username_file, "the user name", credentials)
    arguments["sasl_plain_password"] = _text(sasl.password_file, "the password", credentials)
    return arguments
