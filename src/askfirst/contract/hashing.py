"""deep-hash: SHA-256 of a secret, the installation's UUID, followed by a value's text.

As npm's deep-hash 1.0.1, which the wolkenkit CLI used: both make the same pseudonyms.
"""

from askfirst.usual import hash_text, leaf_text

__all__ = ["hash_text", "javascript_number", "leaf_text"]


def javascript_number(value: float) -> str:
    """Spell a float as ECMAScript does (ECMA-262, Number::toString)."""
    if value != value:  # noqa: PLR0124 - nan
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent_text = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    exponent = int(exponent_text or 0) + len(whole)
    digits = whole + fraction
    stripped = digits.lstrip("0")
    exponent -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    count = len(digits)
    if count <= exponent <= 21:
        return sign + digits + "0" * (exponent - count)
    if 0 < exponent <= 21:
        return f"{sign}{digits[:exponent]}.{digits[exponent:]}"
    if -6 < exponent <= 0:
        return f"{sign}0.{'0' * -exponent}{digits}"
    power = exponent - 1
    shown = f"{digits[0]}.{digits[1:]}" if count > 1 else digits
    return f"{sign}{shown}e{'+' if power > 0 else '-'}{abs(power)}"
