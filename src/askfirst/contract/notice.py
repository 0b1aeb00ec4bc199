"""Contract -> the words a user reads in a terminal: the prompt, the payload in words."""

from askfirst.contract.model import Contract, Field
from askfirst.contract.sampling import percent

NEVER = (
    "arguments, option values, paths, host or user names, environment variables, free text, "
    "your IP address"
)
ALWAYS_FOR = "Which versions and commands are in use, and whom would a change affect?"
NO = "No, thank you."
KEYS = "Up and Down to choose, Enter to confirm; or press y or n."
_SHOWN_COMMANDS = 12  # more would push the question off the screen; `status` has them all


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
