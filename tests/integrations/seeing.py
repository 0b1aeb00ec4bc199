"""Two runs of a program, compared as its user sees them."""

from __future__ import annotations

import subprocess


def seen(run: subprocess.CompletedProcess[str]) -> tuple[int, str, list[str]]:
    """What its user sees of a run; the frames of a traceback differ, what was raised does not."""
    lines = run.stderr.splitlines()
    return run.returncode, run.stdout, lines[-1:] if "Traceback" in run.stderr else lines


def is_seen_in(part: str, whole: str) -> bool:
    """Whether a help text is another one with additions: its words, in their order.

    Tables are drawn anew around the longest entry, so lines and lengths say nothing.
    """
    words = iter(_words(whole))
    return all(word in words for word in _words(part))


def _words(text: str) -> list[str]:
    return [word for word in text.split() if word.strip("│╭╮╰╯─┃┏┓┗┛━")]
