"""What executors may know besides their config. Holds data, decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headgate_gateway.config.auth import repo_secret_file

KEY_PART = "key."


@dataclass(frozen=True, slots=True)
class ExecutorContext:
    """Whose executors they are, and what the Secrets hold that they name."""

    namespace: str
    """The repo's namespace, in which its Secrets lie."""
    repo: str
    """The repo's name."""
    credentials: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Contents of the credential files, by file name."""

    def secret_entry(self, secret: str, entry: str) -> bytes:
        """The bytes of one entry of a Secret. Raises ValueError when this gateway does not have it."""
        try:
            return self.credentials[repo_secret_file(self.namespace, secret, f"{KEY_PART}{entry}")]
        except KeyError:
            raise ValueError(f"this gateway has no entry {entry!r} of Secret {self.namespace}/{secret}") from None
