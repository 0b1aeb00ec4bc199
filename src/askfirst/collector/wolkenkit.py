"""`POST /v1/command`: exactly what the wolkenkit CLI 2.0 to 3.1.2 sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from askfirst.collector.ingest import Taken, decode, taken
from askfirst.collector.pipeline import Rules, Terms, sift
from askfirst.collector.request import Refusal

TOOL = "wolkenkit"


class Context(msgspec.Struct):
    name: Literal["collecting"]


class Aggregate(msgspec.Struct):
    name: Literal["application"]


class DomainEvent(msgspec.Struct):
    """`name` is started, stopped and the like; `cli.command` in `data` says the same."""

    data: dict[str, Any]


class Command(msgspec.Struct):
    """A wolkenkit command, of which only what makes an event is read."""

    context: Context
    aggregate: Aggregate
    name: Literal["recordEvent"]
    id: str
    data: DomainEvent


_decoder = msgspec.json.Decoder(Command)


def take_command(body: bytes, terms: Mapping[str, Terms], now: int) -> Taken:
    """Take one event; the command's id is the event's.

    These clients know no contract, so they are treated as those of an older one: what does not fit
    is removed and counted. A dropped event is answered with 200 too; they would only try again.
    """
    command = decode(_decoder, body)
    event = {**command.data.data, "id": command.id}
    return taken(sift([event], Rules(_terms(terms), now, True)))


def _terms(terms: Mapping[str, Terms]) -> Terms:
    if TOOL in terms:
        return terms[TOOL]
    if len(terms) == 1:
        return next(iter(terms.values()))
    raise Refusal(
        404,
        "a wolkenkit command names no tool and this collector has several; "
        f"start it with a contract named {TOOL}",
    )
