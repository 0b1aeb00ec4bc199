"""The words behind `<tool> telemetry`, which a program's help needs at every start."""

# name -> what it does, for help texts; the first is what runs when none is named
COMMANDS = {
    "status": "Show whether usage data is shared, and why.",
    "on": "Agree to share usage data.",
    "off": "Stop sharing; delete the identifier and whatever is unsent.",
    "show": "Print what waits to be sent, and what the next event would be.",
    "log": "Print what was sent, and when.",
    "send": "Deliver what waits now, and wait for it.",
    "erase": "Stop sharing, and have everything that was collected from here deleted.",
}
ALIASES = {"--enable": "on", "--disable": "off"}  # the wolkenkit CLI's spelling


def is_command(words: "list[str]") -> bool:
    """Tell whether the words behind `telemetry` can only be meant for `Telemetry.run_command`.

    In programs without sub-commands it may be an argument.
    """
    return [word in COMMANDS or word in ALIASES for word in words if word != "--verbose"] == [True]
