from datetime import date, timedelta

from askfirst.contract.version import is_newer, is_released, precedence
from askfirst.simulation.releases import releases

FIRST, LAST = date(2026, 6, 1), date(2026, 11, 24)


def test_declared_releases_in_the_period_are_used_with_their_days(contract):
    found = {release.version: release.day for release in releases(contract, FIRST, LAST)}

    assert found["1.3.0"] == date(2026, 7, 30)
    assert found["1.4.0"] == date(2026, 10, 1)
    assert set(found) == set(contract.releases)


def test_a_release_after_the_period_is_not_there(contract):
    assert "1.4.0" not in {r.version for r in releases(contract, FIRST, date(2026, 9, 30))}


def test_before_the_first_declared_release_people_run_an_undeclared_lower_version(contract):
    first = date(2026, 1, 1)
    lowest, *_ = releases(contract, first, LAST)

    assert lowest.version not in contract.releases
    assert is_newer("1.0.0", lowest.version)
    assert lowest.day < first


def test_invented_releases_are_out_of_string_order_and_have_a_pre_release(bare):
    found = releases(bare, FIRST, LAST)
    versions = [release.version for release in found]

    assert versions == sorted(versions, key=precedence)
    assert versions != sorted(versions)
    assert {"1.9.0", "1.10.0-rc.1", "1.10.0"} <= set(versions)
    assert [r.version for r in found if r.is_pre] == ["1.10.0-rc.1"]
    assert all(is_released(version) for version in versions)
    assert sum(r.day >= FIRST for r in found) >= 3


def test_invented_releases_work_for_a_single_day(bare):
    assert all(r.day <= FIRST for r in releases(bare, FIRST, FIRST))


def test_invented_releases_follow_what_was_declared_before_the_period(contract):
    found = releases(contract, LAST - timedelta(days=20), LAST)
    invented = [r.version for r in found if r.version not in contract.releases]

    assert invented
    assert all(is_newer(version, "1.4.0") for version in invented)


def test_invented_releases_never_take_a_version_that_is_declared_for_later(contract):
    found = releases(contract, date(2025, 1, 1), date(2025, 12, 31))

    assert not {release.version for release in found} & set(contract.releases)
    assert all(is_newer("1.0.0", release.version) for release in found)
