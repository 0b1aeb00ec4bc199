"""The texts that the makers of a tool publish or keep, each from the contract.

A document has a generated part between two marks, and words of its makers around it. What a
contract cannot know stands there as blanks to fill in. Only the generated part is compared and
renewed; the rest belongs to the makers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from askfirst.contract.hashing import hash_text
from askfirst.contract.model import Contract
from askfirst.contract.notice import (
    ALWAYS_FOR,
    KEYS,
    NEVER,
    NO,
    agree_label,
    always,
    describe,
    question,
    sampled,
    wrap,
)

PROMPT_COLUMNS = 79  # what the question takes of a terminal of 80
BLANK = re.compile(r"\[fill in: [^\]]*\]")
_PART = re.compile(
    r"<!-- askfirst:begin (?P<form>[a-z0-9]+) sha256:(?P<digest>[0-9a-f]*) -->\n"
    r"(?P<body>.*?)<!-- askfirst:end -->",
    re.DOTALL,
)


def prompt(contract: Contract) -> str:
    """Return the question and its two choices, as they are drawn on a terminal of 80 columns."""
    asked = wrap(f"{question(contract)}\n\n{KEYS}", PROMPT_COLUMNS)
    choices = [f"> {NO}", f"  {agree_label(contract)}"]
    return "\n".join([asked, *choices]) + "\n"


def rows(contract: Contract) -> list[tuple[str, str, str]]:
    """Return (name, how it leaves the machine, purpose) for everything an event may have."""
    own = [(field.name, describe(field), field.purpose) for field in contract.fields.values()]
    return [*((name, how, ALWAYS_FOR) for name, how in always(contract)), *own]


def table(contract: Contract) -> str:
    """Return `rows` as the body of a Markdown table."""
    cells = [[part.replace("|", "\\|") for part in row] for row in rows(contract)]
    return "\n".join(f"| `{name}` | {how} | {why} |" for name, how, why in cells)


def telemetry(contract: Contract) -> str:
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


def art13(contract: Contract) -> str:
    """Return what GDPR, Art. 13 has a controller tell those it collects from."""
    name = contract.name
    return f"""# Privacy notice: usage data of {contract.title}

This is the information under Art. 13 of the General Data Protection Regulation (GDPR). It concerns
you only if you say Yes when {contract.title} asks. Before that, nothing is collected or sent, and
nothing that identifies you or your machine is stored on it.

## Who is responsible

The controller is {contract.organisation}. Reach it, and its data protection officer, at
{contract.contact}. Its postal address stands below.

## What is collected, what for, and on what basis

One event each time one of these commands succeeds: {", ".join(contract.commands)}. An event has:

| what | how it leaves your machine | what for |
| --- | --- | --- |
{table(contract)}

Never collected: {NEVER}.

The legal basis is your consent: Art. 6(1)(a) GDPR, and Art. 5(3) of the ePrivacy Directive for the
random number that is kept on your machine (in a file of your own) from your Yes until you withdraw
it. Nothing is collected on the basis of legitimate interests. You are not obliged to agree, by law
or by contract; {contract.title} works the same without.

The data is pseudonymous, not anonymous: the same installation always has the same hash. Without
help from you, {contract.organisation} cannot tell whose installation it is (Art. 11 GDPR).

## Who receives it

It is received by {contract.organisation}, at {contract.collector}, and by those who run
that computer for it, named below; by nobody else. It is not sold, and not combined with other data.
Figures over many installations may be published, none about one installation or a small group.
Your IP address carries the connection; the collector neither stores it nor writes it to a log.

It is not transferred to a country outside the European Economic Area unless it says so below.

## How long it is kept

Events are deleted after {contract.retention_days} days. What waits on your machine to be sent is
deleted after 30 days, and at once when you withdraw.

## Your rights

- Withdraw your consent at any time, as easily as it is given (Art. 7(3)):
  `{name} telemetry off`, the counterpart of `{name} telemetry on`. What was done before stays
  lawful.
- Have everything erased (Art. 17): `{name} telemetry erase`, which also withdraws.
- See what is collected (Art. 15) and take it with you (Art. 20): `{name} telemetry log` prints
  the events that were sent of late, `{name} telemetry show` the next one. For all that were ever
  sent, write to {contract.contact}.
- Have it corrected (Art. 16) or its use restricted (Art. 18): write to {contract.contact}.
- Complain to a supervisory authority (Art. 77): the one where you live or work, or the one named
  below.

To act on a letter, {contract.organisation} needs the installation's hash, the `installationId`
that `{name} telemetry show` prints: nothing else leads from you to your events.

