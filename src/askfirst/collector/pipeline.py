"""The steps an event passes at the door. Each says why it drops an event.

They are the rules. `compiled` only proves, faster, that they would take all of a batch as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from askfirst.collector import compiled
from askfirst.collector.compiled import FROM_FUTURE_MS, Admit, Compiled, Places, sample_limit
from askfirst.collector.frames import EventsFrame, pack_moments
from askfirst.contract.event import ALWAYS, is_hash, is_treated, is_uuid
from askfirst.contract.model import Contract, Field
from askfirst.contract.version import is_released
from askfirst.stores.base import DAY_MS

UNDECLARED = "undeclared"  # stands for every name that the contract does not know


class DropReason(str, Enum):
    """Why an event is not taken; counted, and told to the sender."""

    UNKNOWN_COMMAND = "unknown-command"  # the contract does not declare the command
    UNDECLARED_FIELD = "undeclared-field"  # the contract does not declare a field
    MALFORMED_FIELD = "malformed-field"  # a value has not the form that its treatment gives
    TOO_OLD = "too-old"  # older than the contract's retention
    FROM_FUTURE = "from-future"  # over 24 hours ahead of the collector's clock
    OUTSIDE_SAMPLE = compiled.OUTSIDE_SAMPLE  # the contract's sample leaves the installation out
    DAILY_CAP = (
        compiled.DAILY_CAP
    )  # the installation has sent more of that day than anybody can use


class Terms:
    """A contract, made ready for checking events against it."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.commands = frozenset(contract.commands)
        self.retention_ms = contract.retention_days * DAY_MS
        self.sample_limit = sample_limit(contract)
        self.places: Places = {}
        for name in ALWAYS:
            self._place(name, name)
        for name, declared in contract.fields.items():
            self._place(name, declared)
        self.compiled = Compiled(contract, self.places)

    def _place(self, name: str, what: Field | str) -> None:
        *parents, leaf = name.split(".")
        places = self.places
        for parent in parents:
            inner = places.setdefault(parent, {})
            assert isinstance(inner, dict), name  # no field's name begins with another's
            places = inner
        places[leaf] = what


@dataclass(frozen=True, slots=True)
class Rules:
    """What a batch is held against. `now` is ms UTC.

    `lenient` is for events formed under another contract: a field that does not fit is taken out
    and counted, and the event kept. `admit` has the last word on an event that is fine.
    """

    terms: Terms
    now: int
    lenient: bool = False
    admit: Admit | None = None


@dataclass(slots=True)
class Draft:
    """An event on its way through the steps: what came, and what has been checked of it."""

    wire: Mapping[str, object]
    id: bytes = b""
    installation: bytes = b""
    timestamp: int = 0
    version: str = ""
    command: str = ""
    fields: dict[str, str | bool] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


Step: TypeAlias = Callable[[Draft, Rules], "DropReason | None"]


def read_id(draft: Draft, _rules: Rules) -> DropReason | None:
    """Take the event's id: a UUID of any version, in either case."""
    text = draft.wire.get("id")
    if not isinstance(text, str) or not is_uuid(text.lower()):
        return DropReason.MALFORMED_FIELD
    draft.id = bytes.fromhex(text.replace("-", ""))
    return None


def read_installation(draft: Draft, _rules: Rules) -> DropReason | None:
    """Take the installation: a SHA-256 in lower-case hex."""
    text = draft.wire.get("installationId")
    if not isinstance(text, str) or not is_hash(text):
        return DropReason.MALFORMED_FIELD
    draft.installation = bytes.fromhex(text)
    return None


def read_timestamp(draft: Draft, _rules: Rules) -> DropReason | None:
    """Take the moment, which must be an integer (ms UTC)."""
    moment = draft.wire.get("timestamp")
    if not isinstance(moment, int) or isinstance(moment, bool):
        return DropReason.MALFORMED_FIELD
    draft.timestamp = moment
    return None


def read_cli(draft: Draft, _rules: Rules) -> DropReason | None:
    """Take the CLI's version, which must be a released one, and its command."""
    cli = draft.wire.get("cli")
    if not isinstance(cli, dict):
        return DropReason.MALFORMED_FIELD
    version, command = cli.get("version"), cli.get("command")
    if not isinstance(version, str) or not is_released(version) or not isinstance(command, str):
        return DropReason.MALFORMED_FIELD
    draft.version, draft.command = version, command
    return None


def check_command(draft: Draft, rules: Rules) -> DropReason | None:
    """Let only declared commands through."""
    return None if draft.command in rules.terms.commands else DropReason.UNKNOWN_COMMAND


