"""telemetry.toml -> Contract, with errors that name the key and the remedy."""

import os
from itertools import pairwise

from askfirst.contract.model import TOLD, TREATMENTS, Contract, ContractError, Field
from askfirst.contract.version import precedence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LOOPBACK = ("localhost", "127.0.0.1", "::1")
STATES = ("home", "xdg")
LONGEST_TEXT = 400  # characters; a purpose has to fit the prompt and the notice
LONGEST_LABEL = 40
MOST_COMMANDS = 500
MOST_FIELDS = 64
RESERVED = ("id", "installationId", "timestamp", "cli")

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_NAME = _LOWER | frozenset("0123456789-")
_COMMAND = _NAME | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_:.")
_FIELD = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")

_TOOL_KEYS = (*TOLD, "commands", "state", "sample")
_FIELD_KEYS = ("treatment", "purpose", "values", "buckets")


def load(path: "str | os.PathLike[str]") -> Contract:
    """Read a contract file. Raises ContractError for one that cannot be read or used."""
    source = os.fspath(path)
    try:
        with open(source, "rb") as file:
            raw = file.read()
    except OSError as error:
        raise ContractError(source, [f"cannot be read: {error.strerror}"]) from error
    try:
        text = raw.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise ContractError(source, [f"is not UTF-8 text (byte {error.start})"]) from error
    return parse(text, source)


def parse(text: str, source: str = "telemetry.toml") -> Contract:
    """Read a contract from TOML text, named `source` in a ContractError."""
    try:
        import tomllib  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:  # Python 3.10
        from askfirst._vendor import tomli as tomllib  # type: ignore[no-redef, unused-ignore]
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(source, [f"is not TOML: {error}"]) from error
    return from_data(data, source)


def from_data(data: "dict[str, Any]", source: str) -> Contract:
    """Check and return a contract in the shape of `telemetry.toml`. Raises ContractError."""
    problems: list[str] = []
    contract = _Reader(problems).contract(data)
    if problems or contract is None:
        raise ContractError(source, problems)
    return contract


def is_tool_name(name: object) -> bool:
    """Tell whether `name` is 1 to 40 of a-z, 0-9 and -, the first a letter."""
    if not isinstance(name, str) or not 1 <= len(name) <= 40:
        return False
    return name[0] in _LOWER and _NAME.issuperset(name)


def is_loopback(host: str) -> bool:
    """Tell whether a host name can only mean this machine."""
    if host in LOOPBACK:
        return True
    parts = host.split(".")
    return (
        len(parts) == 4 and parts[0] == "127" and all(p.isdigit() and int(p) < 256 for p in parts)
    )


def url_problem(url: str) -> str:
    """Say what is wrong with a collector's URL, or '' if nothing is."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{url!r} is not a URL: {error}"
    if any(char <= " " or char > "~" for char in url) or not host:
        return f"{url!r} is not a URL; write it as https://telemetry.example.org"
    if parts.scheme == "http" and not is_loopback(host):
        return f"{url!r} would send in the clear; use https (http is for loopback addresses only)"
    if parts.scheme not in ("http", "https"):
        return f"{url!r} has no https; write it as https://{host}"
    if parts.username or parts.password or parts.query or parts.fragment:
        return f"{url!r} may hold a host, a port and a path, nothing else"
    return ""


def collector_url(contract: Contract, env: "Mapping[str, str]") -> str:
    """Return where to deliver: the contract's collector, or a loopback ASKFIRST_COLLECTOR."""
    other = env.get("ASKFIRST_COLLECTOR", "")
    scheme, slashes, rest = other.partition("://")
    place = rest.partition("/")[0]
    host = place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
    if slashes and scheme in ("http", "https") and is_loopback(host) and "@" not in place:
        return other.rstrip("/")
    return contract.collector


