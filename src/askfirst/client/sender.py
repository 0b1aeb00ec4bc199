"""The sender: another process, detached, that delivers what waits and then ends.

It reads consent again before every batch, gives up by the wall clock, and forgets nothing that the
collector has not answered for.
"""

import os
import sys
import time

from askfirst.client import dotfile, log, queue, spawn
from askfirst.client.consent import decide
from askfirst.client.lock import try_lock, wait_lock
from askfirst.contract.event import now_ms
from askfirst.contract.jsontext import dumps, loads
from askfirst.contract.model import Contract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Post = Callable[[str, bytes], "Answer"]

MOST_SECONDS = 60  # wall clock, of one sender
MOST_EVENTS = 200  # of one batch, about 80 KB
OLDEST_MS = 30 * 86_400_000  # the collector knows duplicates for twice as long
SOON_S, LATEST_S = 60, 86_400  # the first and the longest pause after failures
NEVER = (400, 404, 413, 415, 422)  # "this batch will never be accepted"


class Answer:
    """What a collector said: `status` 0 if nothing; `retry_after` in seconds; `body` as JSON."""

    __slots__ = ("body", "retry_after", "status", "why")

    def __init__(
        self, status: int, body: object = None, retry_after: float = 0, why: str = ""
    ) -> None:
        self.status = status
        self.body = body
        self.retry_after = retry_after
        self.why = why


