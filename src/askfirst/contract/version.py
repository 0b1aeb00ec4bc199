"""Version precedence, by SemVer 2.0 (https://semver.org) and PEP 440 spellings.

Never by string order: 9.0.0 comes before 10.0.0, and 1.0rc1 before 1.0.
"""

_PHASES = {
    "a": "alpha",
    "alpha": "alpha",
    "b": "beta",
    "beta": "beta",
    "c": "rc",
    "rc": "rc",
    "pre": "rc",
    "preview": "rc",
}
_POST = ("post", "rev", "r")
_LONGEST = 40  # characters; longer text is not a version anybody released
_DIGITS = 8  # "20261125" is the longest number in a version anybody released


def precedence(text: str) -> "tuple[object, ...] | None":
    """Return a key that sorts versions by precedence, or None if `text` is not a version.

    Without build metadata (`+`). A dotted pre-release behind a hyphen is read as SemVer, all else
    as PEP 440; `1.0.0-rc.1` and `1.0.0rc1` are equal.
    """
    parsed = _parse(text)
    return None if parsed is None else parsed[0]


def is_newer(one: str, other: str) -> bool:
    """Tell whether `one` has a higher precedence than `other`; False if either is no version."""
    left, right = precedence(one), precedence(other)
    return left is not None and right is not None and left > right


def is_released(text: object) -> bool:
    """Tell whether `text` looks like a version somebody released, and like nothing else.

    Two to four numbers, then at most alpha, beta, rc or post with a number: build metadata can
    carry a commit or a machine's name.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return False
    parsed = _parse(text)
    return parsed is not None and parsed[1]


def _parse(text: str) -> "tuple[tuple[object, ...], bool] | None":
    """Return (key, looks released), or None."""
    if not text.isascii() or len(text) > 200:
        return None
    body, plus, _ = text.strip().partition("+")
    plain = not plus and body == text
    if body[:1] in ("v", "V"):
        body, plain = body[1:], False
    head, bang, rest = body.partition("!")
    epoch = head if bang else "0"
    if bang:
        body, plain = rest, False
    end = _end_of_numbers(body)
    numbers = body[:end].split(".")
    if not all(number.isdigit() for number in [epoch, *numbers]):
        return None
    plain = plain and 2 <= len(numbers) <= 4 and all(len(n) <= _DIGITS for n in numbers)
    tail = body[end:]
    if tail.startswith("-") and len(numbers) == 3:
        suffix = _semver(tail[1:])
    else:
        suffix = _pep440(tail.lower())
    if suffix is None:
        return None
    release = [int(number) for number in numbers]
    while len(release) > 1 and release[-1] == 0:
        release.pop()  # 1.0 and 1.0.0 are the same version (PEP 440)
    return (int(epoch), tuple(release), *suffix[0]), plain and suffix[1]


def _end_of_numbers(body: str) -> int:
    """Return where `1.4.0` ends in `1.4.0.dev1`."""
    end = 0
    while end < len(body) and (body[end].isdigit() or body[end] == "."):
        end += 1
    return end - 1 if 0 < end < len(body) and body[end - 1] == "." else end


def _semver(tail: str) -> "tuple[tuple[object, ...], bool] | None":
    """Read the identifiers behind the hyphen (SemVer 2.0, rule 11)."""
    identifiers: list[tuple[int, object]] = []
    known = True
    for part in tail.split("."):
        if not part or not all(char.isalnum() or char == "-" for char in part):
            return None
        if part.isdigit():
            identifiers.append((0, int(part)))
            known = known and len(part) <= 4
        else:
            identifiers.append((1, part))
            known = known and part.lower().rstrip("0123456789") in _PHASES and len(part) <= 12
    known = known and len(identifiers) <= 2 and identifiers[0][0] == 1
    return (0, tuple(identifiers), -1, 1, 0), known


def _pep440(tail: str) -> "tuple[tuple[object, ...], bool] | None":
    """Read `rc1`, `.post1`, `.dev1` and their spellings (PEP 440)."""
    final, pre = 1, ()  # type: int, tuple[object, ...]
    post, dev = -1, -1
    known = True
    at = 0
    while at < len(tail):
        if tail[at] in ".-_":
            at += 1
        start = at
        while at < len(tail) and tail[at].isalpha():
            at += 1
        word = tail[start:at]
        if at < len(tail) - 1 and tail[at] in ".-_" and tail[at + 1].isdigit():
            at += 1
        start = at
        while at < len(tail) and tail[at].isdigit():
            at += 1
        digits = tail[start:at]
        number = int(digits) if digits else 0
        known = known and len(digits) <= 4
        if word in _PHASES and final and post < 0 and dev < 0:
            final, pre = 0, ((1, _PHASES[word]), (0, number))
        elif (word in _POST or (not word and digits)) and post < 0 and dev < 0:
            post = number
        elif word == "dev" and dev < 0:
            dev, known = number, False
        else:
            return None
    if dev >= 0 and final and post < 0:
        final, pre = 0, ((-1, 0),)  # 1.0.dev1 comes before 1.0a1
    return (final, pre, post, 0 if dev >= 0 else 1, max(dev, 0)), known
