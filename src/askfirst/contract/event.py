"""values -> Event -> bytes, and back, by the same checks in the client and in the collector."""

import os

from askfirst import usual
from askfirst.contract.jsontext import dumps
from askfirst.contract.model import Contract, Field
from askfirst.contract.version import is_released
from askfirst.usual import as_wire, hash_text, new_id, now_ms, uuid_text

__all__ = [
    "ALWAYS",
    "Event",
    "MalformedError",
    "UndeclaredError",
    "flatten",
    "form",
    "is_hash",
    "is_treated",
    "is_uuid",
    "new_id",
    "new_installation",
    "now_ms",
    "treat",
]

ALWAYS = ("id", "installationId", "timestamp", "cli.version", "cli.command")
HEX = frozenset("0123456789abcdef")


class MalformedError(ValueError):
    """A value that does not have the form its treatment gives it."""


class UndeclaredError(ValueError):
    """A field or command that the contract does not declare."""


class Event:
    """One recorded command, in the form that leaves the machine.

    `installation_id` is 64 hex characters, `timestamp` ms UTC; `fields` by declared names.
    """

    __slots__ = ("command", "fields", "id", "installation_id", "timestamp", "version")

    def __init__(
        self,
        id: str,  # noqa: A002 - the wire's own word
        installation_id: str,
        timestamp: int,
        version: str,
        command: str,
        fields: "dict[str, str | bool]",
    ) -> None:
        self.id = id
        self.installation_id = installation_id
        self.timestamp = timestamp
        self.version = version
        self.command = command
        self.fields = fields

    def as_dict(self) -> "dict[str, object]":
        """Return the event in the shape it has on the wire, fields nested at their dots."""
        return as_wire(
            self.id, self.installation_id, self.timestamp, self.version, self.command, self.fields
        )

    def encode(self) -> bytes:
        """Return the bytes that are shown, queued and sent: compact ASCII JSON."""
        return dumps(self.as_dict()).encode("ascii")


def form(
    contract: Contract,
    *,
    command: str,
    version: str,
    installation: str,
    values: "dict[str, object]",
    id: str,  # noqa: A002 - the wire's own word
    timestamp: int,
) -> Event:
    """Form an event from raw values.

    `installation` is the UUID in the dotfile, `timestamp` ms UTC. None is left out, and what a
    `version` treatment does not let through. Raises UndeclaredError for a command or field that the
    contract does not have, MalformedError for a value of the wrong type.
    """
    if command not in contract.commands:
        raise UndeclaredError(f"the contract declares no command {command!r}")
    if not is_released(version):
        raise MalformedError(f"{version!r} is not a released version")
    fields: dict[str, str | bool] = {}
    for name in values:
        if name not in contract.fields:
            raise UndeclaredError(f"the contract declares no field {name!r}")
    for name, field in contract.fields.items():
        if values.get(name) is not None:
            treated = treat(field, values[name], installation)
            if treated is not None:
                fields[name] = treated
    return Event(id, hash_text(installation, installation), timestamp, version, command, fields)


def treat(field: Field, value: object, installation: str) -> "str | bool | None":
    """Return `value` in the form that may leave the machine, or None if none of it may.

    Raises MalformedError for a type the treatment does not take.
    """
    try:
        return usual.treat(field.treatment, field.values or field.buckets, value, installation)
    except TypeError as error:
        raise MalformedError(f"{field.name} {error}") from None


def is_treated(field: Field, value: object) -> bool:
    """Tell whether a received value has exactly the form that `treat` gives."""
    if field.treatment == "flag":
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if field.treatment == "hash":
        return is_hash(value)
    if field.treatment == "version":
        return is_released(value)
    return value in field.labels()


def flatten(wire: "dict[str, object]") -> "dict[str, object]":
    """Return the leaves of a received event by their dotted names; `{}` and `[]` are leaves too."""
    leaves: dict[str, object] = {}
    pending = [("", wire)]
    while pending:
        prefix, place = pending.pop()
        for key, value in place.items():
            name = prefix + key
            if isinstance(value, dict) and value:
                pending.append((name + ".", value))
            else:
                leaves[name] = value
    return leaves


def is_hash(value: object) -> bool:
    """Tell whether `value` is 64 lower-case hex characters."""
    return isinstance(value, str) and len(value) == 64 and HEX.issuperset(value)


def is_uuid(value: object) -> bool:
    """Tell whether `value` is a UUID's text: 8-4-4-4-12 lower-case hex characters."""
    if not isinstance(value, str) or len(value) != 36:
        return False
    parts = value.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and HEX.issuperset("".join(parts))


def new_installation() -> str:
    """Make a UUID version 4 (random): the secret of an installation."""
    value = int.from_bytes(os.urandom(16), "big")
    return uuid_text(value & ~(0xF000 << 64) | 0x4000 << 64)
