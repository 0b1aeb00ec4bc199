"""Standing back for threads that have somebody waiting."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import get_native_id


def stand_back(nice: int) -> None:
    """Have this thread stand back by so much where processors are short (Linux only)."""
    if nice and sys.platform == "linux":
        thread = get_native_id()
        with suppress(PermissionError):  # a sandbox may forbid even this
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + nice)
