"""The contract in force for a tool, as a question needs it."""

from __future__ import annotations

from askfirst.contract.model import Contract
from askfirst.stores.base import Store


def contract_of(store: Store, tool: str) -> Contract | None:
    """Return the contract in force for `tool`, or None if none was declared."""
    return next((one for one in store.contracts() if one.name == tool), None)
