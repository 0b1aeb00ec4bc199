from datetime import date, timedelta

import numpy as np
import pytest

from askfirst.contract import event
from askfirst.contract.hashing import hash_text
from askfirst.simulation.fields import APPLICATION, ENVIRONMENT
from askfirst.simulation.habits import DAY_MS, NEVER, instant


def all_rows(population):
    return np.concatenate([population.rows(day) for day in range(population.days)])


def test_a_day_is_drawn_the_same_each_time(make):
    one, other = make(), make()

    assert one.rows(40).tobytes() == one.rows(40).tobytes() == other.rows(40).tobytes()
    assert make(seed=2).rows(40).tobytes() != one.rows(40).tobytes()


def test_installations_have_version_4_uuids_and_their_real_hash(make):
    population = make()
    secrets = [population.secret(one) for one in range(population.installations)]

    assert all(event.is_uuid(secret) and secret[14] == "4" for secret in secrets)
    assert len(set(secrets)) == len(secrets)
    assert population.pseudonyms.of(np.array([3])) == [
        bytes.fromhex(hash_text(secrets[3], secrets[3]))
    ]


def test_event_ids_are_version_7_and_begin_with_the_timestamp(make):
    rows = all_rows(make())
    ids = [one.hex() for one in rows["id"].tolist()]

    assert len(set(ids)) == len(ids)
    assert {text[12] for text in ids} == {"7"}
    assert {text[16] for text in ids} <= set("89ab")
    assert [int(text[:12], 16) for text in ids] == rows["timestamp"].tolist()


def test_every_event_lies_on_its_day_and_arrives_before_the_period_ends(make):
    population = make(late_share=0.5, duplicate_share=0.5)
    end = instant(population.end) + DAY_MS
    for day in (0, 45, population.days - 1):
        rows = population.rows(day)
        begin = instant(population.first) + day * DAY_MS
        assert ((rows["timestamp"] >= begin) & (rows["timestamp"] < begin + DAY_MS)).all()
        assert (rows["received"] >= rows["timestamp"]).all()
        assert (rows["received"] < end).all()
        again = rows[rows["again"] >= 0]
        assert len(again)
        assert ((again["again"] >= again["received"]) & (again["again"] < end)).all()


@pytest.mark.parametrize("first", [date(2026, 1, 1), date(2026, 6, 1), date(2025, 6, 1)])
def test_nobody_runs_a_version_before_its_release(make, contract, first):
    end = first + timedelta(days=200)
    population = make(days=201, end=end, installations=200)
    rows = all_rows(population)

    for place, release in enumerate(population.releases):
        when = rows["timestamp"][rows["version"] == place]
        assert (when >= instant(release.day)).all()
        declared = contract.releases.get(release.version)
        assert declared is None or release.day == date.fromisoformat(declared)


def test_without_any_version_out_there_are_no_events(make, contract, bare):
    bare.releases["0.0.0"] = (date(2026, 11, 20)).isoformat()
    try:
        population = make(contract=bare, days=30)
    finally:
        del bare.releases["0.0.0"]

    assert population.versions == ("0.0.0",)
    assert len(population.rows(0)) == 0
    assert len(population.rows(29)) > 0


def test_habits_differ(make):
    habits = make(installations=2000, days=200).habits

    assert set(habits.kind.tolist()) == {0, 1, 2, 3}
    assert habits.applications.min() == 0
    assert habits.applications.max() > 5
    assert (habits.in_turn > 0).any()
    assert (habits.in_turn == 0).any()
    assert habits.pinned.any()
    assert (habits.arrives == -1).any()
    assert len(np.unique(habits.arrives)) > 150
    assert (habits.adopts == NEVER).any()


def test_commands_have_unequal_frequency_and_all_occur(make, contract):
    counts = np.bincount(all_rows(make(installations=500))["command"])

    assert len(counts) == len(contract.commands)
    assert counts.min() > 0
    assert counts[0] > 5 * counts[-1]


def test_every_field_is_filled_with_treated_values_and_sometimes_left_out(make, contract):
    population = make()
    rows = all_rows(population)
    for name, field in contract.fields.items():
        texts = population.values[name].texts(rows[name])
        assert None in texts
        assert all(event.is_treated(field, text) for text in texts if text is not None)
        if field.labels():
            assert set(texts) - {None} == set(field.labels())


def test_hashed_values_are_those_that_a_client_would_form(make, contract):
    population = make()
    values = population.values[APPLICATION]
    rows = all_rows(population)
    code = int(rows[APPLICATION].max())
    installation = int(rows["installation"][rows[APPLICATION] == code][0])
    names = {values.plain(own) for own in range(12)}
    formed = {
        event.treat(contract.fields[APPLICATION], name, population.secret(installation))
        for name in names
    }

    assert len(names) == 12
    assert values.texts(np.array([code]))[0] in formed


def test_two_codes_of_an_installation_differ_exactly_when_their_hashes_do(make):
    population = make(installations=5)
    rows = all_rows(population)
    for name in (APPLICATION, ENVIRONMENT):
        codes = rows[name][rows[name] >= 0]
        texts = population.values[name].texts(codes)
        assert len(set(texts)) == len(set(codes.tolist()))


def test_two_tools_do_not_share_installations(make, contract):
    name = contract.name
    try:
        contract.name = "other"
        assert make().secret(0) != make(contract=contract, seed=2).secret(0)
        other = make().secret(0)
    finally:
        contract.name = name

    assert make().secret(0) != other


def test_more_days_than_are_kept_are_refused(make):
    with pytest.raises(ValueError, match="retention_days is 395"):
        make(days=396)