def check_age(draft: Draft, rules: Rules) -> DropReason | None:
    """Refuse what retention would delete at once, and what has not happened yet."""
    if draft.timestamp < rules.now - rules.terms.retention_ms:
        return DropReason.TOO_OLD
    if draft.timestamp > rules.now + FROM_FUTURE_MS:
        return DropReason.FROM_FUTURE
    return None


def read_fields(draft: Draft, rules: Rules) -> DropReason | None:
    """Take declared fields whose values have the form that their treatment gives."""
    found: list[tuple[Field, object]] = []
    strange = _gather(draft.wire, rules.terms.places, found)
    if strange and not rules.lenient:
        return DropReason.UNDECLARED_FIELD
    draft.removed = [UNDECLARED] * strange
    for declared, value in found:
        if is_treated(declared, value):
            assert isinstance(value, (str, bool)), declared.name  # every treatment gives these
            draft.fields[declared.name] = value
        elif rules.lenient:
            draft.removed.append(declared.name)
        else:
            return DropReason.MALFORMED_FIELD
    return None


def check_sample(draft: Draft, rules: Rules) -> DropReason | None:
    """Leave out installations that the sample does: a client of another contract, or of none."""
    limit = rules.terms.sample_limit
    return DropReason.OUTSIDE_SAMPLE if limit and draft.installation >= limit else None


def ask_admission(draft: Draft, rules: Rules) -> DropReason | None:
    """Refuse what is over an installation's share."""
    tool = rules.terms.contract.name
    if rules.admit is None or rules.admit(tool, draft.installation, draft.timestamp):
        return None
    return DropReason.DAILY_CAP


STEPS: tuple[Step, ...] = (
    read_id,
    read_installation,
    read_timestamp,
    read_cli,
    check_command,
    check_age,
    read_fields,
    check_sample,
    ask_admission,
)


def examine(wire: Mapping[str, object], rules: Rules) -> tuple[Draft, DropReason | None]:
    """Take one event through the steps, up to the first that drops it."""
    draft = Draft(wire)
    for step in STEPS:
        reason = step(draft, rules)
        if reason is not None:
            return draft, reason
    return draft, None


@dataclass(slots=True)
class Sifted:
    """A batch after the steps: what is kept, and what was dropped and why.

    The id of a dropped event is the text it came with if that is a UUID, else None: nothing else
    that somebody sent is ever sent back.
    """

    frame: EventsFrame
    dropped: list[tuple[str | None, DropReason]]

    @property
    def accepted(self) -> int:
        return len(self.frame)


def sift(events: Iterable[object], rules: Rules) -> Sifted:
    """Take a batch through the steps."""
    kept: list[Draft] = []
    dropped: list[tuple[str | None, DropReason]] = []
    counts: Counter[str] = Counter()
    for wire in events:
        if not isinstance(wire, dict):
            dropped.append((None, DropReason.MALFORMED_FIELD))
            continue
        draft, reason = examine(wire, rules)
        if reason is None:
            kept.append(draft)
            counts.update(f"removed:{name}" for name in draft.removed)
        else:
            dropped.append((str(wire["id"]) if draft.id else None, reason))
    counts.update(f"dropped:{reason.value}" for _, reason in dropped)
    return Sifted(_frame(kept, rules, dict(counts)), dropped)


def _frame(kept: list[Draft], rules: Rules, counts: dict[str, int]) -> EventsFrame:
    contract = rules.terms.contract
    used = {name for draft in kept for name in draft.fields}
    return EventsFrame(
        tool=contract.name,
        received=rules.now,
        id=b"".join(draft.id for draft in kept),
        timestamp=pack_moments([draft.timestamp for draft in kept]),
        installation=b"".join(draft.installation for draft in kept),
        version=[draft.version for draft in kept],
        command=[draft.command for draft in kept],
        fields={
            name: [draft.fields.get(name) for draft in kept]
            for name in contract.fields
            if name in used
        },
        counts=counts,
    )


def _gather(wire: Mapping[str, object], places: Places, found: list[tuple[Field, object]]) -> int:
    """Collect the declared fields of an event; return how many other things there are in it.

    It goes only where the contract has names, so neither depth nor length of what was sent costs
    more than reading it did; and a key that spells a dotted name out is no declared one.
    """
    strange = 0
    for key, value in wire.items():
        place = places.get(key)
        if isinstance(place, Field):
            found.append((place, value))
        elif isinstance(place, dict):
            if isinstance(value, dict) and value:
                strange += _gather(value, place, found)
            else:
                strange += 1
        elif place is None:
            strange += 1
    return strange
