"""Who takes part, where a contract asks a share of those who said Yes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.cli import notices
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract, ContractError
from askfirst.contract.notice import question
from askfirst.contract.sampling import limit, percent, takes_part
from tests.contract.test_loading import GOOD

HASHES = st.binary(max_size=8).map(lambda raw: hashlib.sha256(raw).hexdigest())
SHARES = st.floats(0, 1, exclude_min=True)


def sampled(sample: object) -> Contract:
    return parse(GOOD.replace("[tool]", f"[tool]\nsample = {sample}"))


@given(HASHES, SHARES, SHARES)
def test_who_takes_part_at_one_share_does_at_every_larger_one(id_: str, a: float, b: float) -> None:
    small, large = sorted((a, b))
    assert takes_part(large, id_) or not takes_part(small, id_)


@given(HASHES, SHARES)
def test_a_collector_finds_the_same_by_the_bytes(id_: str, sample: float) -> None:
    if sample < 1:
        inside = bytes.fromhex(id_) < bytes.fromhex(limit(sample))
        assert inside == takes_part(sample, id_)
    else:
        assert takes_part(sample, id_)


@pytest.mark.parametrize("sample", [0.01, 0.1, 0.5])
def test_as_many_take_part_as_the_share_says(sample: float) -> None:
    n = 20_000
    ids = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(n))
    taking = sum(takes_part(sample, id_) for id_ in ids)
    assert abs(taking - n * sample) < 4 * (n * sample * (1 - sample)) ** 0.5


def test_the_limit_is_the_share_of_all_hashes() -> None:
    assert limit(0.5) == "8" + "0" * 15
    assert limit(0.25) == "4" + "0" * 15
    assert limit(1e-30) == "0" * 16


def test_a_share_stands_in_the_contract() -> None:
    contract = sampled(0.1)
    assert contract.sample == 0.1
    assert '"sample":0.1' in contract.canonical()
    assert Contract.from_dict(contract.as_dict()).digest == contract.digest


@pytest.mark.parametrize("one", ["1", "1.0"])
def test_a_share_of_one_is_none(one: str) -> None:
    assert sampled(one).digest == parse(GOOD).digest
    assert sampled(one).sample == 1.0


@pytest.mark.parametrize("wrong", ["0", "-0.1", "1.1", "true", '"0.1"', "nan", "inf"])
def test_what_is_no_share_is_refused(wrong: str) -> None:
    with pytest.raises(ContractError, match=r"tool\.sample: .* give a share above 0, up to 1"):
        sampled(wrong)


def test_a_larger_share_collects_no_more_of_anybody() -> None:
    assert sampled(1).collects_more_than(sampled(0.1).agreement()) == []


def test_who_is_asked_is_told_the_share() -> None:
    for text in (question(sampled(0.1)), notices.telemetry(sampled(0.1))):
        assert "Of those who say Yes, 10 % take part, drawn at random" in text
    for text in (question(parse(GOOD)), notices.telemetry(parse(GOOD))):
        assert "take part" not in text


@pytest.mark.parametrize(
    ("sample", "text"), [(0.1, "10 %"), (0.005, "0.5 %"), (1 / 3, "33.33 %"), (1e-6, "0.0001 %")]
)
def test_a_share_is_written_for_people(sample: float, text: str) -> None:
    assert percent(sample) == text
