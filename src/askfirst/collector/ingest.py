"""`POST /v1/events`: a batch of events of one tool, from the JSON text to a frame of the log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from askfirst.collector.compiled import MOST_EVENTS, Admit
from askfirst.collector.frames import EventsFrame, encode
from askfirst.collector.pipeline import DropReason, Rules, Terms, sift
from askfirst.collector.request import Refusal

SMALL_BODY = 256 * 1024  # bytes; whatever such a body holds is little
MOST_VALUES = 100_000  # JSON values in a larger one: 1,000 events of 100, some 20 MB once decoded

T = TypeVar("T")
Dropped = list[tuple[str | None, DropReason]]

_START = b'{"tool":"'  # how our client, and most others, begin
_LONGEST_TOOL = 40
_TOOL = re.compile(rb'\s*\{\s*"tool"\s*:\s*"([a-z0-9-]+)"')
_QUOTED = re.compile(r" '.*'", re.DOTALL)  # a value that was sent; none is ever sent back


class Batch(msgspec.Struct):
    """What a sender delivers; `contract` is the digest of the contract that formed the events."""

    tool: str
    events: list[Any]
    contract: str | None = None


class _Head(msgspec.Struct):
    tool: str


class Taken(NamedTuple):
    """What one request came to.

    `payload` is the frame for the log, b"" if there is nothing to keep; `accepted` says how many
    events are in it. `dropped` has, for each other event, its id (None if that is no UUID) and why;
    `counts` is what the frame says about quality.
    """

    payload: bytes
    tool: str
    accepted: int
    dropped: Dropped
    counts: dict[str, int]


Take: TypeAlias = Callable[[bytes], Taken]  # a body -> what it comes to; raises Refusal

_batch = msgspec.json.Decoder(Batch)
_head = msgspec.json.Decoder(_Head)
_encode = msgspec.json.Encoder().encode


def take(body: bytes, terms: Mapping[str, Terms], now: int, admit: Admit | None = None) -> Taken:
    """Hold a batch to the contract of its tool.

    `body` is JSON text, `now` is ms UTC. `admit` is asked once for each event that is otherwise
    fine; if it says False, the event is dropped with DAILY_CAP. Raises Refusal: 400 if the body is
    not JSON, 404 for a tool without a contract, 413 for too much, 422 for another shape.
    """
    if len(body) > SMALL_BODY:
        check_values(body)
    meant = terms.get(tool_of(body))
    checked = meant.compiled.take(body, now, admit) if meant else None
    if checked is None:
        return take_by_steps(body, terms, now, admit)
    if checked.dropped:
        checked.frame.counts.update(Counter(f"dropped:{why}" for _, why in checked.dropped))
    return taken(checked.frame, [(id_, DropReason(why)) for id_, why in checked.dropped])


def take_by_steps(
    body: bytes, terms: Mapping[str, Terms], now: int, admit: Admit | None = None
) -> Taken:
    """Do the same through the steps alone: slower, and right by definition."""
    batch = decode(_batch, body)
    check_size(len(batch.events))
    held = terms_of(terms, batch.tool)
    lenient = batch.contract is not None and batch.contract != held.contract.digest
    sifted = sift(batch.events, Rules(held, now, lenient, admit))
    return taken(sifted.frame, sifted.dropped)


def terms_of(terms: Mapping[str, Terms], tool: str) -> Terms:
    """Return what a tool may send. Raises Refusal (404) for a tool without a contract."""
    if tool not in terms:
        raise Refusal(404, "this collector has no contract for that tool; ask its operator")
    return terms[tool]


def taken(frame: EventsFrame, dropped: Dropped) -> Taken:
    """Return what a frame, and what is not in it, come to."""
    accepted = len(frame)
    payload = encode(frame) if accepted or frame.counts else b""
    return Taken(payload, frame.tool, accepted, dropped, frame.counts)


def answer(taken: Taken) -> bytes:
    """Return the body of the 200."""
    if not taken.dropped:
        return _all_accepted(taken.accepted)
    dropped = [{"id": id_, "reason": reason.value} for id_, reason in taken.dropped]
    return _encode({"accepted": taken.accepted, "dropped": dropped})


@lru_cache(MOST_EVENTS + 1)
def _all_accepted(accepted: int) -> bytes:
    return _encode({"accepted": accepted, "dropped": []})


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Read a body. Raises Refusal: 400 if it is not JSON, 422 if it has the wrong shape."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        reason = _QUOTED.sub("", str(error))
        raise Refusal(422, f"the body has the wrong shape: {reason}; see /openapi.json") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "the body is not JSON; send one JSON object in UTF-8") from error


def check_values(body: bytes) -> None:
    """Refuse what would take much more memory decoded than it does as text; look, do not parse."""
    if len(body) > SMALL_BODY and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Refusal(413, f"send at most {MOST_VALUES} JSON values in a body; split the batch")


def check_size(events: int) -> None:
    """Refuse a batch of more than MOST_EVENTS."""
    if events > MOST_EVENTS:
        raise Refusal(413, f"send at most {MOST_EVENTS} events in a batch; split it")


def tool_of(body: bytes) -> str:
    """Return the tool that a body seems to be of, or "". A hint: what decides is the decoder."""
    if body.startswith(_START):
        first = len(_START)
        last = body.find(b'"', first, first + _LONGEST_TOOL + 1)
        if last > 0:
            return body[first:last].decode("latin-1")
    found = _TOOL.match(body)
    if found:
        return found[1].decode()
    try:
        return _head.decode(body).tool
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
