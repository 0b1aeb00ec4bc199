"""The agreement between a tool and its users; standard library only, imported by both sides.

Here is what takes a command and its values to the bytes that leave the machine. The client that
forms an event and the collector that receives one share it, so neither lets through what the other
would refuse. It is one module, and imports next to nothing, because a program pays for it whenever
it records a command; `event`, `hashing`, `jsontext` and `model` give its parts the names that
everybody else knows them by.
"""

import os
import sys
import time

# the C module alone: hashlib costs ten times as much to import
try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]
    else:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]
except ImportError:  # not CPython
    from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = "other"  # what a `choice` sends for a value that is not declared


class MalformedError(ValueError):
    """A value that does not have the form its treatment gives it."""


class Field:
    """One thing an event may carry, how it is treated, and why it is collected.

    `values` belongs to `choice`, `buckets` (ascending bounds) to `bucket`; else both are empty.
    """

    __slots__ = ("buckets", "name", "purpose", "treatment", "values")

    def __init__(
        self,
        name: str,
        treatment: str,
        purpose: str,
        values: "tuple[str, ...]" = (),
        buckets: "tuple[int | float, ...]" = (),
    ) -> None:
        self.name = name
        self.treatment = treatment
        self.purpose = purpose
        self.values = values
        self.buckets = buckets

    def labels(self) -> "tuple[str, ...]":
        """Return every text this field can send, or () when there is no list of them."""
        if self.treatment == "choice":
            return self.values if OTHER in self.values else (*self.values, OTHER)
        if self.treatment == "bucket":
            from itertools import pairwise

            bounds = self.buckets
            between = [f"{low} to <{high}" for low, high in pairwise(bounds)]
            return (f"<{bounds[0]}", *between, f">={bounds[-1]}")
        return ()

    def agreement(self) -> "list[object]":
        """Return what a user agrees to with this field, as compactly as can be compared later."""
        return [self.treatment, *self.values, *self.buckets]


def treat(field: Field, value: object, installation: str) -> "str | bool | None":
    """Return `value` in the form that may leave the machine, or None if none of it may.

    Raises MalformedError for a type the treatment does not take.
    """
    if field.treatment == "hash":
        if isinstance(value, (str, bool, int, float)):
            return hash_text(leaf_text(value), installation)
        raise MalformedError(f"{field.name} takes text or a number, not {type(value).__name__}")
    if field.treatment == "version":
        return value if isinstance(value, str) and _is_released(value) else None
    if field.treatment == "choice":
        return value if isinstance(value, str) and value in field.values else OTHER
    if field.treatment == "flag":
        if isinstance(value, bool):
            return value
        raise MalformedError(f"{field.name} takes True or False, not {type(value).__name__}")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # noqa: PLR0124 - not nan
        labels = field.labels()
        return labels[sum(bound <= value for bound in field.buckets)]
    raise MalformedError(f"{field.name} takes a number, not {type(value).__name__}")


def _is_released(text: str) -> bool:
    """Answer as `contract.version.is_released`, which is imported for more than numbers only."""
    numbers = text.split(".")
    if 2 <= len(numbers) <= 4 and all(n.isdigit() and len(n) <= 8 for n in numbers):
        return text.isascii()
    from askfirst.contract.version import is_released

    return is_released(text)


def hash_text(text: str, secret: str) -> str:
    """Return the hex SHA-256 (64 characters) of `secret` followed by `text`, as UTF-8."""
    # surrogatepass: a file name that is no UTF-8 reaches Python as lone surrogates
    return hash_bytes((secret + text).encode("utf-8", "surrogatepass"))


def hash_bytes(raw: bytes) -> str:
    """Return the hex SHA-256 (64 characters) of bytes."""
    digest: str = sha256(raw).hexdigest()
    return digest


def leaf_text(value: object) -> str:
    """Return the text of a leaf as JavaScript's `String` spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        from askfirst.contract.hashing import javascript_number

        return javascript_number(value)
    return str(value)


def as_wire(
    id: str,  # noqa: A002 - the wire's own word
    installation_id: str,
    timestamp: int,
    version: str,
    command: str,
    fields: "dict[str, str | bool]",
) -> "dict[str, object]":
    """Return an event in the shape it has on the wire, fields nested at their dots."""
    wire: dict[str, object] = {
        "id": id,
        "installationId": installation_id,
        "timestamp": timestamp,
        "cli": {"version": version, "command": command},
    }
    for name, value in fields.items():
        *parents, leaf = name.split(".")
        place = wire
        for parent in parents:
            place = place.setdefault(parent, {})  # type: ignore[assignment]
        place[leaf] = value
    return wire


def quoted(text: str) -> str:
    """Write text as JSON; importing the encoder costs more than writing what is plain."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'  # not formatted: a host's enum of texts formats as its name
    from askfirst.contract.jsontext import encode_basestring_ascii

    return encode_basestring_ascii(text)


def dumps(value: object, quote: "Callable[[str], str]" = quoted) -> str:
    """Write a value as compact ASCII JSON, keys in the order they have.

    Takes dict (with str keys), list, tuple, str, bool, int, float and None; anything else is a
    TypeError. `quote` writes text; `jsontext.dumps` is this with a faster one.
    """
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if value - value != 0:  # nan and infinity; importing math costs more than all else here
            raise ValueError(f"{value!r} is not JSON")
        return float.__repr__(value)
    if isinstance(value, dict):
        members = [f"{quote(key)}:{dumps(child, quote)}" for key, child in value.items()]
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([dumps(child, quote) for child in value]) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def new_id(timestamp: int) -> str:
    """Make a UUID version 7 (RFC 9562, 5.7) for a moment in ms UTC."""
    noise = int.from_bytes(os.urandom(10), "big")
    value = (timestamp & 0xFFFF_FFFF_FFFF) << 80 | noise
    return uuid_text(value & ~(0xF000 << 64) | 0x7000 << 64)


def uuid_text(value: int) -> str:
    """Return the text of a UUID of RFC 9562's variant."""
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def now_ms() -> int:
    """Return the present moment in ms UTC."""
    return time.time_ns() // 1_000_000
