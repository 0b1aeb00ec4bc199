"""The manifest `stratus.json`: which processes an application has in which environment."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from click import ClickException

FILE = Path("stratus.json")

# Names become file names. Lower case only, because "web" and "Web" are one file on macOS.
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")

STARTER = """\
{
  "application": "%s",
  "runtime": "2.0.0",
  "environments": {
    "default": {
      "processes": {
        "web": ["sh", "-c", "echo web is up; exec sleep 86400"],
        "worker": ["sleep", "86400"]
      }
    },
    "production": {
      "processes": {
        "web": ["sh", "-c", "echo web is up; exec sleep 86400"]
      }
    }
  }
}
"""

Processes = dict[str, list[str]]


class ManifestError(ClickException):
    """The manifest cannot be used; the message says why and what to do. Exits with 1."""


@dataclass(frozen=True)
class Manifest:
    """An application as its manifest declares it."""

    application: str
    runtime: str
    environments: dict[str, Processes]

    def processes(self, env: str) -> Processes:
        """The processes declared for an environment."""
        if env not in self.environments:
            known = ", ".join(self.environments)
            raise ManifestError(f"{FILE} has no environment {env!r}. Use one of these: {known}.")
        return self.environments[env]


def check_name(name: str, what: str) -> str:
    """The name itself, if it can safely be part of a path."""
    if not NAME.fullmatch(name):
        raise ManifestError(
            f"{name!r} is no name for {what}. Use lower-case letters, digits, '.', '_' and '-', "
            "beginning with a letter or a digit, 40 characters at the most."
        )
    return name


def write_starter(name: str) -> None:
    """Write a manifest that works as it is. Never overwrites one."""
    check_name(name, "an application")
    try:
        with FILE.open("x", encoding="utf-8") as file:
            file.write(STARTER % name)
    except FileExistsError as error:
        raise ManifestError(
            f"{FILE} exists already. Edit it, or remove it and run `stratus init` again."
        ) from error


def read_manifest() -> Manifest:
    """The manifest in the current folder."""
    try:
        data: object = json.loads(FILE.read_bytes())
    except FileNotFoundError as error:
        raise ManifestError(
            f"There is no {FILE} here. Run `stratus init`, or go to your application's folder."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{FILE} is not valid JSON ({error}). Correct it.") from error
    top = _table(data, "the manifest")
    environments = _filled(top.get("environments"), "environments")
    return Manifest(
        application=check_name(
            _text(top.get("application"), "application"), "an application (key application)"
        ),
        runtime=_text(top.get("runtime"), "runtime"),
        environments={
            check_name(env, "an environment (key environments)"): _environment(value, env)
            for env, value in environments.items()
        },
    )


def _environment(value: object, env: str) -> Processes:
    key = f"environments.{env}"
    declared = _filled(_table(value, key).get("processes"), f"{key}.processes")
    return {
        check_name(name, f"a process (key {key}.processes)"): _command(
            command, f"{key}.processes.{name}"
        )
        for name, command in declared.items()
    }


def _table(value: object, key: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _wrong(key, "an object, { … }")
    return value


def _filled(value: object, key: str) -> dict[str, object]:
    table = _table(value, key)
    if not table:
        raise _wrong(key, "an object with at least one entry")
    return table


def _text(value: object, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(key, 'a text, such as "2.0.0"' if key == "runtime" else "a text")
    return value


def _command(value: object, key: str) -> list[str]:
    wanted = 'a command as a list of texts, such as ["sleep", "60"]'
    if not isinstance(value, list) or not value or not value[0]:
        raise _wrong(key, wanted)
    if not all(isinstance(part, str) and "\0" not in part for part in value):
        raise _wrong(key, wanted)
    return value


def _wrong(key: str, wanted: str) -> ManifestError:
    return ManifestError(f"In {FILE}, {key} is missing or wrong. It must be {wanted}.")
