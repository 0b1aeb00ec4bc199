"""What was sent, and when: a file the user can read with `telemetry log`."""

import os
import time

from askfirst import read_file
from askfirst.client.folders import open_own

LOG = "sent.log"
MOST_BYTES = 256_000  # about 700 events; then the older half goes


def append(folder: str, at: int, outcome: str, events: "list[bytes]") -> None:
    """Note that `events` were sent at `at` (ms UTC) with an outcome such as "200"."""
    path = os.path.join(folder, LOG)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000)).encode("ascii")
    with open(open_own(path), "rb+") as file:
        file.seek(0, os.SEEK_END)
        head = moment + b" " + outcome.encode("ascii") + b" "
        file.writelines(head + event + b"\n" for event in events)
        if file.tell() > MOST_BYTES:
            file.seek(0)
            rows = file.readlines()
            file.seek(0)
            file.truncate()
            file.writelines(rows[len(rows) // 2 :])


def read(folder: str) -> str:
    """Return the log's text; '' if nothing was sent yet."""
    raw = read_file(os.path.join(folder, LOG), 2 * MOST_BYTES)
    return (raw or b"").decode("utf-8", "replace")
