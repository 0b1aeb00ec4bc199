"""The contract as a sender before this one read it: reading TOML is a fifth of a delivery's CPU.

It lies beside the queue and holds for one text and one version of this package: its seal is a hash
over both and itself. Whatever is not as it was left is parsed again.
"""

import os

from askfirst import __version__, read_file
from askfirst.client.folders import put
from askfirst.contract import hash_bytes
from askfirst.contract.jsontext import dumps, loads
from askfirst.contract.model import Contract

NAME = "contract"
MOST_BYTES = 4_000_000


def contract(text: str, folder: str) -> Contract:
    """Return the contract of a text; keep it in `folder` for the next one. Raises ContractError."""
    path = os.path.join(folder, NAME)
    seal, _, body = (read_file(path, MOST_BYTES) or b"").partition(b"\n")
    if body and seal == _seal(text, body):
        return Contract.from_dict(loads(body.decode("ascii")))  # type: ignore[arg-type]
    from askfirst.contract.loading import parse

    made = parse(text)
    body = dumps(made.as_dict()).encode("ascii")
    put(path, _seal(text, body) + b"\n" + body)
    return made


def _seal(text: str, body: bytes) -> bytes:
    return hash_bytes(b"\n".join((__version__.encode(), text.encode("utf-8"), body))).encode()
