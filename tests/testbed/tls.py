"""A certificate authority for tests, and certificates for brokers and clients on loopback. Made with openssl."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .commands import require, run

DAYS = "3650"
SERVER_NAMES = "subjectAltName=DNS:localhost,DNS:kafka.kafka.svc,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificates:
    """PEM files. Those of the broker hold key and chain in one file, as Kafka reads them."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The authority that clients have to trust."""
        return self.folder / "ca.crt"

    @property
    def broker(self) -> Path:
        """Key and certificate of every broker."""
        return self.folder / "broker.pem"

    @property
    def client_certificate(self) -> Path:
        """A certificate that brokers accept from clients."""
        return self.folder / "client.crt"

    @property
    def client_key(self) -> Path:
        """Its key, unencrypted, PKCS #8."""
        return self.folder / "client.key"

    @property
    def other_ca(self) -> Path:
        """An authority that signed nothing here, for tests of refusal."""
        return self.folder / "other-ca.crt"


def ensure(folder: Path) -> Certificates:
    """Make the files where they are missing."""
    made = Certificates(folder)
    if made.broker.exists():
        return made
    require("openssl", "install openssl")
    folder.mkdir(parents=True, exist_ok=True)
    _authority(folder, "ca")
    _authority(folder, "other-ca")
    _signed(folder, "client", "headgate-client", "extendedKeyUsage=clientAuth")
    _signed(folder, "broker", "localhost", f"{SERVER_NAMES}\nextendedKeyUsage=serverAuth,clientAuth")
    text = "".join((folder / name).read_text() for name in ("broker.key", "broker.crt", "ca.crt"))
    made.broker.write_text(text)
    for path in folder.iterdir():  # the public Kafka image does not run as root
        path.chmod(0o644)
    return made


def _authority(folder: Path, name: str) -> None:
    run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", f"/CN=testbed {name}",
         "-keyout", f"{name}.key", "-out", f"{name}.crt"], cwd=folder,
    )  # fmt: skip


def _signed(folder: Path, name: str, common_name: str, extensions: str) -> None:
    (folder / f"{name}.ext").write_text(extensions + "\n")
    run(
        ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={common_name}",
         "-keyout", f"{name}.key", "-out", f"{name}.csr"], cwd=folder,
    )  # fmt: skip
    run(
        ["openssl", "x509", "-req", "-days", DAYS, "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
         "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.crt"], cwd=folder,
    )  # fmt: skip
