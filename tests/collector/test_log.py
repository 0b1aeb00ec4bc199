"""The log: nothing is acknowledged before its fsync, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.collector import segment
from askfirst.collector.log import Log, LogClosed, LogFull, LogUnavailable, prepare
from askfirst.stores.base import Position

Open = Callable[..., Log]


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens the log; `said` on it holds what the operator is told."""
    opened: list[Log] = []

    def open_(position: Position | None = None, **sizes: int) -> Log:
        said: list[str] = []
        log = Log(tmp_path / "log", position, said.append, **sizes)
        log.said = said  # type: ignore[attr-defined]
        opened.append(log)
        return log

    yield open_
    for log in opened:
        log.close()


def append(log: Log, *payloads: bytes, seal: bool = False) -> list[Position]:
    async def all_of_them() -> list[Position]:
        return list(await asyncio.gather(*(log.append(p, seal=seal) for p in payloads)))

    return asyncio.run(all_of_them())


def everything(log: Log, after: Position | None = None) -> list[bytes]:
    return [frame.payload for frame in log.frames(after or Position(log.name, 0, 0))]


def segments(log: Log) -> list[str]:
    return sorted(path.name for path in log._folder.iterdir() if path.suffix == ".log")


def test_what_is_appended_can_be_read_in_order(open_log: Open) -> None:
    log = open_log()
    positions = append(log, b"one", b"two", b"three")
    assert everything(log) == [b"one", b"two", b"three"]
    assert everything(log, positions[0]) == [b"two", b"three"]
    assert log.durable() == positions[-1]
    assert log.waiting() == 0


