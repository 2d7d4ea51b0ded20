"""The handshake of CloudEvents webhooks: whether a sender may deliver here, and how fast.

HTTP 1.1 Web Hooks for Event Delivery 1.0, section 4. Consent is given in the answer; a callback that the sender offers
is never called, since a gateway sends nothing but records. `ingest` asks for methods other than POST. Pure.
"""

import re

from headgate_gateway.config.endpoint import Endpoint, EventFormat
from headgate_gateway.config.repo import Limits
from headgate_gateway.http.guard import EXCLUDED
from headgate_gateway.http.messages import Head, Response

_ORIGIN = re.compile(rb"[A-Za-z0-9_.:*-]{1,255}")
"""The DNS name of a sending system, perhaps with a port. What is none is not repeated in an answer."""
_RATE = re.compile(rb"[1-9][0-9]{0,17}")


def answer_handshake(head: Head, endpoint: Endpoint, limits: Limits) -> Response | None:
    """Consent to be sent events; None for anything but the handshake of an endpoint that takes them."""
    if head.method != "OPTIONS" or endpoint.format is not EventFormat.CLOUD_EVENTS:
        return None
    origin = head.headers.get("webhook-request-origin", b"")
    if not _ORIGIN.fullmatch(origin):
        return None
    allowed = _allowed_rate(head.headers.get("webhook-request-rate", b""), limits)
    headers = ((b"Allow", b"POST"), (b"WebHook-Allowed-Origin", origin), (b"WebHook-Allowed-Rate", allowed))
    return Response(200, headers=headers)


def judged_as(refusal: Response) -> int | None:
    """What an answer to a head counts as in analysis, where not as its status: a handshake says nothing of a revision."""
    return EXCLUDED if refusal.status == 200 else None


def _allowed_rate(asked: bytes, limits: Limits) -> bytes:
    """Requests a minute: what is asked for, within what one gateway takes; `*`, any, where neither says a number."""
    per_second = limits.per_gateway.requests_per_second if limits.per_gateway is not None else None
    rates = [int(asked)] if _RATE.fullmatch(asked) else []
    if per_second is not None:
        rates.append(per_second * 60)
    return str(min(rates)).encode() if rates else b"*"
