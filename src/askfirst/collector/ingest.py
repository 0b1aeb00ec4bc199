"""`POST /v1/events`: a batch of events of one tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from askfirst.collector.frames import encode
from askfirst.collector.pipeline import DropReason, Rules, Sifted, Terms, sift
from askfirst.collector.request import Refusal

MOST_EVENTS = 1_000  # in one batch

T = TypeVar("T")


class Batch(msgspec.Struct):
    """What a sender delivers; `contract` is the digest of the contract that formed the events."""

    tool: str
    events: list[Any]
    contract: str | None = None


_decoder = msgspec.json.Decoder(Batch)


class Taken(NamedTuple):
    payload: bytes
    tool: str
    accepted: int
    dropped: list[tuple[str | None, DropReason]]


def terms_of(terms: Mapping[str, Terms], tool: str) -> Terms:
    """Return what a tool may send. Raises Refusal (404) for a tool without a contract."""
    if tool not in terms:
        raise Refusal(404, "this collector has no contract for that tool; ask its operator")
    return terms[tool]


def take(body: bytes, terms: Mapping[str, Terms], now: int, _admit: Any = None) -> Taken:
    batch = decode(_decoder, body)
    check_size(len(batch.events))
    mine = terms_of(terms, batch.tool)
    lenient = batch.contract is not None and batch.contract != mine.contract.digest
    return taken(sift(batch.events, Rules(mine, now, lenient)))


def take_command(body: bytes, terms: Mapping[str, Terms], now: int, _admit: Any = None) -> Taken:
    from askfirst.collector import wolkenkit

    return wolkenkit.take_command(body, terms, now)


def taken(sifted: Sifted) -> Taken:
    frame = sifted.frame
    payload = encode(frame) if frame.id or frame.counts else b""
    return Taken(payload, frame.tool, sifted.accepted, sifted.dropped)


def answer(taken: Taken) -> bytes:
    return msgspec.json.encode(
        {
            "accepted": taken.accepted,
            "dropped": [{"id": id_, "reason": reason.value} for id_, reason in taken.dropped],
        }
    )


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
