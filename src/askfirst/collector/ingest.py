"""`POST /v1/events`: a batch of events of one tool."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from askfirst.collector.collector import Collector
from askfirst.collector.frames import encode
from askfirst.collector.pipeline import Rules, Sifted, sift
from askfirst.collector.request import Refusal

MOST_EVENTS = 1_000  # in one batch

T = TypeVar("T")


class Batch(msgspec.Struct):
    """What a sender delivers; `contract` is the digest of the contract that formed the events."""

    tool: str
    events: list[Any]
    contract: str | None = None


_decoder = msgspec.json.Decoder(Batch)


async def take_events(collector: Collector, body: bytes) -> object:
    """Take a batch: answer once what is accepted would survive a power cut."""
    batch = decode(_decoder, body)
    check_size(len(batch.events))
    terms = collector.terms_of(batch.tool)
    lenient = batch.contract is not None and batch.contract != terms.contract.digest
    sifted = sift(batch.events, Rules(terms, collector.now(), lenient))
    return await keep(collector, sifted)


async def keep(collector: Collector, sifted: Sifted) -> object:
    """Bring what was sifted to the log, count it, and return the answer."""
    frame, tool = sifted.frame, sifted.frame.tool
    if frame.id or frame.counts:
        await collector.log.append(encode(frame))
    collector.metrics.add("askfirst_events_accepted_total", sifted.accepted, tool=tool)
    for _, reason in sifted.dropped:
        collector.metrics.add("askfirst_events_dropped_total", tool=tool, reason=reason.value)
    return {
        "accepted": sifted.accepted,
        "dropped": [{"id": id_, "reason": reason.value} for id_, reason in sifted.dropped],
    }


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Read a body. Raises Refusal: 400 if it is not JSON, 422 if it has the wrong shape."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Refusal(422, f"the body has the wrong shape: {error}; see /openapi.json") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "the body is not JSON; send one JSON object in UTF-8") from error


def check_size(events: int) -> None:
    """Refuse a batch of more than MOST_EVENTS."""
    if events > MOST_EVENTS:
        raise Refusal(413, f"send at most {MOST_EVENTS} events in a batch; split it")
