"""The sender: another process, detached, that delivers what waits and then ends.

It reads consent before every batch, gives up by the wall clock, and forgets what was answered for.
"""

import os
import sys
import time
from functools import partial

from askfirst.client import dotfile, folders, log, queue, spawn
from askfirst.client.consent import decide
from askfirst.client.lock import try_mark, wait_lock
from askfirst.client.recording import beyond
from askfirst.contract.event import now_ms
from askfirst.contract.hashing import hash_text
from askfirst.contract.jsontext import dumps, loads
from askfirst.usual import LONGEST_PAUSE_MS, as_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from askfirst.client.consent import Decision
    from askfirst.contract.model import Contract

    Post = Callable[[str, bytes], "Answer"]

MOST_SECONDS = 60  # wall clock, of one sender
MOST_EVENTS = 200  # of one batch, about 80 KB
OLDEST_MS = 30 * 86_400_000  # the collector knows duplicates for twice as long
SOON_S, LATEST_S = 60, 86_400  # the first and the longest pause after failures
WITHDRAWN = ("never-asked", "refused", "refused-earlier", "revoked")  # then what waits is deleted
NEVER = (400, 404, 413, 415, 422)  # "this batch will never be accepted"; the body says why


class Answer:
    """What a collector said: `status` 0 if nothing; `retry_after` in seconds; `body` as JSON."""

    arrived = True  # perhaps

    def __init__(
        self, status: int, body: object = None, retry_after: float = 0, why: str = ""
    ) -> None:
        self.status = status
        self.body = body
        self.retry_after = retry_after
        self.why = why

    def said(self, key: str) -> object:
        """Return what only a collector says: a proxy or a parked domain may answer 200 as well."""
        return self.body.get(key) if isinstance(self.body, dict) else None


class Sender:
    """Delivers the queue of one tool; `work` is `spawn.job`'s, `post` takes a URL and a body."""

    def __init__(
        self,
        contract: "Contract",
        work: "dict[str, Any]",
        env: "Mapping[str, str]",
        post: "Post | None" = None,
        say: "Callable[[str], None] | None" = None,
    ) -> None:
        if post is None:
            from askfirst.client.transport import post as over_network

            post = over_network
        self.contract = contract
        self.version: str = work["version"]
        self.dotfile: str = work["dotfile"]
        self.folder: str = work["folder"]
        self.deliver_every: float = work["deliver_every"]
        self.env = env
        self.post: Post = post
        self.say = say or (lambda _: None)
        self.collector = spawn.collector_url(self.contract, env)
        self.installation = ""
        self.sent = self.dropped = self.refused = self.given_up = 0  # events, so far
        self._mark = ""

    def run(self, patience: float = 0) -> bool:
        """Deliver all, after `patience` seconds for another delivery; False if something waits."""
        answers = dotfile.read(self.dotfile)
        self.installation = answers.installation
        if answers.erasing:
            folders.make_folder(self.folder)  # to lock and to back off in
            return self._alone(self._erase, patience)
        if not os.path.isdir(self.folder):
            return True  # nothing was ever queued
        try:
            done = self._alone(self._deliver, patience)
            if done and queue.waiting(self.folder):
                # queued since, by a process whose own sender found this one running
                done = self._alone(self._deliver, patience)
            return done
        finally:
            self._tidy()

    def _alone(self, work: "Callable[[], bool]", patience: float) -> bool:
        fd = folders.open_own(os.path.join(self.folder, "sender.lock"))
        try:
            taken = wait_lock(fd, patience)
            if taken is None:
                mark = os.path.join(self.folder, "sender.mark")
                taken = try_mark(mark, 2 * MOST_SECONDS)
                self._mark = mark if taken else ""
            if not taken:
                self.say("another delivery is running; try again in a minute")
                return False
            return work()
        finally:
            if self._mark:
                folders.discard(self._mark)
            os.close(fd)

    def allowed(self) -> bool:
        """Read consent again: still a Yes, of the same installation."""
        same = dotfile.read(self.dotfile).installation == self.installation
        return same and self._decide(self.env).send

    def _decide(self, env: "Mapping[str, str]") -> "Decision":
        return decide(
            dotfile.read(self.dotfile),
            tool=self.contract.name,
            version=self.version,
            collects_more=partial(beyond, self.contract),
            env=env,
            terminal=False,
        )

    def _deliver(self) -> bool:
        sending = os.path.join(self.folder, queue.SENDING)
        while os.path.lexists(sending) or queue.take(self.folder):
            found, torn = queue.lines(sending)
            rows, gone = self._worth_sending(found, torn)
            if rows and len(rows) < len(found) + torn and _replace(sending, rows):
                gone = self._count(gone)
            while rows:
                digest = rows[0][0]
                batch = [event for own, event in rows[:MOST_EVENTS] if own == digest]
                rest = [row for row in rows[:MOST_EVENTS] if row[0] != digest]
                if not self._send(digest, batch):
                    return False
                rows = rest + rows[MOST_EVENTS:]
                if rows and _replace(sending, rows):
                    gone = self._count(gone)
            if not self.allowed():
                return self._stop()
            folders.discard(sending)
            self._count(gone)
        self._plan(0)
        return True

    def _send(self, digest: str, batch: "list[bytes]") -> bool:
        """Send one batch; True if it may be forgotten."""
        if not self.allowed():
            return self._stop()
        if self._mark:
            os.utime(self._mark)
        head = f'{{"tool":{dumps(self.contract.name)},"contract":{dumps(digest)},"events":['
        body = head.encode("ascii") + b",".join(batch) + b"]}"
        answer = self.post(self.collector + "/v1/events", body)
        if not self.allowed():
            return self._stop()
        accepted = answer.said("accepted") if answer.status == 200 else None
        outcome, settled = str(answer.status or "no-answer"), True
        if isinstance(accepted, int):
            self.sent += accepted
            self.dropped += len(batch) - accepted
        elif answer.status in NEVER and answer.said("error"):
            self.refused += len(batch)
        else:
            settled = False
            outcome += "-not-understood" * (answer.status == 200)
            self._back_off(answer)
        if settled:
            self.say(f"{self.collector} answered {answer.status}: {dumps(answer.body)}")
        try:
            if answer.arrived:
                log.append(self.folder, now_ms(), outcome, batch)
        except OSError as error:  # a full disk; what was sent must still be forgotten
            self.say(f"the log of what was sent could not be written: {error}")
        return settled

    def _stop(self) -> bool:
        """Consent is gone: leave nothing behind."""
        self.say("nothing is sent: there is no consent")
        self._tidy()
        return False

    def _tidy(self) -> None:
        """Delete what waits after a No, last of all: then nothing of this sender can follow."""
        if self._decide({}).reason in WITHDRAWN:
            queue.purge(self.folder)

    def _erase(self) -> bool:
        installation = dotfile.read(self.dotfile).erasing
        if not installation:
            return True  # another has done it meanwhile
        body = dumps({"tool": self.contract.name, "installationId": installation}).encode("ascii")
        answer = self.post(self.collector + "/v1/erasures", body)
        if answer.status != 200 or not isinstance(answer.said("erased"), int):
            self._back_off(answer)
            return False
        self.say(f"{self.collector} answered 200: {dumps(answer.body)}")
        if self.collector != self.contract.collector:  # which has still to be asked
            self._plan(0)
            return True
        queue.purge(self.folder)  # first: nothing is recorded until it is noted as erased
        dotfile.erased(self.dotfile, installation)
        return True

    def _worth_sending(
        self, rows: "list[tuple[str, bytes]]", torn: int
    ) -> "tuple[list[tuple[str, bytes]], int]":
        """Return (the rest, how many are given up): not what is torn, too old or revoked."""
        own = hash_text(self.installation, self.installation).encode("ascii")
        horizon = now_ms() - OLDEST_MS
        rows = [row for row in rows if own in row[1]]  # `off` takes back what was recorded before
        young = [row for row in rows if _timestamp(row[1]) >= horizon]
        return young, len(rows) - len(young) + torn

    def _count(self, gone: int) -> int:
        """Count what was given up, once it is forgotten; return what is still to be counted."""
        if gone:
            queue.add_lost(self.folder, gone)
            self.given_up += gone
        return 0

    def _back_off(self, answer: Answer) -> None:
        why = f"answered {answer.status}" if answer.status else f"did not answer: {answer.why}"
        why += ", but not as a collector does" * (answer.status == 200)
        self.say(f"{self.collector} {why}; what waits is kept and tried again later")
        _, failures = spawn.read_schedule(self.folder)
        pause = min(SOON_S * 2.0 ** min(failures, 20), LATEST_S)
        jitter = 0.5 + int.from_bytes(os.urandom(2), "big") / 65_536  # 0.5 to 1.5
        self._plan(failures + 1, max(pause * jitter, answer.retry_after))

    def _plan(self, failures: int, pause: float = 0) -> None:
        after = min((pause or self.deliver_every) * 1000, LONGEST_PAUSE_MS)
        if os.path.isdir(self.folder):
            spawn.write_schedule(self.folder, now_ms() + int(after), failures)


