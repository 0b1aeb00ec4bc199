"""Makes events as a collector would hand them to a store."""

from __future__ import annotations

import hashlib

from askfirst.contract import loading
from askfirst.stores.base import DAY_MS, Events

TOOL = "stratus"
DAY = 20_000  # 2024-10-04, a Friday
NOON = DAY_MS // 2


def hashed(*words):
    return hashlib.sha256(repr(words).encode()).digest()


def events(*rows, tool=TOOL):
    """Make Events of rows that are dicts; what a row leaves out has a default.

    Keys: `who`, `day` (from DAY on), `ms` (of the day), `id`, `received`, `version`, `command`, and
    any field of a contract.
    """
    made = Events(tool)
    fields = []
    for number, given in enumerate(rows):
        row = dict(given)
        moment = (DAY + row.pop("day", 0)) * DAY_MS + row.pop("ms", NOON)
        made.id += hashed(row.pop("id", (number, moment)))[:16]
        made.timestamp.append(moment)
        made.received.append(row.pop("received", moment))
        made.installation += hashed(row.pop("who", "ann"))
        made.version.append(row.pop("version", "1.0.0"))
        made.command.append(row.pop("command", "start"))
        fields.append(row)
    names = dict.fromkeys(name for row in fields for name in row)
    made.fields = {name: [row.get(name) for row in fields] for name in names}
    return made


def contract(name=TOOL, **releases):
    text = f"""
    [tool]
    name = "{name}"
    title = "Stratus"
    organisation = "the native web"
    collector = "https://telemetry.example.org"
    details = "https://example.org/telemetry"
    contact = "privacy@example.org"
    retention_days = 395
    commands = ["start", "stop"]
    [releases]
    """
    lines = [f'"{version}" = {day}' for version, day in releases.items()]
    return loading.parse(text + "\n".join(lines))
