"""A real gateway process that runs out of connections, and out of open files."""

import asyncio
from pathlib import Path

from tests.integration.gateway.process import GatewayProcess, repo, running, until, write_config
from tests.unit.gateway.builders import Client

STATUS = b"GET /status HTTP/1.1\r\nHost: gw\r\n\r\n"
FEW_FILES = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")


async def status_of(client: Client) -> int | None:
    """None: the connection ended without an answer."""
    try:
        client.send(STATUS)
        return (await client.answer()).status
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def serves_again(gateway: GatewayProcess) -> bool:
    client = await gateway.connect()
    try:
        return await status_of(client) == 200
    finally:
        await client.close()


async def test_a_gateway_takes_as_many_connections_as_its_files_allow(tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", "127.0.0.1:1", "t"))
    async with running(tmp_path, within=FEW_FILES) as gateway:
        assert (await gateway.logged("traffic port open"))["maxConnections"] == 32
        clients = [await gateway.connect() for _ in range(36)]
        assert [await status_of(client) for client in clients] == [200] * 32 + [503] * 4


async def test_a_gateway_without_files_serves_those_who_are_there_and_takes_others_afterwards(tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", "127.0.0.1:1", "t"))
    async with running(tmp_path, within=FEW_FILES) as gateway:
        clients = [await gateway.connect() for _ in range(32)]
        assert {await status_of(client) for client in clients} == {200}
        beyond = [await gateway.connect() for _ in range(100)]
        assert {await status_of(client) for client in clients} == {200}
        assert {await status_of(client) for client in beyond} <= {503, None}
        for client in [*clients, *beyond]:
            await client.close()
        await until(lambda: serves_again(gateway))
