"""What a request held is gone with its answer, and not only once the garbage collector comes by."""

import asyncio
import gc
import gzip
import random
from collections.abc import Iterator

import pytest
from tests.unit.gateway.builders import chunked, gateway, post, repo_config, until
from tests.unit.gateway.hashes import API_KEYS, BASIC, basic, credentials

from headgate_gateway.http.messages import Response
from headgate_gateway.http.preparation import INLINE_BYTES, BodyDecoding
from headgate_gateway.http.upload import BodyUpload
from headgate_gateway.http.workers import Workers

CONFIG = repo_config(auth={**API_KEYS, **BASIC}, limits={"bodyBytes": "1Mi", "perGateway": {"requestsPerSecond": 99}})
FILES = credentials(keys={"a": "k"}, users={"ann": "s3cret"})
KEY, GZIP = "X-API-Key: k", "Content-Encoding: gzip"
LONG = b'{"a":"%b"}' % random.Random(1).randbytes(3 * INLINE_BYTES).hex().encode()


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def uploads() -> int:
    return sum(isinstance(thing, BodyUpload) for thing in gc.get_objects())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(post(gzip.compress(b'{"a":1}\n{"a":2}'), KEY, GZIP), 200, id="decoded"),
        pytest.param(post(gzip.compress(LONG), KEY, GZIP), 200, id="decoded in a thread"),
        pytest.param(post(b"no", KEY, GZIP), 400, id="no gzip"),
        pytest.param(post(gzip.compress(LONG)[:-9], KEY, GZIP), 400, id="no gzip, found in a thread"),
        pytest.param(post(gzip.compress(bytes(2**21)), KEY, GZIP), 413, id="too large once decoded"),
        pytest.param(post(b"{}", basic("ann", "s3cret")), 200, id="a right password"),
        pytest.param(post(b"{}", basic("ann", "no")), 401, id="a wrong password"),
        pytest.param(chunked(b"{}").replace(b"gw", b"gw\r\nX-API-Key: k"), 200, id="a metered body"),
        pytest.param(post(b"", KEY, GZIP, length=2**20), 499, id="abandoned"),
        pytest.param(post(b"", basic("ann", "no"), length=2**20), 499, id="abandoned while in doubt"),
    ],
)
async def test_an_upload_refers_to_nothing_that_refers_to_it(request_: bytes, status: int) -> None:
    async with gateway(CONFIG, credentials=FILES) as g:
        client = await g.connect()
        client.send(request_)
        if status == 499:
            await asyncio.sleep(0.05)
            await client.close()
        else:
            assert (await client.answer()).status == status
        await until(lambda: not uploads() and not g.budget.reserved)
        assert g.counters().requests == {status: 1}


class Taker:
    """An upload that keeps the body it is given."""

    def __init__(self) -> None:
        self.body: bytes | bytearray = b""

    def reserve(self, nbytes: int) -> None:
        del nbytes

    def release(self, nbytes: int) -> None:
        del nbytes

    def proceed(self, body: bytes | bytearray) -> None:
        self.body = body

    def refuse(self, response: Response, judged_as: int | None = None) -> None:
        raise AssertionError(response, judged_as)

    def attempt(self, *_: object) -> None:
        raise AssertionError


def test_a_decoded_body_is_the_pipelines_alone() -> None:
    taker = Taker()
    decoding = BodyDecoding(taker, b"gzip", 2**20, "id", Workers(1))
    decoding.begin(gzip.compress(b"{}"))
    assert taker.body == b"{}"
    assert decoding not in gc.get_referrers(taker.body)
