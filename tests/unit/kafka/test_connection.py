"""What opening a connection ends in, where no broker is needed to tell."""

import pytest

from headgate_gateway.kafka.connection import ConnectionFailedError, CredentialsRefusedError, open_connection
from headgate_gateway.kafka.credentials import Security


async def test_a_host_that_is_no_name_is_no_matter_of_credentials() -> None:
    with pytest.raises(ConnectionFailedError, match=r"a\.\.b:9092: not a host name") as caught:
        await open_connection("a..b", 9092, Security(), patience=1.0)
    assert not isinstance(caught.value, CredentialsRefusedError)
