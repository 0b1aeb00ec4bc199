"""What may change while a collector runs: its contracts, and the certificate it shows.

On SIGHUP, and when a file was written. What cannot be used is told to the operator, and the old one
stays in force. A SIGHUP because the terminal is gone on which it was started is no such wish.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from askfirst.collector import tls
from askfirst.collector.collector import Collector
from askfirst.collector.watch import Watched
from askfirst.collector.worker import Order
from askfirst.contract.model import Contract, ContractError
from askfirst.stores.base import StoreError

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Files:
    """Where contracts and a certificate come from. `read` raises ContractError."""

    contracts: Sequence[str]
    read: Callable[[], Sequence[Contract]]
    certificate: str | None = None
    key: str | None = None

    @property
    def pair(self) -> tuple[str, str] | None:
        """The certificate and its key, if there is TLS."""
        return (self.certificate, self.key) if self.certificate and self.key else None


class Renewal:
    """Watches files, and puts what changed in force everywhere.

    To be made before the certificate is read; `context` is what came of it in this process.
    """

    def __init__(self, collector: Collector, files: Files) -> None:
        self.context: ssl.SSLContext | None = None
        self._collector = collector
        self._files = files
        self._contracts = Watched(files.contracts)
        self._certificate = Watched(files.pair or ())
        self._asked = asyncio.Event()
        self._on_terminal = os.isatty(0)
        self._owed = False  # a contract that the store could not be told of yet

    async def watch(self) -> None:
        """Look every second, until cancelled; at once on SIGHUP."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hear)
        await self._agree()  # the contracts were read before the store was opened: minutes, perhaps
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_SECONDS)
            except asyncio.TimeoutError:
                asked = False
            else:
                asked = True
                self._asked.clear()
            if self._contracts.changed() or asked or self._owed:
                await self._agree()
            if self._certificate.changed() or asked:
                self._renew()

    def _hear(self) -> None:
        if self._on_terminal and not os.isatty(0):
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self._asked.set()

    async def _agree(self) -> None:
        collector = self._collector
        try:
            contracts = self._files.read()
        except ContractError as error:
            self._owed = False
            collector.say(f"the contract in force stays: {error}")
            return
        if {row.name for row in contracts} != {row.name for row in collector.contracts}:
            self._owed = False
            collector.say("the contract in force stays: the files name other tools; restart")
            return
        if [row.digest for row in contracts] == [row.digest for row in collector.contracts]:
            self._owed = False
            return
        try:
            await collector.agree(contracts)
        except StoreError as error:
            if not self._owed:
                self._owed = True
                collector.say(f"the contract in force stays until the store takes another: {error}")
            return
        self._owed = False
        collector.tell(Order("agree", [row.as_dict() for row in contracts]))
        collector.say("the changed contract is in force")

    def _renew(self) -> None:
        if self._files.pair is None:
            return
        try:
            if self.context is not None:
                tls.renew(self.context, *self._files.pair)
            else:
                tls.context_of(*self._files.pair)  # what each worker is about to do
        except tls.TlsError as error:
            self._collector.say(f"the certificate in use stays: {error}")
            return
        self._collector.tell(Order("renew"))
        self._collector.say("the renewed certificate is in use")
