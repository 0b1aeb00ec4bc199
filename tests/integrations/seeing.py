"""Two runs of a program, compared as its user sees them."""

from __future__ import annotations

import subprocess


def seen(run: subprocess.CompletedProcess[str]) -> tuple[int, str, list[str]]:
    """What its user sees of a run, but for what telemetry adds to it.

    The frames of a traceback differ, what was raised does not. An error that names all options or
    commands names one more; in a box, it is drawn anew.
    """
    lines = run.stderr.replace(", telemetry", "").replace(",telemetry}", "}").splitlines()
    if "Traceback" in run.stderr or run.stderr.startswith("usage:"):
        lines = [line.partition(" (choose")[0] for line in lines[-1:]]
    elif "╭" in run.stderr:
        lines = _words(" ".join(lines))
    return run.returncode, run.stdout, lines


def is_seen_in(part: str, whole: str) -> bool:
    """Whether a help text is another one with additions: its words, in their order.

    Tables are drawn anew around the longest entry, so lines and lengths say nothing.
    """
    words = iter(_words(whole))
    return all(word in words for word in _words(part))


def _words(text: str) -> list[str]:
    return [word for word in text.split() if word.strip("│╭╮╰╯─┃┏┓┗┛━")]
