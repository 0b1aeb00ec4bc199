"""Runs as a process of its own: a ClickHouse server, `engine.py LIBRARY ARGUMENT…`.

The arguments are those of clickhouse-local; it never returns. It dies with the process that started
it, whatever happens to that.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the process that started this is gone")
    library, *words = sys.argv[1:]
    arguments = (ctypes.c_char_p * len(words))(*(word.encode() for word in words))
    ctypes.CDLL(library).chdb_query_cmdline(len(words), arguments)
