"""The log's file format: what passes its checksums is what was written, and only the tail is lost."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.collector import segment

payloads = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6)


def write(folder: Path, frames: list[bytes], number: int = 1) -> Path:
    path = folder / segment.file_name(number)
    path.write_bytes(segment.header(number) + b"".join(segment.frame(p) for p in frames))
    return path


def readable(path: Path) -> list[bytes]:
    state = segment.inspect(path, 0)
    return [payload for _, payload in segment.frames(path, 0, state.end)]


@given(payloads, st.data())
@settings(max_examples=60, deadline=None)
def test_any_truncation_loses_only_the_tail(frames: list[bytes], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = write(Path(folder), frames)
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        state = segment.inspect(path, 0)
        kept = readable(path) if cut >= segment.HEADER_BYTES else []
        assert kept == frames[: len(kept)]
        assert not state.corrupt
        ends = [segment.HEADER_BYTES]
        for payload in frames:
            ends.append(ends[-1] + segment.FRAME_BYTES + len(payload))
        assert len(kept) == max(0, sum(end <= cut for end in ends) - 1)


@given(payloads, st.data())
@settings(max_examples=60, deadline=None)
def test_any_changed_byte_is_noticed_and_what_came_before_is_kept(
    frames: list[bytes], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path = write(Path(folder), frames)
        whole = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        assert segment.inspect(path, 0).corrupt
        if place >= segment.HEADER_BYTES:
            kept = readable(path)
            assert kept == frames[: len(kept)]
            assert len(kept) < len(frames)


def test_pages_that_never_came_are_a_torn_tail(tmp_path: Path) -> None:
    path = write(tmp_path, [b"one"])
    end = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert segment.inspect(path, 0) == segment.State(end, torn=True)


def test_a_segment_under_another_number_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path, [b"one"]).rename(tmp_path / segment.file_name(7))
    assert segment.inspect(path, 0).corrupt


def test_setting_aside_keeps_both_the_good_part_and_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path, [b"one", b"two"])
    whole = path.read_bytes()
    good = segment.HEADER_BYTES + segment.FRAME_BYTES + 3
    aside = segment.set_aside(path, good)
    assert aside.name == segment.file_name(1) + ".corrupt"
    assert aside.read_bytes() == whole
    assert readable(path) == [b"one"]


def test_what_is_elsewhere_too_is_blanked_in_place(tmp_path: Path) -> None:
    path = write(tmp_path, [b"one", b"two"])
    whole = path.read_bytes()
    good = segment.HEADER_BYTES + segment.FRAME_BYTES + 3
    aside = segment.set_aside(path, 0)
    segment.blank(aside, good)
    assert aside.read_bytes() == segment.header(1) + bytes(good - 16) + whole[good:]


def test_what_was_set_aside_is_dropped_by_its_age_or_all_of_it(tmp_path: Path) -> None:
    old, young = (segment.set_aside(write(tmp_path, [b"x"]), 0) for _ in range(2))
    (tmp_path / "1").mkdir()
    deep = segment.set_aside(write(tmp_path / "1", [b"x"]), 0)
    path = write(tmp_path, [b"x"])
    os.utime(old, (1000, 1000))
    assert segment.drop_set_aside(tmp_path, 1_000_000) == 0
    assert segment.drop_set_aside(tmp_path, 1_000_001) == 1
    assert not old.exists()
    assert segment.drop_set_aside(tmp_path) == 2
    assert not young.exists()
    assert not deep.exists()
    assert path.exists()
    assert segment.drop_set_aside(tmp_path / "nowhere") == 0


def test_a_second_one_set_aside_does_not_overwrite_the_first(tmp_path: Path) -> None:
    names = {segment.set_aside(write(tmp_path, [b"x"]), 0).name for _ in range(3)}
    assert len(names) == 3
    assert all(name.endswith(".corrupt") and segment.number_of(name) == 1 for name in names)


@pytest.mark.parametrize("name", ["name", "1.log", "0000000000000001.part", "000000000000000x.log"])
def test_other_files_belong_to_no_segment(name: str) -> None:
    assert segment.number_of(name) is None


def test_an_empty_frame_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="1 to"):
        segment.frame(b"")