There is no automated decision-making and no profiling (Art. 22). If more is ever to be collected,
or for longer, you are asked again first, and until you answer nothing is sent.
"""


def art30(contract: Contract) -> str:
    """Return the record of processing activities that GDPR, Art. 30(1) has a controller keep."""
    fields = ", ".join(f"{field.name} ({field.treatment})" for field in contract.fields.values())
    purposes = "; ".join(_purposes(contract))
    rows = {
        "Processing activity": f"Usage data of {contract.title} (`{contract.name}`), opt-in",
        "Controller, (a)": f"{contract.organisation}; address below",
        "Data protection officer, (a)": contract.contact,
        "Purposes, (b)": purposes,
        "Legal basis": "Consent, Art. 6(1)(a); for what is kept on the user's machine "
        "Art. 5(3) ePrivacy Directive. Nothing before a Yes; the default is No",
        "Proof of consent, Art. 7(1)": "The answer, its day, the version and the contract it was "
        "given to are in a file on the user's machine; an event exists only after a Yes",
        "Withdrawal, Art. 7(3)": f"`{contract.name} telemetry off`; erasure: "
        f"`{contract.name} telemetry erase`",
        "Data subjects, (c)": f"Users of {contract.title} who said Yes",
        "Personal data, (c)": "Per event: a random id, the installation as a hash (a pseudonym), "
        "the time, the version, the command "
        f"({', '.join(contract.commands)}){'; ' + fields if fields else ''}. "
        f"Never: {NEVER.replace('your', 'the')}. No special categories (Art. 9)",
        "Recipients, (d)": f"{contract.organisation}, at {contract.collector}; processors below",
        "Transfers to third countries, (e)": "None, unless stated below",
        "Erasure, (f)": f"After {contract.retention_days} days; at once when an installation "
        "asks for it",
        "Security, (g) and Art. 32": f"{_transport(contract)}; pseudonymised on the user's machine "
        "with a secret that never leaves it; client and collector both refuse what the contract "
        "does not declare; no IP address stored or logged; answers need a token; files are "
        "readable by the collector's user alone. More below",
        "Contract": f"`{contract.digest}`",
    }
    body = "\n".join(f"| {_cell(what)} | {_cell(text)} |" for what, text in rows.items())
    return f"""# Record of processing: usage data of {contract.title}

Under Art. 30(1) of the General Data Protection Regulation; letters as there.

| | |
| --- | --- |
{body}
"""


def _fenced_prompt(contract: Contract) -> str:
    return f"```text\n{prompt(contract)}```\n"


FORMS: dict[str, Callable[[Contract], str]] = {
    "telemetry": telemetry,
    "prompt": _fenced_prompt,
    "art13": art13,
    "art30": art30,
}
FILES = {
    "telemetry": "TELEMETRY.md",
    "prompt": "PROMPT.md",
    "art13": "PRIVACY.md",
    "art30": "PROCESSING.md",
}
_BLANKS = {
    "telemetry": (
        ("Postal address of {organisation}", "street, town, country"),
        ("The collector is run by", "{organisation} itself, or its hosting provider and country"),
        ("Authority to complain to", "the data protection authority of {organisation}"),
    ),
    "prompt": (),
    "art13": (
        ("Postal address of {organisation}", "street, town, country"),
        ("Representative in the EU (Art. 27)", "name and address, or: none is needed"),
        ("Processors that run the collector", "hosting provider and country, or: none"),
        ("Transfers outside the EEA", "none; or to whom, where and on what ground, Art. 44 to 49"),
        ("Logs of anything in front of the collector", "none; or what they hold and how long"),
        ("Backups are kept for", "days, in which erased events may still be in them"),
        ("Supervisory authority", "name and website"),
    ),
    "art30": (
        ("Postal address and telephone of {organisation}", "street, town, country, number"),
        ("Joint controllers, representative", "names and addresses, or: none"),
        ("Processors that run the collector", "hosting provider, country, contract of Art. 28"),
        ("Transfers outside the EEA", "none; or to whom, where and with which safeguards"),
        ("Backups are kept for", "days"),
        ("Who has access to the collector", "roles, and how it is granted and taken back"),
        ("Further measures (Art. 32)", "disk encryption, updates, monitoring, restore tests"),
        ("Record kept by, last reviewed on", "name, day"),
    ),
}


def document(contract: Contract, form: str) -> str:
    """Return a new document: the generated part between its marks, then the blanks."""
    blanks = [
        f"- {what.format(organisation=contract.organisation)}: "
        f"**[fill in: {hint.format(organisation=contract.organisation)}]**"
        for what, hint in _BLANKS[form]
    ]
    text = _marked(contract, form) + "\n"
    if blanks:
        head = "What the contract of the tool cannot know. This part is yours: it is never changed."
        text += f"\n## Further particulars\n\n<!-- {head} -->\n\n" + "\n".join(blanks) + "\n"
    return text


def forms_in(text: str) -> list[str]:
    """Return the forms of the generated parts that a document has."""
    return [found["form"] for found in _PART.finditer(text) if found["form"] in FORMS]


def renew(text: str, contract: Contract, form: str) -> str:
    """Return a document with its generated part of that form made anew, the rest as it was."""

    def marked(found: re.Match[str]) -> str:
        return _marked(contract, form) if found["form"] == form else found[0]

    return _PART.sub(marked, text)


def stale(text: str, contract: Contract) -> str:
    """Say why a document does not match the contract, or '' if it does."""
    for found in _PART.finditer(text):
        if found["form"] not in FORMS:
            return f"has a generated part of an unknown form, {found['form']}"
        if hash_text(found["body"], "") != found["digest"]:
            return "was edited by hand between the marks; put your own words outside them"
        if found["body"] != FORMS[found["form"]](contract):
            return "no longer matches the contract"
    return "" if forms_in(text) else "has no generated part"


def _marked(contract: Contract, form: str) -> str:
    body = FORMS[form](contract)
    digest = hash_text(body, "")
    return f"<!-- askfirst:begin {form} sha256:{digest} -->\n{body}<!-- askfirst:end -->"


def _purposes(contract: Contract) -> list[str]:
    return list(dict.fromkeys(purpose for _, _, purpose in rows(contract)))


def _transport(contract: Contract) -> str:
    return "TLS" if contract.collector.startswith("https:") else "Does not leave this machine"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
