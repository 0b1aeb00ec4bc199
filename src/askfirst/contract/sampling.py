"""Which installations take part, where a contract asks only a share of those who said Yes.

The hash of an installation is an evenly drawn number. Who has one below that share of them takes
part, at every larger share too; a collector can check it.
"""

DIGITS = 16  # of the hash, in hex: 64 bits


def limit(sample: float) -> str:
    """Return the hex text below which the hashes of those who take part are; 0 < `sample` < 1."""
    return f"{int(sample * 16**DIGITS):0{DIGITS}x}"  # exact: 16 ** 16 is a power of two


def takes_part(sample: float, installation_id: str) -> bool:
    """Tell whether an installation is in a sample of 0 to 1; `installation_id` is 64 hex."""
    return sample >= 1 or installation_id < limit(sample)


def percent(sample: float) -> str:
    """Return a share as people read it: `10 %`."""
    return f"{sample * 100:.4g} %"
