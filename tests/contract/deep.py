"""deep-hash as a whole, of the parts that the client has: it forms no nested values itself."""

from __future__ import annotations

from askfirst.contract.hashing import hash_text, leaf_text


def deep_hash(value: object, secret: str) -> object:
    """Hash every leaf of `value`; keys and nesting stay as they are.

    Leaves become the text that JavaScript's `String(leaf)` gives, as the original does.
    """
    if isinstance(value, dict):
        return {key: deep_hash(child, secret) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [deep_hash(child, secret) for child in value]
    return hash_text(leaf_text(value), secret)
