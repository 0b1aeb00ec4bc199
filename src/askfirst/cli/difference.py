"""What changes between two contracts, in words, and which of it collects more.

Whether a change collects more is never judged here: each is made to the old contract on its own,
and `Contract.collects_more_than`, which decides on users' machines, is asked about the result.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from askfirst.contract.model import Contract, Field
from askfirst.contract.notice import describe

WIDENS, NARROWS, NEUTRAL = "widens", "narrows", "neutral"
EFFECTS = (WIDENS, NARROWS, NEUTRAL)
AGREED = ("treatment", "values", "buckets")  # what `Field.agreement` holds, told in one sentence
STARTING_OVER = ("tool.name", "tool.state")
_REMARKS = {
    "name": "another dotfile: to its users it is another tool, and they are asked from the start",
    "state": "answers are looked for elsewhere: everybody is asked from the start",
    "collector": "events go there from now on",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `effect` is one of EFFECTS, `key` is where it stands in the contract."""

    effect: str
    key: str
    text: str

    def as_dict(self) -> dict[str, str]:
        return {"effect": self.effect, "key": self.key, "text": self.text}


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, and what the new contract collects beyond the old, as users' clients see it."""

    changes: list[Change]
    more: list[str]

    @property
    def widens(self) -> bool:
        return bool(self.more)

    @property
    def starts_over(self) -> bool:
        """Whether answers are looked for elsewhere, so that the earlier ones are not found."""
        return any(change.key in STARTING_OVER for change in self.changes)


def compare(old: Contract, new: Contract) -> Difference:
    """Return what changes from `old` to `new`, what widens first."""
    before, after = old.as_dict(), new.as_dict()
    changes: list[Change] = []
    for step, key, text in [
        *_fields(old, new),
        *_commands(old, new),
        *_others(before, after),
        *_releases(before, after),
    ]:
        changes.append(Change(_effect(old, step), key, text))
    changes.sort(key=lambda change: EFFECTS.index(change.effect))
    return Difference(changes, new.collects_more_than(old.agreement()))


Step = tuple[str, str, Any]  # table, key, new value; None takes it out
Row = tuple[Step, str, str]


def _effect(old: Contract, step: Step) -> str:
    """Tell what one change does to the old contract."""
    table, key, value = step
    data: dict[str, Any] = copy.deepcopy(old.as_dict())
    if value is None:
        del data[table][key]
    else:
        data[table][key] = value
    changed = Contract.from_dict(data)
    if changed.collects_more_than(old.agreement()):
        return WIDENS
    return NARROWS if old.collects_more_than(changed.agreement()) else NEUTRAL


def _fields(old: Contract, new: Contract) -> list[Row]:
    rows: list[Row] = []
    declared: Any = new.as_dict()["fields"]
    for name in dict.fromkeys([*old.fields, *new.fields]):
        key, step = f"fields.{name}", ("fields", name, declared.get(name))
        was, now = old.fields.get(name), new.fields.get(name)
        if was is None and now is not None:
            rows.append((step, key, f"collects the field {name}: {describe(now)}; {now.purpose}"))
        elif was is not None and now is None:
            rows.append((step, key, f"no longer collects the field {name}"))
        elif was is not None and now is not None:
            old_row: Any = old.as_dict()["fields"]
            rows += _field(was, now, old_row[name], step)
    return rows


def _field(was: Field, now: Field, old_row: dict[str, Any], step: Step) -> list[Row]:
    """Return what changes in a field: how it is sent, and each other key, are things apart."""
    rows: list[Row] = []
    table, name, new_row = step
    key = f"fields.{name}"
    if was.agreement() != now.agreement():
        treatment = now.treatment
        if was.treatment != treatment:
            treatment = f"{treatment}, was {was.treatment}"
        how = f"the field {name} ({treatment}) is sent as: {describe(now)}; was: {describe(was)}"
        rows.append(((table, name, {**new_row, "purpose": was.purpose}), key, how))
    for part in dict.fromkeys([*old_row, *new_row]):
        before, after = old_row.get(part), new_row.get(part)
        if part in AGREED or before == after:
            continue
        text = f"the {part} of {name} becomes {after!r}, was {before!r}"
        if part == "purpose":
            text += (
                "; if that is another purpose and not other words, give the field another name: "
                "then users are asked"
            )
        changed = {k: v for k, v in {**old_row, part: after}.items() if v is not None}
        rows.append(((table, name, changed), f"{key}.{part}", text))
    return rows


def _commands(old: Contract, new: Contract) -> list[Row]:
    key = "tool.commands"
    added = [name for name in new.commands if name not in old.commands]
    gone = [name for name in old.commands if name not in new.commands]
    rows: list[Row] = [
        (("tool", "commands", [*old.commands, name]), key, f"records the command {name}")
        for name in added
    ]
    rows += [
        (
            ("tool", "commands", [other for other in old.commands if other != name]),
            key,
            f"no longer records the command {name}",
        )
        for name in gone
    ]
    if not rows and old.commands != new.commands:
        text = "lists the commands in another order"
        rows.append((("tool", "commands", list(new.commands)), key, text))
    return rows


def _others(before: dict[str, Any], after: dict[str, Any]) -> list[Row]:
    """Return what changes in [tool] but for the commands."""
    rows: list[Row] = []
    for key in dict.fromkeys([*before["tool"], *after["tool"]]):
        was, now = before["tool"].get(key), after["tool"].get(key)
        if key == "commands" or was == now:
            continue
        text = f"{key} becomes {now!r}, was {was!r}"
        if key == "organisation":
            text = f"the controller becomes {now}, was {was}"
        elif key == "retention_days":
            text = f"events are kept for {now} days, was {was}"
        elif key in _REMARKS:
            text += f"; {_REMARKS[key]}"
        rows.append((("tool", key, now), f"tool.{key}", text))
    return rows


def _releases(before: dict[str, Any], after: dict[str, Any]) -> list[Row]:
    was, now = before["releases"], after["releases"]
    rows: list[Row] = []
    for version in dict.fromkeys([*was, *now]):
        if was.get(version) != now.get(version):
            day = now.get(version) or "no day"
            text = f"the release {version} has {day}, was {was.get(version) or 'none'}"
            rows.append((("releases", version, now.get(version)), f"releases.{version}", text))
    return rows
