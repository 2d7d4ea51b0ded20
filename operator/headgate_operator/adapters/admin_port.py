"""How a gateway's admin port is read: its address, and answers of bounded size. Shared by the adapters that ask it."""

import aiohttp

from headgate_operator.api.names import PORT_ADMIN

ANSWER_LIMIT = 4 * 2**20
"""Bytes of an answer that are read: the status of a gateway with thousands of refused repos fits."""


def admin_url(ip: str, path: str) -> str:
    """The URL of a page; an IPv6 address goes into brackets."""
    return f"http://{f'[{ip}]' if ':' in ip else ip}:{PORT_ADMIN}{path}"


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body, cut off at ANSWER_LIMIT: a pod that lies must not fill the operator's memory."""
    content = await response.content.read(ANSWER_LIMIT)
    while not response.content.at_eof() and len(content) < ANSWER_LIMIT:
        content += await response.content.read(ANSWER_LIMIT - len(content))
    return content
