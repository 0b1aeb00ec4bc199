"""Finds the commands of a program by reading its source; nothing of it is imported or run.

What is looked for is how the four frameworks are commonly used: decorators, and calls that name a
command in plain text. Commands made in a loop are not found; whoever asks has to be shown the list.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

FRAMEWORKS = ("cyclopts", "typer", "click", "argparse")  # typer programs import click, too
MOST_FILES = 500
Key = tuple[str, str]  # module, name in it
THE_ROOT = ("", "")  # a parser that a function was given: which one, reading alone does not tell


@dataclass
class Place:
    """A group, an app, a parser or a command: what it is called, and what is below it."""

    file: Path
    line: int
    name: str = ""
    is_command: bool = False
    variable: str = ""  # that holds a parser
    children: list[tuple[str, Key]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Program:
    """What was found: where the root is, by which name, and its commands in their order."""

    framework: str
    file: Path
    line: int
    root: str
    commands: list[str]


def read_program(folder: Path, module: str, attribute: str, framework: str = "") -> Program:
    """Read the program that starts at `module:attribute`; `folder` is what is on sys.path for it.

    Raises OSError if the module is not there, SyntaxError if it is no Python. Another file that
    cannot be read, or is none, is passed over: an editor's lock, a template.
    """
    start = module_file(folder, module)
    package = module.partition(".")[0]
    sources = {module: start} | dict(_modules(folder, package))
    trees = {module: ast.parse(start.read_bytes(), str(start))}
    for name, path in sources.items():
        with suppress(OSError, SyntaxError, ValueError):
            trees.setdefault(name, ast.parse(path.read_bytes(), str(path)))
    kind = framework or _framework(trees, module)
    modules = {name: _Module(name, sources[name], tree) for name, tree in trees.items()}
    for each in modules.values():
        each.read(kind)
    places = {key: place for each in modules.values() for key, place in each.places.items()}
    for each in modules.values():
        for parent, name, child in each.joints:
            if parent in places and parent != child:
                places[parent].children.append((name, child))
    root = _root(places, modules, (module, attribute))
    if root is None:
        return Program(kind, start, 0, attribute, [])
    place = places[root]
    for each in modules.values():
        place.children += [
            (name, child) for parent, name, child in each.joints if parent == THE_ROOT
        ]
    below = list(_commands(places, root, "", ()))
    if place.is_command:  # a program of one command, which is recorded by its own name
        below = [place.name]
    name = (place.variable or "parser") if kind == "argparse" else root[1]
    return Program(kind, place.file, place.line, name, list(dict.fromkeys(below)))


def module_file(folder: Path, module: str) -> Path:
    """Return the file of a module. Raises FileNotFoundError."""
    place = folder.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    raise FileNotFoundError(2, "there is no such module", f"{place}.py")


def _modules(folder: Path, package: str) -> Iterator[tuple[str, Path]]:
    top = folder / package
    for path in sorted(top.rglob("*.py"))[:MOST_FILES] if top.is_dir() else []:
        parts = path.relative_to(folder).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _framework(trees: dict[str, ast.Module], first: str) -> str:
    """Return the framework that the first module imports, or else any other one; '' if none."""
    for name in sorted(trees, key=lambda name: name != first):
        seen = set()
        for node in ast.walk(trees[name]):
            if isinstance(node, ast.Import):
                seen |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                seen.add((node.module or "").partition(".")[0])
        found = [framework for framework in FRAMEWORKS if framework in seen]
        if found:
            return found[0]
    return ""


def _root(places: dict[Key, Place], modules: dict[str, _Module], entry: Key) -> Key | None:
    """Return the root: the entry point itself, or what it calls, or what has most below it."""
    start = modules[entry[0]].resolve(entry[1])
    if start in places:
        return start
    below = {child for each in modules.values() for _, _, child in each.joints}
    roots = [key for key in places if key not in below]
    called = modules[start[0]].calls.get(start[1], []) if start[0] in modules else []
    first = [key for key in called if key in places] or [key for key in roots if key[0] == start[0]]
    candidates = first or roots
    return max(candidates, key=lambda key: len(places[key].children), default=None)


def _commands(places: dict[Key, Place], key: Key, path: str, way: tuple[Key, ...]) -> Iterator[str]:
    """Walk down to the commands that have nothing below them."""
    for name, child in places[key].children:
        if child in way:
            continue
        found = places.get(child)
        own = name or (found.name if found else "")
        full = f"{path} {own}".strip()
        if found is not None and found.children:
            yield from _commands(places, child, full, (*way, key))
        elif own:
            yield full


class _Module:
    """One source file: the places in it, and which of them hang below which."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name = name
        self.path = path
        self.tree = tree
        self.places: dict[Key, Place] = {}
        self.joints: list[tuple[Key, str, Key]] = []  # parent, name there or '', child
        self.calls: dict[str, list[Key]] = {}  # what a function calls
        self._imported: dict[str, Key] = {}

    def resolve(self, name: str) -> Key:
        """Return which module a name belongs to, and its name there."""
        return self._imported.get(name, (self.name, name))

    def read(self, framework: str) -> None:
        self._read_imports()
        if framework == "argparse":
            self._read_parsers(self.tree, {})
            return
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.calls[node.name] = list(self._called(node))
                for decorator in node.decorator_list:
                    self._read_decorator(node, decorator, framework)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._read_assignment(node, framework)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                self._read_call(node, node.func, framework)

    def _read_imports(self) -> None:
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                self._imported[alias.asname or alias.name] = (base, alias.name)

    def _called(self, function: ast.AST) -> Iterator[Key]:
        """Yield what a function calls: `cli` of cli(), and of cli.main() too."""
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
                for what in (node.func, *owner):
                    key = self._key(what)
                    if key is not None:
                        yield key

    def _key(self, node: ast.expr) -> Key | None:
        """Return what an expression such as `db` or `db.app` means."""
        if isinstance(node, ast.Name):
            return self.resolve(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            base, name = self.resolve(node.value.id)
            return f"{base}.{name}" if base else name, node.attr
        return None

    def _read_decorator(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, decorator: ast.expr, framework: str
    ) -> None:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = call.func if call else decorator
        if isinstance(target, ast.Name):  # from click import group
            verb, owner = self.resolve(target.id)[1], None
        elif isinstance(target, ast.Attribute):
            verb, owner = target.attr, target.value
        else:
            return
        if verb not in ("command", "group"):
            return
        name = _text(call) or _spelled(node.name, framework)
        key = (self.name, node.name)
        parent = self._key(owner) if owner is not None else None
        own = isinstance(owner, ast.Name) and owner.id == framework
        if framework == "click" or parent is not None:
            self.places.setdefault(
                key, Place(self.path, node.lineno, name, is_command=verb == "command")
            )
        if parent is not None and not own:
            self.joints.append((parent, name, key))

    def _read_assignment(self, node: ast.Assign, framework: str) -> None:
        target, value = node.targets[0], node.value
        if not isinstance(target, ast.Name) or not isinstance(value, ast.Call):
            return
        made = value.func.attr if isinstance(value.func, ast.Attribute) else ""
        if isinstance(value.func, ast.Name):
            made = self.resolve(value.func.id)[1]
        maker = {"typer": "Typer", "cyclopts": "App", "click": "Group"}.get(framework)
        if maker is not None and made.endswith(maker):  # a class of one's own, often
            # only click takes the name as its first argument
            name = _text(value) if framework == "click" else _keyword(value)
            self.places[self.name, target.id] = Place(self.path, node.lineno, name)

    def _read_call(self, node: ast.Call, func: ast.Attribute, framework: str) -> None:
        verbs = {"click": "add_command", "typer": "add_typer", "cyclopts": "command"}
        if func.attr != verbs.get(framework) or not node.args:
            return
        parent, first = self._key(func.value), node.args[0]
        name = _keyword(node)
        if framework == "click" and len(node.args) > 1:
            name = _literal(node.args[1])
        if parent is None:
            return
        child = self._key(first)
        if isinstance(first, ast.Call) and framework == "cyclopts":  # app.command(App(name="db"))
            name = name or _keyword(first)
            child = (self.name, f"<{node.lineno}>")
        if child is not None:
            if framework == "cyclopts" and not name and child not in self.places:
                name = _spelled(child[1], framework) if self._is_function(child[1]) else ""
            self.joints.append((parent, name, child))

    def _is_function(self, name: str) -> bool:
        return any(isinstance(n, ast.FunctionDef) and n.name == name for n in self.tree.body)

    def _read_parsers(self, scope: ast.AST, known: dict[str, Key]) -> None:
        """Follow argparse's parsers through the variables of a scope, in the order of the lines."""
        known = dict(known)
        for node in _in_order(scope):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._read_parsers(node, known)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                found = self._parser(node.value, known)
                if found is not None:
                    known[_variable(node.targets[0])] = found
                    place = self.places.get(found)
                    if place is not None and not place.variable:
                        place.variable = ast.unparse(node.targets[0])
            elif isinstance(node, ast.Expr):
                self._parser(node.value, known)

    def _parser(self, node: ast.expr, known: dict[str, Key]) -> Key | None:
        """Return the parser that an expression makes or adds to, or None if it is another thing.

        What `add_subparsers` returns stands for the parser it was called on.
        """
        if not isinstance(node, ast.Call):
            return known.get(_variable(node))
        verb = _variable(node.func)
        if verb.endswith("ArgumentParser"):
            return self._place(node, "")
        if not isinstance(node.func, ast.Attribute):
            return None
        owner = self._parser(node.func.value, known)
        if verb == "add_subparsers":
            return owner or THE_ROOT
        if verb == "add_parser" and node.args and _literal(node.args[0]):
            name = _literal(node.args[0])
            key = self._place(node, name)
            self.joints.append((owner or THE_ROOT, name, key))
            return key
        return None

    def _place(self, node: ast.Call, name: str) -> Key:
        key = (self.name, f"<{node.lineno}:{node.end_col_offset}>")
        self.places[key] = Place(self.path, node.lineno, name)
        return key


def _in_order(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a scope, those inside if, for, with and try too, as they stand."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, (ast.stmt, ast.ExceptHandler)):
            yield node
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _in_order(node)


def _variable(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""  # self.parser


def _literal(node: ast.expr) -> str:
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        return _literal(node.elts[0])  # cyclopts takes several names; the first one counts
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _keyword(call: ast.Call) -> str:
    return next((_literal(pair.value) for pair in call.keywords if pair.arg == "name"), "")


def _text(call: ast.Call | None) -> str:
    """Return the name that a call gives, by position or by keyword; '' if none in plain text."""
    if call is None:
        return ""
    return (_literal(call.args[0]) if call.args else "") or _keyword(call)


def _spelled(function: str, framework: str) -> str:
    """Return what a framework calls the command of a function."""
    name = function.lower().replace("_", "-")
    if framework == "cyclopts":
        return name.strip("-")
    stem, _, suffix = name.rpartition("-")
    shortens = framework == "click" and _click_version() >= (8, 2)
    return stem if shortens and stem and suffix in ("command", "cmd", "group", "grp") else name


def _click_version() -> tuple[int, ...]:
    numbers = metadata.version("click").split(".")[:2]
    return tuple(int(number) for number in numbers)
