"""Does what a page says, block by block, as a reader in two terminals would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.client.terminal import CTRL_C, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"(?:\(\.venv\) )?\[(\d+)\]ready> ")
PATIENCE_S = 1200  # pip on a busy machine
FIRST, SECOND = "first", "second"


@dataclass(frozen=True)
class Block:
    """One block of a page, and the terminal that it is about. `kind` is "run", "output", "press", "browse" or "file"."""

    kind: str
    text: str
    title: str = ""
    terminal: str = ""


def blocks(page: str) -> Iterator[Block]:
    """Yield every block of a page. Raises ValueError on one that a reader could not act on."""
    terminal = FIRST
    for language, title, text in FENCE.findall(page):
        if language == "sh" and title in ("", "Second terminal"):
            terminal = SECOND if title else FIRST
            yield Block("run", text, terminal=terminal)
        elif title == "Output":
            yield Block("output", text, terminal=terminal)
        elif title == "In the browser":
            yield Block("browse", text)
        elif title.startswith("Press"):
            terminal = SECOND if title.endswith("in the second terminal") else terminal
            yield Block("press", text.strip(), terminal=terminal)
        elif language in ("python", "toml") and "." in title:
            yield Block("file", text, title)
        else:
            raise ValueError(f"what is a reader to do with this block? {language} {title!r}")


def expected(text: str) -> re.Pattern[str]:
    """Return what matches an output: `…` is anything, white space at the end of lines nothing."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    parts = (re.escape(part) for part in "\n".join(lines).split("…"))
    return re.compile(r"\s*" + "(?:.*?)".join(parts) + r"\s*", re.DOTALL)


class Shell:
    """A terminal with bash in it. Typed text is not echoed, and the prompt has the exit code."""

    def __init__(self, folder: Path, env: Mapping[str, str], inside: Sequence[str] = ()) -> None:
        prompt = "'PS1=[$?]ready> ' PS2="  # bash -c would not hand it on from its own environment
        script = f'stty -echo; cd "$1"; exec env {prompt} bash --norc --noprofile --noediting -i'
        self._terminal = Terminal(
            [*inside, "bash", "-c", script, "bash", str(folder)],
            {**env, "TERM": "xterm"},
            columns=100,
        )
        self._from = 0
        self.wait()

    @property
    def output(self) -> str:
        """What has come since the last command or key, without escape sequences."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self._terminal.text[self._from :])
        return "\n".join(line.rstrip() for line in text.split("\n"))

    def type(self, text: str) -> None:
        """Type keys, and forget what came before."""
        self._from = len(self._terminal.text)
        self._terminal.send(text)

    def more(self, text: str) -> None:
        """Type keys, and keep what came before."""
        self._terminal.send(text)

    def wait(self, wanted: re.Pattern[str] | None = None, code: str | None = "0") -> str:
        """Wait for a prompt and return what came before it; or for an output, and return it.

        An exit code other than `code` is an AssertionError, if that is not None.
        """

        def done(_text: str) -> bool:
            return bool(wanted.match(self.output) if wanted else self._ended())

        self._terminal.wait(done, PATIENCE_S)
        if wanted:
            return self.output
        found = self._ended()
        assert found is not None
        assert code in (None, found[1]), f"exit code {found[1]}:\n{self.output}"
        return self.output[: found.start()]

    def _ended(self) -> re.Match[str] | None:
        text = self._terminal.text[self._from :]
        if not re.search(PROMPT.pattern + "$", text):
            return None
        return re.search(PROMPT.pattern.rstrip() + r"\s*$", self.output)

    def close(self) -> None:
        self._terminal.close()


class Reader:
    """Follows a page in a folder, with an environment that is theirs alone."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        inside: Sequence[str] = (),
        browse: Callable[[str], str] | None = None,
    ) -> None:
        """`inside` are the words that begin what the terminals run. `browse` takes what they have
        shown so far, and returns the text that a browser then shows.
        """
        self.folder = folder
        self._browse = browse
        self._env = env
        self._inside = inside
        self._shells: dict[str, Shell] = {}
        self.seen = ""  # everything that was shown

    def follow(self, page: str) -> None:
        """Do every block of a page; what shows otherwise than it says is an AssertionError."""
        todo = list(blocks(page))
        for number, block in enumerate(todo):
            self._do(block, [b for b in todo[number + 1 :] if b.terminal == block.terminal])

    def _do(self, block: Block, later: list[Block]) -> None:
        if block.kind == "file":
            (self.folder / block.title).write_text(block.text)
        elif block.kind == "browse":
            assert self._browse is not None
            shown = self._browse(self.seen)
            assert expected(block.text).search(shown), f"expected:\n{block.text}\nshown:\n{shown}"
        elif block.kind in ("run", "press"):
            shell = self._shell(block.terminal)
            output = later[0] if later and later[0].kind == "output" else None
            waits = bool(output and len(later) > 1 and later[1].kind == "press")
            shown = self._act(shell, block, expected(output.text) if output and waits else None)
            self.seen += shown
            if output:
                pattern = expected(output.text)
                found = pattern.match(shown) if waits else pattern.fullmatch(shown)
                assert found, f"expected:\n{output.text}\nshown:\n{shown}"

    def _act(self, shell: Shell, block: Block, wanted: re.Pattern[str] | None) -> str:
        if block.kind == "press":
            shell.type({"Ctrl-C": CTRL_C}.get(block.text, block.text))
            return shell.wait(wanted)
        *before, last = block.text.replace("\\\n", "").splitlines()
        shown = ""
        for line in before:
            shell.type(line + "\n")
            shown += shell.wait()
        shell.type(last + "\n")
        return shown + shell.wait(wanted)

    def _shell(self, name: str) -> Shell:
        if name not in self._shells:
            self._shells[name] = Shell(self.folder, self._env, self._inside)
        return self._shells[name]

    def close(self) -> None:
        """End both terminals, and what runs in them."""
        for shell in self._shells.values():
            shell.close()
