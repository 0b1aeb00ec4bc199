"""Remembers answers as long as nothing that they came from has changed.

A part of a table never changes: what is loaded, erased or merged makes others. So an answer holds
as long as the parts are the same, whichever collector works on them. A merge changes nothing that
is answered, and makes answers forgotten all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

MOST = 32  # answers, of a few KB each but for those of LARGE
LARGE = "updates"  # 10 MB for 200,000 installations: one of them is kept

Rows: TypeAlias = "list[tuple[Any, ...]]"


class Memory:
    """Answers from one state of the parts. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._answers: dict[tuple[str, Hashable], Rows] = {}

    def ask(self, state: Hashable, name: str, asked: Hashable, find: Callable[[], Rows]) -> Rows:
        """Return what is remembered of a question, or what `find` finds.

        `state` was looked up before: what comes later is in no answer that is kept for it.
        """
        with self._lock:
            if state != self._state:
                self._state = state
                self._answers.clear()
            known = self._answers.get((name, asked))
        if known is not None:
            return known
        found = find()
        with self._lock:
            if state == self._state:
                self._make_room(name)
                self._answers[name, asked] = found
        return found

    def _make_room(self, name: str) -> None:
        large = [key for key in self._answers if key[0] == name == LARGE]
        for key in large or list(self._answers)[: max(len(self._answers) - MOST + 1, 0)]:
            del self._answers[key]
