from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from askfirst.contract.hashing import hash_text, leaf_text
from tests.contract.deep import deep_hash

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.mark.parametrize("case", json.loads((VECTORS / "deep-hash.json").read_text())["cases"])
def test_hashes_as_deep_hash_does(case: dict[str, object]) -> None:
    assert deep_hash(case["value"], str(case["secret"])) == case["hash"]


def test_hashes_as_the_wolkenkit_cli_did() -> None:
    vector = json.loads((VECTORS / "wolkenkit-3.1.2-command.json").read_text())
    local, sent = vector["local"], vector["body"]["data"]["data"]
    hashed = deep_hash(local, local["installationId"])
    assert hashed == {"installationId": sent["installationId"], "application": sent["application"]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.0, "0"),
        (-0.0, "0"),
        (23.0, "23"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.25e-9, "1.25e-9"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (float("inf"), "Infinity"),
    ],
)
def test_spells_leaves_as_javascript_does(value: object, text: str) -> None:
    assert leaf_text(value) == text


def test_hashes_file_names_that_are_no_utf8() -> None:
    name = b"na\xefve".decode("utf-8", "surrogateescape")
    assert hash_text(name, "s") == sha256(b"sna\xed\xb3\xafve").hexdigest()
