from datetime import date

import pytest

from askfirst.contract import loading
from askfirst.simulation import Population

TEXT = """
[tool]
name = "stratus"
title = "Stratus CLI"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 395
commands = ["start", "stop", "restart", "reload", "db migrate"]

[fields.runtime]
treatment = "version"
purpose = "Which runtime versions must we keep supporting?"

[fields."application.name"]
treatment = "hash"
purpose = "How many applications do you build?"

[fields."application.env"]
treatment = "hash"
purpose = "How many environments do you use?"

[fields."application.size.files"]
treatment = "bucket"
buckets = [10, 100, 1000]
purpose = "How large are applications?"

[fields.platform]
treatment = "choice"
values = ["linux", "macos", "windows"]
purpose = "Where do you run it?"

[fields.container]
treatment = "flag"
purpose = "Is it used in containers?"

[fields.team]
treatment = "hash"
purpose = "How many teams share an installation?"

[releases]
"1.0.0" = 2026-01-15
"1.1.0" = 2026-03-12
"1.2.0" = 2026-05-20
"1.3.0" = 2026-07-30
"1.4.0" = 2026-10-01
"""
END = date(2026, 11, 24)


@pytest.fixture(scope="session")
def contract():
    """A contract with every treatment, and releases of its own."""
    return loading.parse(TEXT)


@pytest.fixture(scope="session")
def bare():
    """A contract without fields and releases."""
    return loading.parse(TEXT.partition("[fields")[0])


@pytest.fixture(scope="session")
def long():
    """A contract that keeps events for two years."""
    return loading.parse(TEXT.replace("retention_days = 395", "retention_days = 730"))


@pytest.fixture(scope="session")
def make(contract):
    """Make a population: small, unless told otherwise."""

    def make(**changes):
        settings = {"contract": contract, "installations": 60, "days": 90, "seed": 1, "end": END}
        settings.update(changes)
        return Population(settings.pop("contract"), **settings)

    return make
