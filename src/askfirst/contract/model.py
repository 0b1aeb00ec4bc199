"""Contract, Field and the question "does this collect more than that?"."""

from askfirst.contract.jsontext import canonical
from askfirst.usual import OTHER, bucket, hash_text

__all__ = ["AGREEMENT_OF_2018", "OTHER", "TREATMENTS", "Contract", "ContractError", "Field"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TREATMENTS = ("hash", "version", "choice", "flag", "bucket")

# What an answer without its own agreement agreed to: the wolkenkit CLI's contract of 2018.
AGREEMENT_OF_2018: "dict[str, object]" = {
    "fields": {
        "application.name": ["hash"],
        "application.env": ["hash"],
        "runtime": ["version"],
    },
    "commands": ["start", "stop", "restart", "reload"],
}


# keys of [tool] that are kept as they are
TOLD = ("name", "title", "organisation", "collector", "details", "contact", "retention_days")


class ContractError(ValueError):
    """A contract that cannot be used; `problems` holds one sentence for each thing to mend."""

    def __init__(self, source: str, problems: "list[str]") -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


class Field:
    """One thing an event may carry, how it is treated, and why it is collected.

    `values` belongs to `choice`, `buckets` (ascending bounds) to `bucket`.
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
            return tuple([bucket(self.buckets, at) for at in range(len(self.buckets) + 1)])
        return ()

    def agreement(self) -> "list[object]":
        """Return what a user agrees to with this field, as compactly as can be compared later."""
        return [self.treatment, *self.values, *self.buckets]


class Contract:
    """What a tool may collect. Immutable by convention; made by `contract.loading`."""

    __slots__ = (*TOLD, "_digest", "commands", "fields", "releases", "sample", "state")

    def __init__(
        self,
        *,
        name: str,
        title: str,
        organisation: str,
        collector: str,
        details: str,
        contact: str,
        retention_days: int,
        commands: "tuple[str, ...]",
        fields: "dict[str, Field]",
        releases: "dict[str, str]",
        state: str = "home",
        sample: float = 1.0,
    ) -> None:
        self.name = name
        self.title = title
        self.organisation = organisation
        self.collector = collector
        self.details = details
        self.contact = contact
        self.retention_days = retention_days
        self.commands = commands
        self.fields = fields
        self.releases = releases
        self.state = state
        self.sample = sample  # of the installations that said Yes, the share that takes part
        self._digest = ""

    def as_dict(self) -> "dict[str, object]":
        """Return the contract in the shape of `telemetry.toml`; `from_dict` takes it back."""
        fields: dict[str, object] = {}
        for field in self.fields.values():
            row: dict[str, object] = {"treatment": field.treatment, "purpose": field.purpose}
            if field.values:
                row["values"] = list(field.values)
            if field.buckets:
                row["buckets"] = list(field.buckets)
            fields[field.name] = row
        tool: dict[str, object] = {key: getattr(self, key) for key in TOLD}
        tool |= {"commands": list(self.commands), "state": self.state}
        if self.sample != 1:  # so that no older contract gets another digest
            tool["sample"] = self.sample
        return {"tool": tool, "fields": fields, "releases": dict(self.releases)}

    @classmethod
    def from_dict(cls, data: "dict[str, Any]") -> "Contract":
        """Take back what `as_dict` gave. Checks nothing: for contracts that were checked once."""
        fields = {
            name: Field(
                name,
                row["treatment"],
                row["purpose"],
                *(tuple(row.get(k, ())) for k in ("values", "buckets")),
            )
            for name, row in data["fields"].items()
        }
        tool = {**data["tool"], "commands": tuple(data["tool"]["commands"])}
        return cls(**tool, fields=fields, releases=data["releases"])

    def canonical(self) -> str:
        """Return the canonical JSON form: sorted keys, no white space, ASCII."""
        return canonical(self.as_dict())

    @property
    def digest(self) -> str:
        """`sha256:` and the hex SHA-256 of the canonical JSON form."""
        if not self._digest:
            self._digest = "sha256:" + hash_text(self.canonical(), "")
        return self._digest

    def agreement(self) -> "dict[str, object]":
        """Return what a Yes to this contract agrees to; kept in the dotfile beside the answer."""
        return {
            "fields": {name: field.agreement() for name, field in self.fields.items()},
            "commands": list(self.commands),
            "organisation": self.organisation,
            "retention_days": self.retention_days,
        }

    def collects_more_than(self, agreed: "dict[str, object] | None") -> "list[str]":
        """Say, in words, what this contract collects beyond `agreed`; [] if nothing.

        `agreed` is what `agreement()` gave at the answer; None, of the wolkenkit CLI, is the fields
        of 2018. A larger sample takes of nobody more. What is not understood is not agreed to.
        """
        if agreed is None:
            agreed = AGREEMENT_OF_2018
        more: list[str] = []
        fields, commands = agreed.get("fields"), agreed.get("commands")
        known = fields if isinstance(fields, dict) else {}
        for name, field in self.fields.items():
            if name not in known:
                more.append(f"the field {name}")
            elif not _is_within(field, known[name]):
                more.append(f"more of the field {name}")
        listed = commands if isinstance(commands, list) else []
        more += [f"the command {name}" for name in self.commands if name not in listed]
        organisation = agreed.get("organisation", self.organisation)
        if organisation != self.organisation:
            more.append(f"a new controller, {self.organisation}")
        days = agreed.get("retention_days", self.retention_days)
        if not isinstance(days, int) or days < self.retention_days:
            more.append(f"a longer retention, {self.retention_days} days")
        return more


def _is_within(field: Field, agreed: object) -> bool:
    """Tell whether `field` reveals no more than an agreement like `["choice", "a", "b"]`."""
    if not isinstance(agreed, list) or not agreed or agreed[0] != field.treatment:
        return False
    return all(part in agreed[1:] for part in (*field.values, *field.buckets))
