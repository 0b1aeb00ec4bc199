"""The least that could do a client's work: read the answer, hash four values, append one line."""

import os
import time

try:
    from _sha256 import sha256
except ImportError:  # Python 3.12 and newer
    from _sha2 import sha256


def consents() -> bytes:
    """Return the installation's UUID if nothing forbids to record, else b""."""
    if os.environ.get("CI") or os.environ.get("DO_NOT_TRACK"):
        return b""
    fd = os.open(os.environ["HOME"] + "/.mock", os.O_RDONLY)
    raw = os.read(fd, 4096)
    os.close(fd)
    return raw[:36] if b"true" in raw else b""


def record(command: str, values: "dict[str, str]") -> None:
    """Append one event to the queue."""
    uuid = consents()
    if not uuid:
        return
    parts = [sha256(uuid + value.encode()).hexdigest() for value in values.values()]
    row = f'\n{{"command":"{command}","id":"{os.urandom(16).hex()}","at":{time.time_ns()}'
    row += f',"installation":"{sha256(uuid + uuid).hexdigest()}","values":{parts}}}\n'
    fd = os.open(os.environ["HOME"] + "/queue", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, row.encode())
    os.close(fd)
