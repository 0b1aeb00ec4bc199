"""Write what the documentation says about commands, settings, endpoints and names from the code.

    python tools/reference.py            write it anew (`make reference`)
    python tools/reference.py --check    change nothing; exit code 1 if a page is out of date

A page has it between two comments, `<!-- generated: NAME -->` and `<!-- end -->`; all else in the
page is written by hand. NAME is a key of GENERATORS.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import click

import askfirst.collector
from askfirst import Telemetry
from askfirst.cli import serve
from askfirst.cli.main import root
from askfirst.client import consent
from askfirst.client.vocabulary import ALIASES, COMMANDS
from askfirst.contract import loading, notice
from askfirst.contract.event import form

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
EXAMPLE = ROOT / "examples" / "stratus" / "stratus" / "telemetry.toml"
OPENAPI = Path(askfirst.collector.__file__).parent / "openapi.json"
METHODS = ("from_contract", "ask", "set", "record", "run_command")  # what guides speak of
WIDTH = 78  # what click takes of a terminal of 80 columns
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(words: list[str]) -> int:
    """Write or check every page; return an exit code."""
    old = []
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text("utf-8")
        new = filled(text)
        if new != text:
            old.append(path.relative_to(ROOT))
            if "--check" not in words:
                path.write_text(new, "utf-8")
    for path in old:
        done = "is out of date; run `make reference`" if "--check" in words else "written"
        print(f"{path} {done}", file=sys.stderr)
    return 1 if old and "--check" in words else 0


def filled(text: str) -> str:
    """Return a page with its generated parts made anew. Raises KeyError on an unknown name."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{GENERATORS[found[2]]()}\n\n{found[3]}", text)


