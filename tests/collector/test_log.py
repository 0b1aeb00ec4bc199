"""The log: nothing is acknowledged before its fsync, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.collector import log as logs
from askfirst.collector import segment
from askfirst.collector.log import (
    Log,
    LogClosed,
    LogError,
    LogFull,
    LogHeld,
    LogQuota,
    LogUnavailable,
    prepare,
)
from askfirst.collector.tail import Tail
from askfirst.stores.base import DAY_MS, Position
from tests.collector.serving import DEADLINE, wait_until


class Both:
    """A log with both of its sides in this process."""

    def __init__(self, folder: Path, position: Position | None = None, **sizes: Any) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.tail = Tail(folder, lambda _: position, self.said.append)
        self.log = Log(folder, **sizes)
        self.tail.roll = self.log.roll
        self.name = self.tail.name

    def append(self, *payloads: bytes) -> Position:
        """Append, all at once, and return where the log ends then."""

        async def all_of_them() -> None:
            await asyncio.gather(*(self.log.write(payload) for payload in payloads))

        asyncio.run(all_of_them())
        return Position(self.name, *self.tail.durable())

    def roll(self) -> Position:
        """End the segment, and return where the log goes on."""
        self.tail.end_segment(self.tail.durable()[0])
        return Position(self.name, *self.tail.durable())

    def everything(self, after: Position | None = None) -> list[bytes]:
        return [frame.payload for frame in self.tail.frames(after or Position(self.name, 0, 0))]

    def segments(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.suffix == ".log")


Open = Callable[..., Both]


@pytest.fixture
def unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no log look by itself whether its trouble is over, which writes too."""
    monkeypatch.setattr(logs, "PROBE_SECONDS", 3_600.0)


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Open]:
    opened: list[Both] = []

    def open_(position: Position | None = None, **sizes: Any) -> Both:
        opened.append(Both(tmp_path / "log", position, **sizes))
        return opened[-1]

    yield open_
    for both in opened:
        both.log.close()


def test_what_is_appended_can_be_read_in_order(open_log: Open) -> None:
    both = open_log()
    one = both.append(b"one")
    both.append(b"two", b"three")
    assert both.everything() == [b"one", b"two", b"three"]
    assert both.everything(one) == [b"two", b"three"]
    assert both.log.waiting() == 0


