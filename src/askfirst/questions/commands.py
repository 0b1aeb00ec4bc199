"""Who would feel a breaking change to a command."""

from __future__ import annotations

from typing import Any

from askfirst.contract.version import precedence
from askfirst.questions.contracts import contract_of
from askfirst.stores.base import Store


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with `commands`: `command`, `events`, `installations`, `regular` and `version`.

    All in the trailing 28 days. `regular`: how many installations that were active on at least 4
    different days used the command. `version`: events and installations for each version, by
    precedence. Most used first; a command that the contract declares and nobody used has zeros.
    """
    commands: dict[str, dict[str, Any]] = {}
    by_version: dict[str, dict[str, dict[str, Any]]] = {}
    for row in store.query("commands", {"tool": tool, "as_of": as_of}):
        command, version, events, installations, regular = row
        counts = {"events": events, "installations": installations}
        if version is None:
            commands[str(command)] = {"command": command, **counts, "regular": regular}
        else:
            by_version.setdefault(str(command), {})[str(version)] = counts
    contract = contract_of(store, tool)
    for command in contract.commands if contract else ():
        unused = {"command": command, "events": 0, "installations": 0, "regular": 0}
        commands.setdefault(command, unused)
    for command, row_of in commands.items():
        versions = by_version.get(command, {})
        row_of["version"] = {v: versions[v] for v in sorted(versions, key=_rank)}
    ordered = sorted(commands.values(), key=lambda row: (-row["events"], row["command"]))
    return {"commands": ordered}


def versions(rows: list[dict[str, Any]]) -> list[str]:
    """Return the versions in the rows of an answer, by precedence."""
    return sorted({version for row in rows for version in row["version"]}, key=_rank)


def _rank(version: str) -> tuple[bool, tuple[object, ...], str]:
    key = precedence(version)
    return key is not None, key or (), version