def test_acknowledgement_waits_for_the_fsync_and_many_share_one(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    append(log, b"first")
    may_sync, syncing = threading.Event(), threading.Event()
    syncs: list[int] = []
    real = os.fsync

    def slow(descriptor: int) -> None:
        syncs.append(descriptor)
        syncing.set()
        assert may_sync.wait(10)
        real(descriptor)

    async def scenario() -> None:
        monkeypatch.setattr(os, "fsync", slow)
        early = log.append(b"early")
        await asyncio.to_thread(syncing.wait, 10)
        late = [log.append(b"late") for _ in range(50)]
        assert everything(log) == [b"first"]  # a reader sees only what is durable
        assert not early.done()
        may_sync.set()
        await asyncio.gather(early, *late)

    asyncio.run(scenario())
    assert len(syncs) == 2
    assert len(everything(log)) == 52


def test_more_waiting_bytes_than_the_bound_are_refused(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(waiting_bytes=100)
    may_write = threading.Event()
    real = os.pwrite

    def slow(*arguments: Any) -> int:
        assert may_write.wait(10)
        return real(*arguments)

    async def scenario() -> None:
        monkeypatch.setattr(os, "pwrite", slow)
        first = log.append(b"x" * 80)
        with pytest.raises(LogFull):
            log.append(b"y" * 80)
        may_write.set()
        await first
        await log.append(b"z" * 200)  # one that is larger than the bound fits an empty queue

    asyncio.run(scenario())
    assert everything(log) == [b"x" * 80, b"z" * 200]


def test_a_full_disk_refuses_leaves_no_partial_frame_and_heals_by_itself(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    append(log, b"before")
    size = (log._folder / segments(log)[0]).stat().st_size
    real = os.pwrite

    def full(descriptor: int, data: Any, offset: int) -> int:
        if len(data) > 7:
            return real(descriptor, data[:7], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(LogUnavailable, match="No space left"):
            append(log, b"during")
    assert (log._folder / segments(log)[0]).stat().st_size == size
    append(log, b"after")
    assert everything(log) == [b"before", b"after"]
    assert len(segments(log)) == 1


def test_a_full_disk_at_the_start_of_a_segment_heals_too(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", _no_space)
        with pytest.raises(LogUnavailable):
            append(log, b"during")
    assert segments(log) == []
    append(log, b"after")
    assert everything(log) == [b"after"]


def test_a_segment_whose_fsync_failed_is_not_written_again(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    append(log, b"before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _no_space)
        with pytest.raises(LogUnavailable):
            append(log, b"during")
    append(log, b"after")
    assert everything(log) == [b"before", b"after"]
    assert len(segments(log)) == 2


def _no_space(*_: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_segments_rotate_by_size_and_go_when_they_are_loaded(open_log: Open) -> None:
    log = open_log(segment_bytes=100)
    positions = [append(log, b"x" * 60)[0] for _ in range(5)]
    assert len({p.segment for p in positions}) == 3
    log.release(positions[2])
    assert everything(log) == [b"x" * 60] * 3  # the second segment is not loaded to its end
    log.release(positions[3])
    assert everything(log) == [b"x" * 60]
    assert len(segments(log)) == 1
    assert log.size() == (log._folder / segments(log)[0]).stat().st_size


def test_a_seal_ends_the_segment_right_there(open_log: Open) -> None:
    log = open_log()

    async def scenario() -> list[Position]:
        futures = [log.append(b"one"), log.append(b"last", seal=True), log.append(b"next")]
        return list(await asyncio.gather(*futures))

    one, last, following = asyncio.run(scenario())
    assert (one.segment, last.segment, following.segment) == (1, 1, 2)
    log.release(last)
    assert everything(log) == [b"next"]


def test_after_a_restart_writing_begins_in_a_new_segment(open_log: Open) -> None:
    first = open_log()
    append(first, b"one")
    first.close()
    second = open_log()
    assert second.name == first.name
    [position] = append(second, b"two")
    assert position.segment == 2
    assert everything(second) == [b"one", b"two"]


def test_a_new_segment_is_numbered_above_what_the_store_has_seen(
    open_log: Open, tmp_path: Path
) -> None:
    position = Position(prepare(tmp_path / "log"), 41, 99)
    log = open_log(position)
    assert log.durable() == position
    assert append(log, b"one")[0].segment == 42


def test_what_the_store_has_is_deleted_at_the_start(open_log: Open) -> None:
    first = open_log(segment_bytes=50)
    positions = append(first, b"x" * 60, seal=True) + append(first, b"y" * 60)
    first.close()
    second = open_log(positions[0])
    assert everything(second, positions[0]) == [b"y" * 60]
    assert segments(second) == [segment.file_name(2)]


def test_a_torn_last_frame_is_cut_off(open_log: Open) -> None:
    first = open_log()
    append(first, b"one", b"two")
    first.close()
    path = first._folder / segments(first)[0]
    whole = path.read_bytes()
    path.write_bytes(whole + segment.frame(b"three")[:-2])
    second = open_log()
    assert everything(second) == [b"one", b"two"]
    assert path.read_bytes() == whole
    assert second.corrupt == 0


def test_a_damaged_frame_is_set_aside_named_and_counted(open_log: Open) -> None:
    first = open_log()
    append(first, b"one", b"two", b"three")
    first.close()
    path = first._folder / segments(first)[0]
    whole = path.read_bytes()
    damaged = whole.replace(b"two", b"tw0")
    path.write_bytes(damaged)
    second = open_log()
    assert everything(second) == [b"one"]
    aside = path.with_name(path.name + ".corrupt")
    assert aside.read_bytes() == damaged
    assert second.corrupt == 1
    [line] = second.said  # type: ignore[attr-defined]
    assert str(aside) in line
    assert append(second, b"four")[0].segment == 2


def test_a_file_that_is_no_segment_is_set_aside_whole(open_log: Open, tmp_path: Path) -> None:
    prepare(tmp_path / "log")
    path = tmp_path / "log" / segment.file_name(3)
    path.write_bytes(b"something else altogether")
    log = open_log()
    assert everything(log) == []
    assert log.corrupt == 1
    assert [p.name for p in log._folder.glob("*.corrupt")] == [path.name + ".corrupt"]
    assert append(log, b"one")[0].segment == 4


def test_damage_found_while_reading_is_set_aside_and_writing_goes_on(open_log: Open) -> None:
    log = open_log()
    append(log, b"one", b"two")
    path = log._folder / segments(log)[0]
    path.write_bytes(path.read_bytes().replace(b"two", b"tw0"))
    with pytest.raises(segment.CorruptError) as caught:
        everything(log)
    goes_on = log.set_aside(1, caught.value.offset)
    append(log, b"three")
    assert everything(log, goes_on) == [b"three"]
    assert log.corrupt == 1


def test_a_closed_log_takes_nothing_and_can_still_be_read(open_log: Open) -> None:
    log = open_log()
    append(log, b"one")
    log.close()
    with pytest.raises(LogClosed):
        append(log, b"two")
    assert everything(log) == [b"one"]


def test_files_are_for_this_user_alone(open_log: Open) -> None:
    log = open_log()
    append(log, b"one")
    assert log._folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in log._folder.iterdir())


@given(st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=4), max_size=4), st.data())
@settings(max_examples=25, deadline=None)
def test_any_cut_at_any_restart_loses_only_the_tail_of_the_last_segment(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[bytes]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    survived: list[bytes] = []
    for run in runs:
        log = Log(folder, None, pytest.fail, segment_bytes=64)
        assert everything(log) == survived
        append(log, *run)
        log.close()
        survived += run
        if run:
            last = folder / segments(log)[-1]
            whole = last.read_bytes()
            kept = sum(1 for _ in segment.frames(last, 0, len(whole)))
            last.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
            state = segment.inspect(last, 0)
            now = sum(1 for _ in segment.frames(last, 0, state.end)) if state.end else 0
            survived = survived[: len(survived) - kept + now]
    log = Log(folder, None, pytest.fail)
    assert everything(log) == survived
    log.close()
