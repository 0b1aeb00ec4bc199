"""What a Python project says of itself: its scripts, its makers, and how it is built."""

from __future__ import annotations

import configparser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from askfirst.cli.main import Failure

try:
    import tomllib  # type: ignore[import-not-found, unused-ignore]
except ModuleNotFoundError:  # Python 3.10
    from askfirst._vendor import tomli as tomllib  # type: ignore[no-redef, unused-ignore]

PAGES = ("repository", "source", "source code", "github", "homepage", "documentation")


@dataclass(slots=True)
class Project:
    """What was read; text that is not there is ''. `scripts` maps a command to module:attribute."""

    root: Path
    scripts: dict[str, str] = field(default_factory=dict)
    distribution: str = ""
    version: str = ""
    author: str = ""
    email: str = ""
    page: str = ""
    backend: str = "setuptools"  # what PEP 517 says where nothing is said
    dependencies: list[str] = field(default_factory=list)
    tables: dict[str, Any] = field(default_factory=dict)

    def source_folders(self) -> list[Path]:
        """Return the folders from which modules of this project may be imported."""
        named = [self.root / "src", self.root]
        uv = _table(self.tables, "uv", "build-backend").get("module-root")
        if isinstance(uv, str):
            named.insert(0, self.root / uv)
        where = _list(_table(self.tables, "setuptools", "packages", "find"), "where")
        named += [self.root / name for name in where if isinstance(name, str)]
        layout = _table(self.tables, "setuptools", "package-dir").get("")
        if isinstance(layout, str):
            named.insert(0, self.root / layout)
        return [folder for folder in dict.fromkeys(named) if folder.is_dir()]


def read_project(root: Path) -> Project:
    """Read pyproject.toml, and setup.cfg for what is not in it. Raises Failure."""
    path = root / "pyproject.toml"
    data: dict[str, Any] = {}
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if not (root / "setup.cfg").is_file():
            raise Failure(
                f"{root} has no pyproject.toml; run this in the folder of your project, or name it"
            ) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise Failure(f"{path} is no TOML file: {error}") from error
    found = Project(root, tables=_table(data, "tool"))
    _read_standard(found, _table(data, "project"))
    _read_poetry(found, _table(data, "tool", "poetry"))
    if (root / "setup.cfg").is_file():
        _read_setup_cfg(found, root / "setup.cfg")
    backend = str(_table(data, "build-system").get("build-backend", found.backend))
    found.backend = backend.partition(".")[0].partition(":")[0]
    return found


def _read_standard(found: Project, project: dict[str, Any]) -> None:
    found.distribution = _text(project, "name")
    found.version = _text(project, "version")
    found.scripts.update(_texts(project, "scripts"))
    found.dependencies = [str(row) for row in _list(project, "dependencies")]
    people = [*_list(project, "authors"), *_list(project, "maintainers")]
    for person in people:
        if isinstance(person, dict):
            found.author = found.author or _text(person, "name")
            found.email = found.email or _text(person, "email")
    urls = {name.lower(): url for name, url in _texts(project, "urls").items()}
    found.page = next((urls[name] for name in PAGES if name in urls), "")


def _read_poetry(found: Project, poetry: dict[str, Any]) -> None:
    found.distribution = found.distribution or _text(poetry, "name")
    found.version = found.version or _text(poetry, "version")
    found.scripts.update(_texts(poetry, "scripts"))
    found.dependencies += _table(poetry, "dependencies")
    found.page = found.page or _text(poetry, "repository") or _text(poetry, "homepage")
    for person in _list(poetry, "authors"):
        name, _, rest = str(person).partition("<")
        found.author = found.author or name.strip()
        found.email = found.email or rest.rstrip("> ")


def _read_setup_cfg(found: Project, path: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, configparser.Error) as error:
        raise Failure(f"{path} cannot be read: {error}") from error
    lines = parser.get("options.entry_points", "console_scripts", fallback="").splitlines()
    for line in lines:
        name, equals, target = line.partition("=")
        if equals:
            found.scripts.setdefault(name.strip(), target.strip())
    for key, option in (
        ("distribution", "name"),
        ("version", "version"),
        ("author", "author"),
        ("email", "author_email"),
        ("page", "url"),
    ):
        said = parser.get("metadata", option, fallback="").strip()
        if not getattr(found, key) and not said.startswith(("attr:", "file:")):
            setattr(found, key, said)


def _table(data: dict[str, Any], *path: str) -> dict[str, Any]:
    for key in path:
        inner = data.get(key)
        data = inner if isinstance(inner, dict) else {}
    return data


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    return value.strip() if isinstance(value, str) else ""


def _list(table: dict[str, Any], key: str) -> list[Any]:
    found = table.get(key)
    return found if isinstance(found, list) else []


def _texts(table: dict[str, Any], key: str) -> dict[str, str]:
    return {name: text for name, text in _table(table, key).items() if isinstance(text, str)}