def main() -> None:
    """Run as the detached process; takes its work from the environment and never returns.

    The contract is on stdin: see `spawn.start`.
    """
    try:
        _detach()
        work: Any = loads(os.environ.pop(spawn.SENDER))
        work.update((key, os.fsdecode(work[key].encode("latin-1"))) for key in spawn.PATHS)
        Sender(_contract(work["folder"]), work, dict(os.environ)).run()
    finally:
        os._exit(0)


def _contract(folder: str) -> "Contract":
    from askfirst.client.source import parse_once

    with open(0, "rb", closefd=False) as file:
        text = file.read().decode("utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return parse_once(text, folder)


def _detach() -> None:
    """Hold nothing of the program that started us, and end by the wall clock."""
    if sys.platform == "win32":
        import threading

        clock = threading.Timer(MOST_SECONDS, os._exit, (0,))
        clock.daemon = True
        clock.start()
        return
    import signal

    if not getattr(sys, "frozen", False) and os.fork():
        os._exit(0)  # a program that waits for all its children must not wait for us
    try:
        last = max(map(int, os.listdir("/dev/fd")))
    except OSError:
        last = 1024
    os.closerange(3, last + 1)  # what the host's own parent left open: a pipe would make it wait
    os.chdir("/")
    try:
        os.setsid()
    except OSError:
        pass  # posix_spawn did it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGTERM))
    signal.alarm(MOST_SECONDS)


def _replace(path: str, rows: "list[tuple[str, bytes]]") -> bool:
    """Keep only `rows` in a file; False without room for them: they may be sent twice then."""
    try:
        folders.replace(path, b"".join(as_line(*row) for row in rows), alone=True)
    except OSError:
        return False
    return True


def _timestamp(event: bytes) -> int:
    try:
        wire: Any = loads(event.decode("ascii"))
        return int(wire["timestamp"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0


def utc(ms: int) -> str:
    """Spell a moment (ms UTC) for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ms / 1000))
