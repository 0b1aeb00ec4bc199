"""`POST /v1/erasures`: forget an installation.

Its id is a 256-bit hash that only the installation and the collector know: knowing it is the proof.
"""

from __future__ import annotations

import msgspec

from askfirst.collector.collector import Collector
from askfirst.collector.frames import encode
from askfirst.collector.ingest import decode
from askfirst.collector.loader import ErasureFrame
from askfirst.collector.request import Refusal
from askfirst.contract.event import is_hash


class Erasure(msgspec.Struct, rename="camel"):
    """What is asked for."""

    tool: str
    installation_id: str


_decoder = msgspec.json.Decoder(Erasure)


async def take_erasure(collector: Collector, body: bytes) -> object:
    """Erase an installation's events, and answer once neither store nor log holds any.

    The erasure goes through the log: what was accepted before it is erased, whatever comes after is
    not. Its segment ends there, so that the loader can delete it.
    """
    erasure = decode(_decoder, body)
    collector.terms_of(erasure.tool)
    if not is_hash(erasure.installation_id):
        raise Refusal(422, "installationId is 64 lower-case hex characters; the client has it")
    frame = ErasureFrame(erasure.tool, collector.now(), bytes.fromhex(erasure.installation_id))
    end = await collector.log.append(encode(frame), seal=True)
    await collector.caught_up(end)
    return {"erased": collector.loader.take_erased(end)}