def commands() -> str:
    """Return every command of `askfirst` with its --help."""
    parts = []
    for words in leaves(root, ()):
        text = help_of(words)
        parts.append(f"## {' '.join(('askfirst', *words))}\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


def leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield every command and group below one, each as its words, itself included."""
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            yield from leaves(child, (*words, name))


def help_of(words: tuple[str, ...]) -> str:
    """Return what `askfirst WORDS --help` prints in a terminal of 80 columns."""
    said = StringIO()
    with redirect_stdout(said):
        root.main(
            [*words, "--help"], prog_name="askfirst", standalone_mode=False, terminal_width=WIDTH
        )
    return said.getvalue().rstrip()


def serve_settings() -> str:
    """Return a table of what `askfirst serve` can be told, and where."""
    rows = ["| option | environment | key in `--config` | default |", "| --- | --- | --- | --- |"]
    for option in serve.command.params:
        if not isinstance(option, click.Option):
            continue
        name = option.opts[0]
        key = name.removeprefix("--")
        variable = "ASKFIRST_SERVE_" + key.upper().replace("-", "_")
        in_file = "" if option.name == "config" else f"`{key}`"
        rows.append(f"| `{name}` | `{variable}` | {in_file} | {default_of(option)} |")
    return "\n".join(rows)


def default_of(option: click.Option) -> str:
    """Return an option's default as a cell."""
    if option.required:
        return "required"
    if option.is_flag:
        return "off"
    text = "" if option.multiple else option.to_info_dict()["default"]
    return "" if text in (None, "") or "UNSET" in str(text) else f"`{text}`"


def telemetry() -> str:
    """Return the help of `<tool> telemetry`, as the example CLI prints it."""
    said = StringIO()
    with redirect_stdout(said):
        code = Telemetry.from_contract(EXAMPLE, version="1.4.0").run_command(["--help"])
    assert code == 0
    other = "\n".join(f"- `{alias}` is `{name}`" for alias, name in ALIASES.items())
    rows = [f"| `{name}` | {text} |" for name, text in COMMANDS.items()]
    table = "\n".join(["| command | does |", "| --- | --- |", *rows])
    return f"```text\n{said.getvalue().rstrip()}\n```\n\n{table}\n\n{other}"


def reasons() -> str:
    """Return the reasons that `<tool> telemetry status` may give."""
    rows = [f"| `{name}` | {text.format(detail='…')} |" for name, text in consent.REASONS.items()]
    return "\n".join(["| reason | in words |", "| --- | --- |", *rows])


def variables_of_ci() -> str:
    """Return the variables by which a CI machine is known."""
    return ", ".join(f"`{name}`" for name in consent.CI_VARIABLES)


def always() -> str:
    """Return what every event has, whatever a contract declares."""
    rows = [f"| `{name}` | {how} |" for name, how in notice.always(loading.load(EXAMPLE))]
    return "\n".join(["| part | is |", "| --- | --- |", *rows])


def event() -> str:
    """Return an event as it is sent, but for white space, from raw values."""
    formed = form(
        loading.load(EXAMPLE),
        command="start",
        version="1.4.0",
        installation="0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1",
        values={"runtime": "2.0.0", "application.name": "chat", "application.env": "production"},
        id="01a2141a-ae70-718e-9577-13ac6a357552",
        timestamp=1_795_417_883_502,
    )
    return f"```json\n{json.dumps(formed.as_dict(), indent=2)}\n```"


def python() -> str:
    """Return the one public object of the client, from its source: the way in, and what it has."""
    tree = ast.parse(Path(inspect.getfile(Telemetry)).read_text("utf-8"))
    [face] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Telemetry"]
    parts = []
    for member in face.body:
        if isinstance(member, ast.FunctionDef) and member.name in METHODS:
            arguments = ast.unparse(member.args).replace("'", "").split(", ", 1)[1:]
            text = ast.get_docstring(member)
            call = f"{member.name}({''.join(arguments)})"
            parts.append(f"### {member.name}\n\n```python\n{call}\n```\n\n{text}")
    return "\n\n".join(parts)


def endpoints() -> str:
    """Return every endpoint of the collector, from its OpenAPI description."""
    described = json.loads(OPENAPI.read_text("utf-8"))
    parts = []
    for path, methods in described["paths"].items():
        for method, what in methods.items():
            parts.append(endpoint(described, f"{method.upper()} {path}", what))
    return "\n\n".join(parts)


def endpoint(described: dict[str, Any], title: str, what: dict[str, Any]) -> str:
    """Return one endpoint: what it does, who may ask, what it takes, how it answers."""
    who = "Needs the token." if what["security"] else "Needs no token."
    lines = [f"## {title}", "", f"{what['summary']}. {who}"]
    if "description" in what:
        lines += ["", what["description"]]
    takes = [
        f"- `{row['name']}` (in {row['in']}{', required' if row.get('required') else ''}): "
        f"{row.get('description') or shape(row['schema'])}"
        for row in (resolved(described, row) for row in what.get("parameters", []))
    ]
    for kind, content in what.get("requestBody", {}).get("content", {}).items():
        takes.append(f"- body, `{kind}`: {shape(content['schema'])}")
    if takes:
        lines += ["", "Takes:", "", *takes]
    lines += ["", "| answer | means |", "| --- | --- |"]
    for status, answer in what["responses"].items():
        lines.append(f"| {status} | {resolved(described, answer)['description']} |")
    return "\n".join(lines)


def schemas() -> str:
    """Return the shapes that endpoints take and give, as JSON Schema."""
    described = json.loads(OPENAPI.read_text("utf-8"))["components"]["schemas"]
    return "\n\n".join(
        f"### {name}\n\n```json\n{json.dumps(schema, indent=2, ensure_ascii=False)}\n```"
        for name, schema in described.items()
    )


def shape(schema: dict[str, Any]) -> str:
    """Return a schema in half a line: a link to a named one, else its keys or its type."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "properties" in schema:
        required = schema.get("required", [])
        keys = [
            f"`{key}`{'' if key in required else ' (optional)'}" for key in schema["properties"]
        ]
        return ", ".join(keys)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return str(schema.get("type", "anything"))


def resolved(described: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, if it is one."""
    if "$ref" not in row:
        return row
    found: Any = described
    for part in row["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


GENERATORS: dict[str, Callable[[], str]] = {
    "always": always,
    "ci-variables": variables_of_ci,
    "commands": commands,
    "endpoints": endpoints,
    "event": event,
    "python": python,
    "reasons": reasons,
    "schemas": schemas,
    "serve-settings": serve_settings,
    "telemetry": telemetry,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