class Sender:
    """Delivers the queue of one tool; `post` is how (a URL and a body to an Answer)."""

    def __init__(
        self,
        work: "dict[str, Any]",
        env: "Mapping[str, str]",
        post: "Post | None" = None,
        say: "Callable[[str], None] | None" = None,
    ) -> None:
        if post is None:
            from askfirst.client.transport import post as over_network

            post = over_network
        self.contract = Contract.from_dict(work["contract"])
        self.version: str = work["version"]
        self.dotfile: str = work["dotfile"]
        self.folder: str = work["folder"]
        self.deliver_every: float = work["deliver_every"]
        self.env = env
        self.post: Post = post
        self.say = say or _silent
        self.collector = spawn.collector_url(self.contract, env)

    def run(self, patience: float = 0) -> bool:
        """Deliver everything; False if something still waits. `patience` is seconds for the
        lock.
        """
        erasing = dotfile.read(self.dotfile).erasing
        if erasing:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)  # to lock and to back off in
        elif not os.path.isdir(self.folder):
            return True  # nothing was ever queued
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        fd = os.open(os.path.join(self.folder, "sender.lock"), flags, 0o600)
        try:
            if not (wait_lock(fd, patience) if patience else try_lock(fd)):
                self.say("another delivery is running; try again in a minute")
                return False
            return self._erase() if erasing else self._deliver()
        finally:
            os.close(fd)

    def allowed(self) -> bool:
        """Read consent again."""
        answers = dotfile.read(self.dotfile)
        return decide(
            answers,
            tool=self.contract.name,
            version=self.version,
            collects_more=self._collects_more,
            env=self.env,
            terminal=False,
        ).send

    def _collects_more(self, answer: "dict[str, object]") -> "list[str]":
        if answer.get("contract") == self.contract.digest:
            return []
        agreed = answer.get("agreed")
        return self.contract.collects_more_than(agreed if isinstance(agreed, dict) else None)

    def _deliver(self) -> bool:
        sending = os.path.join(self.folder, queue.SENDING)
        while os.path.exists(sending) or queue.take(self.folder):
            rows, torn = queue.lines(sending)
            rows = self._young(rows, torn)
            while rows:
                digest = rows[0][0]
                batch = [event for own, event in rows[:MOST_EVENTS] if own == digest]
                rest = [row for row in rows[:MOST_EVENTS] if row[0] != digest]
                if not self._send(digest, batch):
                    return False
                rows = rest + rows[MOST_EVENTS:]
                _replace(sending, rows)
            if not self.allowed():
                return self._stop()
            os.unlink(sending)
        self._plan(0)
        return True

    def _send(self, digest: str, batch: "list[bytes]") -> bool:
        """Send one batch; True if it may be forgotten."""
        if not self.allowed():
            return self._stop()
        head = f'{{"tool":{dumps(self.contract.name)},"contract":{dumps(digest)},"events":['
        body = head.encode("ascii") + b",".join(batch) + b"]}"
        answer = self.post(self.collector + "/v1/events", body)
        if not self.allowed():
            return self._stop()
        if answer.status != 200 and answer.status not in NEVER:
            self._back_off(answer)
            return False
        self.say(f"{self.collector} answered {answer.status}: {dumps(answer.body)}")
        log.append(self.folder, now_ms(), str(answer.status), batch)
        return True

    def _stop(self) -> bool:
        """Consent is gone: leave nothing behind."""
        self.say("nothing is sent: there is no consent")
        if dotfile.read(self.dotfile).erasing == "":
            queue.purge(self.folder)
        return False

    def _erase(self) -> bool:
        installation = dotfile.read(self.dotfile).erasing
        body = dumps({"tool": self.contract.name, "installationId": installation}).encode("ascii")
        answer = self.post(self.collector + "/v1/erasures", body)
        if answer.status != 200:
            self._back_off(answer)
            return False
        self.say(f"{self.collector} answered 200: {dumps(answer.body)}")
        dotfile.erased(self.dotfile)
        queue.purge(self.folder)
        return True

    def _young(self, rows: "list[tuple[str, bytes]]", torn: int) -> "list[tuple[str, bytes]]":
        """Leave out events past their age, and count them and the torn lines as lost."""
        horizon = now_ms() - OLDEST_MS
        young = [row for row in rows if _timestamp(row[1]) >= horizon]
        gone = len(rows) - len(young) + torn
        if gone:
            queue.add_lost(self.folder, gone)
            _replace(os.path.join(self.folder, queue.SENDING), young)
        return young

    def _back_off(self, answer: Answer) -> None:
        why = f"answered {answer.status}" if answer.status else f"did not answer: {answer.why}"
        self.say(f"{self.collector} {why}; what waits is kept and tried again later")
        _, failures = spawn.read_schedule(self.folder)
        pause = min(SOON_S * 2.0 ** min(failures, 20), LATEST_S)
        jitter = 0.5 + int.from_bytes(os.urandom(2), "big") / 65_536  # 0.5 to 1.5
        self._plan(failures + 1, max(pause * jitter, answer.retry_after))

    def _plan(self, failures: int, pause: float = 0) -> None:
        after = min((pause or self.deliver_every) * 1000, spawn.LONGEST_PAUSE_MS)
        if os.path.isdir(self.folder):
            spawn.write_schedule(self.folder, now_ms() + int(after), failures)


def main() -> None:
    """Run as the detached process; takes its work from the environment and never returns."""
    try:
        _detach()
        work: Any = loads(os.environ.pop("ASKFIRST_SENDER"))
        Sender(work, dict(os.environ)).run()
    finally:
        os._exit(0)


def _detach() -> None:
    """Hold nothing of the program that started us, and end by the wall clock."""
    if sys.platform == "win32":
        import threading

        clock = threading.Timer(MOST_SECONDS, os._exit, (0,))
        clock.daemon = True
        clock.start()
        return
    import signal

    os.closerange(3, 1024)  # whatever the host's own parent left open: a pipe would make it wait
    os.chdir("/")
    try:
        os.setsid()
    except OSError:
        pass  # posix_spawn did it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGTERM))
    signal.alarm(MOST_SECONDS)


def _replace(path: str, rows: "list[tuple[str, bytes]]") -> None:
    temporary = path + ".tmp"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.writelines(map(queue.as_line, rows))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _timestamp(event: bytes) -> int:
    try:
        wire: Any = loads(event.decode("ascii"))
        return int(wire["timestamp"])
    except (ValueError, TypeError, KeyError):
        return 0


def _silent(text: str) -> None: ...


def utc(ms: int) -> str:
    """Spell a moment (ms UTC) for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ms / 1000))