def test_acknowledgement_waits_for_the_fsync_and_many_share_one(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = open_log()
    both.append(b"first")
    may_sync, syncing = threading.Event(), threading.Event()
    syncs: list[int] = []
    real = os.fsync

    def slow(descriptor: int) -> None:
        syncs.append(descriptor)
        syncing.set()
        assert may_sync.wait(DEADLINE)
        real(descriptor)

    async def scenario() -> None:
        monkeypatch.setattr(os, "fsync", slow)
        early = asyncio.create_task(both.log.write(b"early"))
        await asyncio.to_thread(syncing.wait, DEADLINE)
        late = [asyncio.create_task(both.log.write(b"late")) for _ in range(50)]
        await asyncio.sleep(0)
        assert both.everything() == [b"first"]  # a reader sees only what is durable
        assert not early.done()
        may_sync.set()
        await asyncio.gather(early, *late)

    asyncio.run(scenario())
    assert len(syncs) == 2
    assert len(both.everything()) == 52


def test_more_waiting_bytes_than_the_bound_are_refused(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = open_log(waiting_bytes=100)
    may_write = threading.Event()
    real = os.pwrite

    def slow(*arguments: Any) -> int:
        assert may_write.wait(DEADLINE)
        return real(*arguments)

    async def scenario() -> None:
        monkeypatch.setattr(os, "pwrite", slow)
        first = asyncio.create_task(both.log.write(b"x" * 80))
        await asyncio.sleep(0)
        with pytest.raises(LogFull):
            await both.log.write(b"y" * 80)
        may_write.set()
        await first
        await both.log.write(b"z" * 200)  # one that is larger than the bound fits an empty queue

    asyncio.run(scenario())
    assert both.everything() == [b"x" * 80, b"z" * 200]


def test_a_full_quota_refuses_until_the_loader_has_made_room(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_AGAIN", 0.0)
    both = open_log(quota_bytes=500, segment_bytes=100)
    for _ in range(3):
        both.append(b"x" * 120)
    with pytest.raises(LogQuota):
        both.append(b"y" * 120)
    assert both.log.trouble
    both.tail.release(both.tail.settled(Position(both.name, 1, 148)))
    both.append(b"z" * 120)
    assert both.everything(Position(both.name, 2, 0)) == [b"x" * 120, b"x" * 120, b"z" * 120]
    assert not both.log.trouble


def test_a_segment_that_fills_the_quota_alone_is_ended_so_that_it_can_go(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a quota smaller than a segment would be full for ever."""
    monkeypatch.setattr(logs, "LOOK_AGAIN", 0.0)
    both = open_log(quota_bytes=500)
    last = both.append(b"x" * 300)
    with pytest.raises(LogQuota):
        both.append(b"y" * 300)
    wait_until(lambda: both.tail.durable()[0] > last.segment)
    both.tail.release(both.tail.settled(last))
    wait_until(lambda: not both.log.trouble)  # though nobody appends
    both.append(b"z" * 300)
    assert both.everything(last) == [b"z" * 300]


def test_a_log_whose_segments_are_all_ended_notices_by_itself_that_there_is_room_again(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_AGAIN", 0.0)
    monkeypatch.setattr(logs, "PROBE_SECONDS", 0.01)
    both = open_log(quota_bytes=500, segment_bytes=100)
    for _ in range(3):
        last = both.append(b"x" * 120)
    with pytest.raises(LogQuota):
        both.append(b"y" * 120)
    both.tail.release(both.tail.settled(last))
    wait_until(lambda: not both.log.trouble)  # though nobody appends


def test_a_log_notices_by_itself_that_the_disk_has_room_again(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks whether it is ready may keep everybody away until it is."""
    monkeypatch.setattr(logs, "PROBE_SECONDS", 0.01)
    both = open_log()
    before = both.append(b"before")
    probed = threading.Event()

    def full(*_: Any) -> int:
        probed.set()
        return _no_space()

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(LogUnavailable):
            both.append(b"during")
        probed.clear()
        assert probed.wait(DEADLINE)
        assert both.log.trouble
    wait_until(lambda: not both.log.trouble)
    assert both.tail.durable() == (before.segment, before.offset)
    both.append(b"after")
    assert both.everything() == [b"before", b"after"]
    assert len(both.segments()) == 1


def test_a_full_disk_refuses_leaves_no_partial_frame_and_heals_by_itself(
    open_log: Open, monkeypatch: pytest.MonkeyPatch, unprobed: None
) -> None:
    monkeypatch.setattr(logs, "SAY_AGAIN", 0.0)
    said: list[str] = []
    both = open_log(say=said.append)
    both.append(b"before")
    size = (both.folder / both.segments()[0]).stat().st_size
    real = os.pwrite

    def full(descriptor: int, data: Any, offset: int) -> int:
        if len(data) > 7:
            return real(descriptor, data[:7], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(LogUnavailable, match="No space left"):
            both.append(b"during")
    assert (both.folder / both.segments()[0]).stat().st_size == size
    both.append(b"after")
    assert both.everything() == [b"before", b"after"]
    assert len(both.segments()) == 1
    began, ended = said
    assert "events are refused: the collector cannot write its log (No space left" in began
    assert ended == "the log takes events again"


def test_a_full_disk_at_the_start_of_a_segment_heals_too(
    open_log: Open, monkeypatch: pytest.MonkeyPatch, unprobed: None
) -> None:
    both = open_log()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", _no_space)
        with pytest.raises(LogUnavailable):
            both.append(b"during")
    assert both.segments() == []
    both.append(b"after")
    assert both.everything() == [b"after"]


def test_a_segment_whose_fsync_failed_is_not_written_again(
    open_log: Open, monkeypatch: pytest.MonkeyPatch, unprobed: None
) -> None:
    both = open_log()
    both.append(b"before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _no_space)
        with pytest.raises(LogUnavailable):
            both.append(b"during")
    both.append(b"after")
    assert both.everything() == [b"before", b"after"]
    assert len(both.segments()) == 2


def test_what_could_not_be_taken_back_after_a_full_disk_is_set_aside(
    open_log: Open, monkeypatch: pytest.MonkeyPatch, unprobed: None
) -> None:
    both = open_log()
    before = both.append(b"before")
    real = os.pwrite

    def full(descriptor: int, data: Any, offset: int) -> int:
        if len(data) > 7:
            return real(descriptor, data[:7], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        patch.setattr(os, "ftruncate", _no_space)
        with pytest.raises(LogUnavailable):
            both.append(b"during")
    both.append(b"after")
    with pytest.raises(segment.CorruptError) as caught:
        both.everything(before)
    goes_on = both.tail.set_aside(1, caught.value.offset)
    assert both.everything(goes_on) == [b"after"]


def _no_space(*_: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_segments_rotate_by_size_and_go_when_they_are_loaded(open_log: Open) -> None:
    both = open_log(segment_bytes=100)
    for _ in range(5):
        both.append(b"x" * 60)
    positions = [frame.end for frame in both.tail.frames(Position(both.name, 0, 0))]
    assert len({p.segment for p in positions}) == 3
    assert both.tail.settled(positions[2]) == positions[2]
    both.tail.release(positions[2])
    assert both.everything() == [b"x" * 60] * 3  # the second segment is not loaded to its end
    behind = both.tail.settled(positions[3])
    assert behind == Position(both.name, 3, 0)
    both.tail.release(behind)
    assert both.everything() == [b"x" * 60]
    assert len(both.segments()) == 1
    assert both.tail.size() == (both.folder / both.segments()[0]).stat().st_size


def test_a_segment_ends_where_the_reader_asks_for_it(open_log: Open) -> None:
    both = open_log()
    last = both.append(b"one", b"last")
    goes_on = both.roll()
    assert (last.segment, goes_on) == (1, Position(both.name, 2, 0))
    assert both.append(b"next").segment == 2
    assert both.tail.settled(last) == goes_on
    both.tail.release(goes_on)
    assert both.everything() == [b"next"]


def test_after_a_restart_writing_begins_in_a_new_segment(open_log: Open) -> None:
    first = open_log()
    first.append(b"one")
    first.log.close()
    second = open_log()
    assert second.name == first.name
    assert second.append(b"two").segment == 2
    assert second.everything() == [b"one", b"two"]


def test_a_new_segment_is_numbered_above_what_the_store_has_seen(
    open_log: Open, tmp_path: Path
) -> None:
    position = Position(prepare(tmp_path / "log"), 41, 99)
    both = open_log(position)
    assert both.tail.start == position
    assert both.append(b"one").segment == 42


def test_what_the_store_has_is_deleted_at_the_start(open_log: Open) -> None:
    first = open_log(segment_bytes=50)
    loaded = first.append(b"x" * 60)
    first.append(b"y" * 60)
    first.log.close()
    second = open_log(Position(first.name, 1, loaded.offset or 10_000))
    assert second.everything() == [b"y" * 60]
    assert second.segments() == [segment.file_name(2)]


def test_a_torn_last_frame_is_cut_off(open_log: Open) -> None:
    first = open_log()
    first.append(b"one", b"two")
    first.log.close()
    path = first.folder / first.segments()[0]
    whole = path.read_bytes()
    path.write_bytes(whole + segment.frame(b"three")[:-2])
    second = open_log()
    assert second.everything() == [b"one", b"two"]
    assert path.read_bytes() == whole
    assert second.tail.corrupt == 0


def test_a_damaged_frame_is_set_aside_named_and_counted(open_log: Open) -> None:
    first = open_log()
    first.append(b"one", b"two", b"three")
    first.log.close()
    path = first.folder / first.segments()[0]
    damaged = path.read_bytes().replace(b"two", b"tw0")
    path.write_bytes(damaged)
    second = open_log()
    assert second.everything() == [b"one"]
    aside = path.with_name(path.name + ".corrupt")
    kept = damaged[damaged.index(b"tw0") - segment.FRAME_BYTES :]  # "one" is in the log still
    head = segment.header(1)
    assert aside.read_bytes() == head + bytes(len(damaged) - len(head) - len(kept)) + kept
    assert second.tail.corrupt == 1
    [line] = second.said
    assert str(aside) in line
    assert second.append(b"four").segment == 2


def test_a_file_that_is_no_segment_is_set_aside_whole(open_log: Open, tmp_path: Path) -> None:
    prepare(tmp_path / "log")
    path = tmp_path / "log" / segment.file_name(3)
    path.write_bytes(b"something else altogether")
    both = open_log()
    assert both.everything() == []
    assert both.tail.corrupt == 1
    assert [p.name for p in both.folder.glob("*.corrupt")] == [path.name + ".corrupt"]
    assert both.append(b"one").segment == 4


def test_damage_found_while_reading_is_set_aside_and_writing_goes_on(open_log: Open) -> None:
    both = open_log()
    both.append(b"one", b"two")
    path = both.folder / both.segments()[0]
    path.write_bytes(path.read_bytes().replace(b"two", b"tw0"))
    with pytest.raises(segment.CorruptError) as caught:
        both.everything()
    goes_on = both.tail.set_aside(1, caught.value.offset)
    both.append(b"three")
    assert both.everything(goes_on) == [b"three"]
    assert both.tail.corrupt == 1
    [aside] = both.folder.glob("*.corrupt")
    assert b"one" not in aside.read_bytes()  # the store has it
    assert b"tw0" in aside.read_bytes()


def test_what_was_set_aside_at_a_start_is_kept_for_days_from_then_on(open_log: Open) -> None:
    first = open_log()
    first.append(b"one")
    first.log.close()
    path = first.folder / first.segments()[0]
    path.write_bytes(path.read_bytes().replace(b"one", b"0ne"))
    os.utime(path, (0, 0))
    second = open_log()
    [aside] = second.folder.glob("*.corrupt")
    began = int(aside.stat().st_mtime * 1000)
    second.tail.forget_set_aside(began + 7 * DAY_MS)
    assert aside.exists()
    second.tail.forget_set_aside(began + 7 * DAY_MS + 1000)
    assert not aside.exists()


def test_a_writer_that_does_not_answer_is_an_error_and_no_endless_wait(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askfirst.collector.tail.ROLL_SECONDS", 0.05)
    both = open_log()
    both.append(b"one")
    both.tail.roll = lambda: None
    with pytest.raises(OSError, match="does not answer"):
        both.tail.end_segment(1)


def test_a_closed_log_takes_nothing_and_can_still_be_read(open_log: Open) -> None:
    both = open_log()
    both.append(b"one")
    both.log.close()
    with pytest.raises(LogClosed):
        both.append(b"two")
    assert both.everything() == [b"one"]


def test_a_log_has_one_writer(
    open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOCK_SECONDS", 0.05)
    open_log().append(b"one")
    with pytest.raises(LogHeld, match="another collector"):
        Log(tmp_path / "log")
    with pytest.raises(LogHeld):
        Tail(tmp_path / "log", lambda _: None, pytest.fail)


def test_a_reader_in_another_process_sees_what_is_durable(open_log: Open) -> None:
    both = open_log()
    both.append(b"one", b"two")
    program = (
        "import sys; from pathlib import Path; from askfirst.collector.watermark import Watermark;"
        "print(*Watermark(Path(sys.argv[1])).get())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(both.folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tuple(map(int, done.stdout.split())) == both.tail.durable()


def test_files_are_for_this_user_alone(open_log: Open) -> None:
    both = open_log()
    both.append(b"one")
    assert both.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in both.folder.iterdir())


def test_a_client_that_went_away_does_not_disturb_the_others(open_log: Open) -> None:
    both = open_log()

    async def scenario() -> None:
        gone = asyncio.create_task(both.log.write(b"gone"))
        stays = asyncio.create_task(both.log.write(b"stays"))
        await asyncio.sleep(0)
        gone.cancel()
        await stays

    asyncio.run(scenario())
    assert both.everything() == [b"gone", b"stays"]


def test_every_refusal_says_when_to_come_again() -> None:
    for kind in (LogFull, LogQuota, LogUnavailable, LogClosed):
        assert issubclass(kind, LogError)
        assert kind.retry_after > 0


@given(st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=4), max_size=4), st.data())
@settings(max_examples=25, deadline=None)
def test_any_cut_at_any_restart_loses_only_the_tail_of_the_last_segment(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[bytes]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    survived: list[bytes] = []
    for run in runs:
        both = Both(folder, segment_bytes=64)
        assert both.everything() == survived
        both.append(*run)
        both.log.close()
        survived += run
        if run:
            last = folder / both.segments()[-1]
            whole = last.read_bytes()
            kept = sum(1 for _ in segment.frames(last, 0, len(whole)))
            last.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
            state = segment.inspect(last, 0)
            now = sum(1 for _ in segment.frames(last, 0, state.end)) if state.end else 0
            survived = survived[: len(survived) - kept + now]
    both = Both(folder)
    assert both.everything() == survived
    assert both.said == []
    both.log.close()