class _Reader:
    """Reads parsed TOML and collects every problem, to be mended at once."""

    def __init__(self, problems: "list[str]") -> None:
        self.problems = problems

    def bad(self, key: str, problem: str) -> None:
        self.problems.append(f"{key}: {problem}")

    def contract(self, data: "dict[str, Any]") -> "Contract | None":
        self.unknown("", data, ("tool", "fields", "releases"))
        tool = data.get("tool")
        if not isinstance(tool, dict):
            self.bad("tool", 'is missing; begin the file with [tool] and name = "…"')
            return None
        self.unknown("tool.", tool, _TOOL_KEYS)
        name = tool.get("name")
        if not is_tool_name(name):
            self.bad(
                "tool.name", f"{name!r} will not do; use 1 to 40 of a-z, 0-9, -, a letter first"
            )
        state = tool.get("state", "home")
        if state not in STATES:
            self.bad("tool.state", f'{state!r} is unknown; use "home" or "xdg"')
        return Contract(
            name=str(name),
            title=self.text("tool.title", tool.get("title")),
            organisation=self.text("tool.organisation", tool.get("organisation")),
            collector=self.url("tool.collector", tool.get("collector")),
            details=self.text("tool.details", tool.get("details")),
            contact=self.text("tool.contact", tool.get("contact")),
            retention_days=self.days("tool.retention_days", tool.get("retention_days")),
            commands=self.commands(tool.get("commands")),
            fields=self.fields(data.get("fields", {})),
            releases=self.releases(data.get("releases", {})),
            state=str(state),
            sample=self.share("tool.sample", tool.get("sample", 1)),
        )

    def unknown(self, prefix: str, table: "dict[str, Any]", known: "tuple[str, ...]") -> None:
        for key in table:
            if key not in known:
                near = _nearest(key, known)
                hint = f"did you mean {near}?" if near else f"use one of {', '.join(known)}"
                self.bad(prefix + key, f"is not a key of a contract; {hint}")

    def text(self, key: str, value: "Any") -> str:
        if not isinstance(value, str) or not value.strip():
            found = "is missing" if value is None else f"{value!r} is not text"
            self.bad(key, f'{found}; write {key.rpartition(".")[2]} = "…"')
        elif len(value) > LONGEST_TEXT or not _is_plain(value):
            # a line break or an escape sequence here would let a contract repaint the prompt
            self.bad(key, f"must be one line of at most {LONGEST_TEXT} printable characters")
        return str(value)

    def url(self, key: str, value: "Any") -> str:
        url = self.text(key, value)
        if isinstance(value, str) and value.strip():
            problem = url_problem(value)
            if problem:
                self.bad(key, problem)
        return url.rstrip("/")

    def days(self, key: str, value: "Any") -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 3660:
            found = "is missing" if value is None else f"{value!r} will not do"
            self.bad(key, f"{found}; give whole days from 1 to 3660")
            return 0
        return value

    def share(self, key: str, value: "Any") -> float:
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not plain or not 0 < value <= 1:  # false for nan too
            self.bad(key, f"{value!r} will not do; give a share above 0, up to 1")
            return 1.0
        return float(value)

    def commands(self, value: "Any") -> "tuple[str, ...]":
        key = "tool.commands"
        if not isinstance(value, list) or not value:
            self.bad(key, 'is missing; list what may be recorded: ["start", "db migrate"]')
            return ()
        if len(value) > MOST_COMMANDS:
            self.bad(key, f"more than {MOST_COMMANDS}; list the ones you ask about")
        for name in value:
            if not _is_command(name):
                self.bad(key, f"{name!r} will not do; use names like 'start' or 'db migrate'")
        for name in sorted({str(n) for n in value if value.count(n) > 1}):
            self.bad(key, f"{name!r} stands there twice; take one out")
        return tuple(str(name) for name in value)

    def fields(self, value: "Any") -> "dict[str, Field]":
        if not isinstance(value, dict):
            self.bad("fields", 'must be tables, as in [fields."application.name"]')
            return {}
        if len(value) > MOST_FIELDS:
            self.bad("fields", f"more than {MOST_FIELDS}; collect less")
        fields = {name: self.field(name, row) for name, row in value.items()}
        for name in fields:
            if any(other.startswith(name + ".") for other in fields):
                self.bad(f"fields.{name}", "another field's name begins with it; rename one")
        return fields

    def field(self, name: str, row: "Any") -> Field:
        key = f"fields.{name}"
        if not _is_field_name(name):
            self.bad(
                key, "will not do as a name; use letters, digits and _, with dots between parts"
            )
        if name.partition(".")[0] in RESERVED:
            self.bad(key, "is reserved; every event has it already")
        if not isinstance(row, dict):
            self.bad(key, f'must be a table with a treatment; write [fields."{name}"]')
            return Field(name, "hash", "")
        if "treatment" not in row and any(isinstance(child, dict) for child in row.values()):
            self.bad(key, f'put a dotted name in quotes, as in [fields."{name}.…"]')
            return Field(name, "hash", "")
        self.unknown(key + ".", row, _FIELD_KEYS)
        treatment = row.get("treatment")
        if treatment not in TREATMENTS:
            found = "is missing" if treatment is None else f"{treatment!r} is unknown"
            self.bad(key + ".treatment", f"{found}; use one of {', '.join(TREATMENTS)}")
        purpose = self.text(f"{key}.purpose", row.get("purpose"))
        values = self.values(f"{key}.values", row.get("values"), treatment == "choice")
        buckets = self.buckets(f"{key}.buckets", row.get("buckets"), treatment == "bucket")
        return Field(name, str(treatment), purpose, values, buckets)

    def values(self, key: str, value: "Any", wanted: bool) -> "tuple[str, ...]":
        if not self.wanted(key, value, wanted, "choice", '["linux", "macos"]'):
            return ()
        plain = (
            isinstance(value, list)
            and 1 <= len(value) <= 100
            and all(isinstance(v, str) and 1 <= len(v) <= LONGEST_LABEL for v in value)
            and all(map(_is_plain, value))
            and len(set(value)) == len(value)
        )
        if not plain:
            self.bad(key, f"list 1 to 100 different texts of at most {LONGEST_LABEL} characters")
            return ()
        return tuple(value)

    def buckets(self, key: str, value: "Any", wanted: bool) -> "tuple[int | float, ...]":
        if not self.wanted(key, value, wanted, "bucket", "[10, 100, 1000]"):
            return ()
        plain = (
            isinstance(value, list)
            and 1 <= len(value) <= 100
            and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
            and all(abs(v) < 1e15 for v in value)  # false for nan and inf too
            and all(low < high for low, high in pairwise(value))
        )
        if not plain:
            self.bad(key, "list 1 to 100 numbers, each larger than the one before")
            return ()
        return tuple(value)

    def wanted(self, key: str, value: "Any", wanted: bool, treatment: str, sample: str) -> bool:
        if wanted and value is None:
            name = key.rpartition(".")[2]
            self.bad(key, f"is missing; a {treatment} needs {name} = {sample}")
        elif not wanted and value is not None:
            self.bad(key, f"belongs to the treatment {treatment} only; take it out")
        return wanted and value is not None

    def releases(self, value: "Any") -> "dict[str, str]":
        if not isinstance(value, dict):
            self.bad("releases", 'must be a table, as in [releases] "1.4.0" = 2026-10-01')
            return {}
        days: dict[str, str] = {}
        for version, day in value.items():
            key = f"releases.{version}"
            if isinstance(day, dict):
                self.bad(key, f'put the version in quotes, as in "{version}.0" = 2026-10-01')
                continue
            if precedence(version) is None:
                self.bad(key, "is not a version; write it as in 1.4.0 or 1.0rc1")
            known = _day(day)
            if not known:
                self.bad(key, f"{day!s} is not a day; write it as 2026-10-01")
            days[version] = known
        return days


def _day(value: object) -> str:
    """Return an ISO day from a TOML date or ISO text, or ''."""
    import datetime as dt

    if isinstance(value, str):
        try:
            day = dt.date.fromisoformat(value).isoformat()
        except ValueError:
            return ""
        return day if day == value else ""  # 3.11 reads more than 3.10
    return value.isoformat() if type(value) is dt.date else ""


def _is_plain(text: str) -> bool:
    """Whatever version of Unicode this Python knows."""
    from unicodedata import category

    return all(c.isprintable() or category(c) == "Cn" for c in text)


def _is_command(name: object) -> bool:
    if not isinstance(name, str) or not 1 <= len(name) <= 100:
        return False
    return all(
        part and part[0] not in "-." and _COMMAND.issuperset(part) for part in name.split(" ")
    )


def _is_field_name(name: str) -> bool:
    parts = name.split(".")
    return (
        len(name) <= 60
        and len(parts) <= 4
        and all(part and part[0] in _LOWER and _FIELD.issuperset(part) for part in parts)
    )


def _nearest(key: str, known: "tuple[str, ...]") -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(key, known, 1)), "")
