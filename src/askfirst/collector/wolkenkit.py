"""`POST /v1/command`: exactly what the wolkenkit CLI 2.0 to 3.1.2 sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from askfirst.collector.compiled import Admit
from askfirst.collector.ingest import Taken, check_values, decode, taken
from askfirst.collector.pipeline import Rules, Terms, sift
from askfirst.collector.request import Refusal

TOOL = "wolkenkit"


class Named(msgspec.Struct):
    """A part of a command of which only the name is read."""

    name: str


class DomainEvent(msgspec.Struct):
    """`name` is started, stopped and the like; `cli.command` in `data` says the same."""

    data: dict[str, Any]


class Command(msgspec.Struct):
    """A wolkenkit command, of which only what makes an event is read."""

    context: Named
    aggregate: Named
    name: str
    id: str
    data: DomainEvent


_decoder = msgspec.json.Decoder(Command)


def take_command(
    body: bytes, terms: Mapping[str, Terms], now: int, admit: Admit | None = None
) -> Taken:
    """Take one event; the command's id is the event's. Arguments and Refusals are those of `take`.

    These clients know no contract, so they are treated as those of an older one: what does not fit
    is removed and counted. A dropped event is answered with 200 too; they would only try again.
    """
    check_values(body)
    command = decode(_decoder, body)
    names = (command.context.name, command.aggregate.name, command.name)
    if names != ("collecting", "application", "recordEvent"):
        raise Refusal(422, "send collecting.application.recordEvent, as the wolkenkit CLI does")
    event = {**command.data.data, "id": command.id}
    sifted = sift([event], Rules(_held(terms), now, True, admit))
    return taken(sifted.frame, sifted.dropped)


def _held(terms: Mapping[str, Terms]) -> Terms:
    if TOOL in terms:
        return terms[TOOL]
    if len(terms) == 1:
        return next(iter(terms.values()))
    raise Refusal(
        404,
        "a wolkenkit command names no tool and this collector has several; "
        f"start it with a contract named {TOOL}",
    )
