"""Ask somebody at a terminal, if they should be asked now; remember the answer."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from askfirst import Telemetry


def ask(telemetry: "Telemetry") -> None:
    """Ask unless that was answered, by a decision made afresh."""
    if not is_in_front():
        return
    from askfirst.client import dotfile, recording

    places = telemetry.places()
    if places is None:
        return
    decision = recording.decide(telemetry, terminal=True)
    if decision.reason == "erasing":
        from askfirst.client import spawn

        spawn.deliver_if_due(telemetry, places)
    if not decision.ask or not dotfile.is_writable(places.dotfile):
        return
    from askfirst.client import commands, prompt

    contract = telemetry.contract()
    if prompt.ask(contract, telemetry.env):
        dotfile.agree(places.dotfile, telemetry.version, contract, commands.today())
    else:
        commands.refuse(telemetry, places)


def is_in_front() -> bool:
    """Tell whether we may use the terminal that stdin is."""
    if sys.platform == "win32":
        return True
    try:
        # a job started with & would be stopped as soon as it touched the terminal
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # a terminal without job control
        return True
