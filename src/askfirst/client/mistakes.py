"""The mistakes of an author that strict mode raises, each with what to do about it."""

import os
from difflib import get_close_matches

from askfirst.contract.event import MalformedError, UndeclaredError, treat
from askfirst.contract.version import is_released

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from askfirst.contract.model import Contract, Field

_TAKES = {
    "hash": "text, a number, True or False",
    "version": "a version as text",
    "choice": "text",
    "flag": "True or False",
    "bucket": "a number",
}


def check(
    contract: "Contract", values: "Mapping[str, object]", command: "str | None" = None
) -> None:
    """Raise for the first thing that the contract does not have, or not in this form.

    UndeclaredError for a field or a `command`; MalformedError for a value. None leaves a field out.
    """
    if command is not None and command not in contract.commands:
        remedy = f"add it to commands in [tool] of the contract of {contract.name}"
        raise UndeclaredError(
            f"the contract declares no command {command!r}"
            + _hint(command, contract.commands, remedy)
        )
    for name, value in values.items():
        field = contract.fields.get(name)
        if field is None:
            remedy = f'declare [fields."{name}"] in it, with a treatment and a purpose'
            raise UndeclaredError(
                f"the contract declares no field {name!r}" + _hint(name, contract.fields, remedy)
            )
        if value is not None and not _takes(field, value):
            kind = type(value).__name__ if value == value else "nan"  # noqa: PLR0124 - not a number
            raise MalformedError(
                f"{name} takes {_TAKES[field.treatment]}, not {kind}; convert the value, or give "
                f"the field another treatment than {field.treatment}"
            )


def check_program(version: str, dotfile: str) -> None:
    """Raise MalformedError for what keeps every command from being recorded."""
    if is_misspelled(version):
        raise MalformedError(
            f"{version!r} is no released version, so nothing is ever recorded; drop the v"
        )
    if os.path.isdir(dotfile):
        raise MalformedError(f'{dotfile} is a folder; set state = "xdg" in [tool] of the contract')


def is_misspelled(version: str) -> bool:
    """Tell whether a version was meant as a released one: v1.4.0."""
    return version[:1] in "vV" and is_released(version[1:])


def _takes(field: "Field", value: object) -> bool:
    if field.treatment in ("version", "choice"):
        return isinstance(value, str)  # `treat` lets the rest go by, as nothing or as `other`
    try:
        treat(field, value, "")
    except MalformedError:
        return False
    return True


def _hint(name: object, known: "Iterable[str]", remedy: str) -> str:
    near = get_close_matches(str(name), list(known), 1)
    return f"; did you mean {near[0]!r}? Otherwise {remedy}" if near else f"; {remedy}"
