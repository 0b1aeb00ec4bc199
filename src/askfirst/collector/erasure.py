"""`POST /v1/erasures`: forget an installation.

Its id is a 256-bit hash that only the installation and the collector know: knowing it is the proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from askfirst.collector.collector import Collector
from askfirst.collector.ingest import decode, terms_of
from askfirst.collector.request import Refusal
from askfirst.contract.event import is_hash


class Erasure(msgspec.Struct, rename="camel"):
    """What is asked for."""

    tool: str
    installation_id: str


_decoder = msgspec.json.Decoder(Erasure)


async def take_erasure(collector: Collector, body: bytes) -> bytes:
    """Erase what was accepted of an installation before now; answer once no question sees it.

    By then no log holds it either. The bytes that lie about in the store's files are overwritten
    soon after (`Loader.erase`).
    """
    erasure = decode(_decoder, body)
    if not is_hash(erasure.installation_id):
        raise Refusal(422, "installationId is 64 lower-case hex characters; the client has it")
    terms = collector.door.terms
    # what is stored of a tool outlasts that it is served
    if erasure.tool not in terms and erasure.tool not in await _stored_tools(collector):
        terms_of(terms, erasure.tool)
    erased = await collector.erase(erasure.tool, bytes.fromhex(erasure.installation_id))
    return msgspec.json.encode({"erased": erased})


async def _stored_tools(collector: Collector) -> Sequence[str]:
    return await asyncio.to_thread(collector.store.tools)
