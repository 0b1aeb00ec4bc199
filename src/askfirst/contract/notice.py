"""Contract -> the words a user reads: the prompt, the payload in words, TELEMETRY.md."""

from askfirst.contract.model import Contract, Field
from askfirst.contract.sampling import percent

NEVER = (
    "arguments, option values, paths, host or user names, environment variables, free text, "
    "your IP address"
)
ALWAYS_FOR = "Which versions and commands are in use, and whom would a change affect?"
NO = "No, thank you."
KEYS = "Up and Down to choose, Enter to confirm; or press y or n."
_SHOWN_COMMANDS = (
    12  # more would push the question off the screen; `show` and TELEMETRY.md have all
)


def describe(field: Field) -> str:
    """Say how a field's value leaves the machine."""
    if field.treatment == "hash":
        return "only as a hash, made with a secret that never leaves this machine"
    if field.treatment == "version":
        return "as it is, if it looks like a released version; else not at all"
    if field.treatment == "flag":
        return "yes or no"
    return f"one of {', '.join(field.labels())}"


def always(contract: Contract) -> "list[tuple[str, str]]":
    """Return (name, how it leaves the machine) for what every event has."""
    return [
        ("id", "a random number for this one event, so that none is counted twice"),
        ("installationId", "a hash of a random number made at your Yes; a pseudonym"),
        ("timestamp", "when the command ran"),
        ("cli.version", f"the version of {contract.title}"),
        ("cli.command", f"which of these ran: {', '.join(contract.commands)}"),
    ]


def agree_label(contract: Contract) -> str:
    """Return the words of the Yes."""
    return f"Yes, I agree to share usage data with {contract.organisation}."


def sampled(contract: Contract) -> str:
    """Say who takes part, where that is a share of those who agree."""
    return (
        f"Of those who say Yes, {percent(contract.sample)} take part, drawn at random; "
        "the others send nothing. The share may change, what is collected may not."
    )


def question(contract: Contract) -> str:
    """Return what is said before the two choices: paragraphs and bullets, unwrapped lines."""
    purposes = list(dict.fromkeys(field.purpose for field in contract.fields.values()))
    purposes.append(ALWAYS_FOR)
    fields = [f"- {field.name}: {describe(field)}" for field in contract.fields.values()]
    shown = contract.commands[:_SHOWN_COMMANDS]
    rest = len(contract.commands) - len(shown)
    commands = ", ".join(shown) + (f" and {rest} more" if rest else "")
    days = contract.retention_days
    lines = [
        f"{contract.organisation} asks: may {contract.title} share how you use it?",
        "",
        "What for:",
        *[f"- {purpose}" for purpose in purposes],
        "",
        f"What is collected, when you run {commands}:",
        f"- the command, the time, and the version of {contract.title}",
        "- a random number that stands for this installation, only as a hash",
        *fields,
        "",
        f"What is never collected: {NEVER}.",
        *([sampled(contract)] if contract.sample < 1 else []),
        "",
        f"It is pseudonymous, goes to {contract.organisation} only, is deleted after {days} days.",
        "Saying No has no disadvantage. You can change your mind at any time:",
        f"- {contract.name} telemetry on, {contract.name} telemetry off",
        f"- {contract.name} telemetry show prints exactly what would be sent",
        f"Read more: {contract.details}",
    ]
    return "\n".join(lines)


def wrap(text: str, width: int) -> str:
    """Wrap paragraphs and `- ` bullets to `width` columns."""
    import textwrap

    lines = []
    for line in text.split("\n"):
        indent = "  " if line.startswith("- ") else ""
        lines += textwrap.wrap(line, width, subsequent_indent=indent) or [""]
    return "\n".join(lines)


def rows(contract: Contract) -> "list[tuple[str, str, str]]":
    """Return (name, how it leaves the machine, purpose) for everything an event may have."""
    own = [(field.name, describe(field), field.purpose) for field in contract.fields.values()]
    return [*((name, how, ALWAYS_FOR) for name, how in always(contract)), *own]


def table(contract: Contract) -> str:
    """Return `rows` as the body of a Markdown table."""
    cells = [[part.replace("|", "\\|") for part in row] for row in rows(contract)]
    return "\n".join(f"| `{name}` | {how} | {why} |" for name, how, why in cells)


def notice(contract: Contract) -> str:
    """Return TELEMETRY.md, the privacy notice that belongs beside the tool's README."""
    name = contract.name
    variable = f"{name.upper().replace('-', '_')}_TELEMETRY"
    secure = " over TLS" if contract.collector.startswith("https:") else ""
    return f"""# Telemetry in {contract.title}

{contract.title} asks once, before anything is collected, whether it may share how you use it.
The default is No, and No has no disadvantage. Until you say Yes, nothing is collected, nothing is
sent, and no identifier is made.

## Who asks

{contract.organisation} is the controller. Questions, requests and the data protection officer:
{contract.contact}. Events go to {contract.collector}{secure}. More: {contract.details}

## What is collected, after a Yes

One event for each of these commands: {", ".join(f"`{c}`" for c in contract.commands)}. No other
command is ever recorded.

| what | how it leaves your machine | why |
| --- | --- | --- |
{table(contract)}

Never: {NEVER}.
{chr(10) + sampled(contract) + chr(10) if contract.sample < 1 else ""}
The data is pseudonymous, not anonymous: the same installation always has the same hash.
Events are deleted after {contract.retention_days} days. They serve no decision about anybody, and
no automated one (GDPR, Art. 22).

## Your choices

| to | do |
| --- | --- |
| see the present state, and why | `{name} telemetry status` |
| agree | `{name} telemetry on` |
| revoke, and delete the identifier and whatever is unsent | `{name} telemetry off` |
| see what the next event would be | `{name} telemetry show` |
| see what was sent, and when | `{name} telemetry log` |
| have everything that was collected deleted | `{name} telemetry erase` |
| print each event and send none | set `{variable}=log` |
| keep it off, whatever was answered | set `{variable}=0` or `DO_NOT_TRACK=1` |

It never asks and never sends under CI. It asks again only when a newer version runs after a No,
or when a new version would collect more than you agreed to.

## Your rights

The legal basis is your consent, and nothing else (GDPR, Art. 6(1)(a)). You can withdraw it at any
time, with one command like the one that gives it; what was collected before stays lawful until it
is erased. You may ask {contract.contact} for access, correction, restriction and a copy, and
complain to a data protection authority.

Contract: `{contract.digest}`
"""
