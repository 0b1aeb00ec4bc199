"""May we send, and may we ask? One pure function; nothing else reads these signals.

Unknown means off.
"""

from askfirst.contract.version import is_newer, precedence
from askfirst.usual import CI_VARIABLES, forbids

__all__ = ["CI_VARIABLES", "REASONS", "Decision", "decide"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from askfirst.client.dotfile import Dotfile

# What each reason means, for `telemetry status`.
REASONS = {
    "ci": "this looks like a CI machine ({detail} is set)",
    "do-not-track": "DO_NOT_TRACK is set",
    "variable": "{detail} turns it off",
    "log": "{detail}=log prints events and sends none",
    "no-home": "there is no home folder of yours to keep an answer in",
    "unreadable": "the file with your answer cannot be read, so it counts as No",
    "erasing": "you asked to be forgotten, and the collector has not confirmed it yet",
    "revoked": "you turned it off",
    "refused": "you said No",
    "refused-earlier": "you said No to an earlier version",
    "never-asked": "you have not been asked yet",
    "wider": "this version would collect more than you agreed to: {detail}",
    "agreed": "you said Yes",
}


class Decision:
    """Whether events may be sent, whether to ask first, and why.

    `log`: print them instead. `reason` is a key of REASONS, `detail` fills its gap.
    """

    __slots__ = ("ask", "detail", "log", "reason", "send")

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        send: bool = False,
        ask: bool = False,
        log: bool = False,
    ) -> None:
        self.send = send
        self.ask = ask
        self.log = log
        self.reason = reason
        self.detail = detail

    def explain(self) -> str:
        """Return the reason as half a sentence."""
        return REASONS[self.reason].format(detail=self.detail)


def decide(
    dotfile: "Dotfile | None",
    *,
    tool: str,
    version: str,
    collects_more: "Callable[[dict[str, object]], list[str]]",
    env: "Mapping[str, str]",
    terminal: bool,
) -> Decision:
    """Decide from the answers on file, the version that runs, its contract and the environment.

    `dotfile` is None where none can be kept. `collects_more` says in words what the contract
    collects beyond an answer. `terminal`: stdin and stderr are terminals.
    """
    stop = forbids(tool, env)
    if stop is not None:
        reason, variable = stop
        return Decision(reason, variable, log=reason == "log")
    if dotfile is None:
        return Decision("no-home")
    if dotfile.status == "unreadable":
        return Decision("unreadable")
    if dotfile.erasing:
        return Decision("erasing")
    decision = _answers(dotfile, version, collects_more)
    decision.ask = decision.ask and terminal
    return decision


def _answers(
    dotfile: "Dotfile",
    version: str,
    collects_more: "Callable[[dict[str, object]], list[str]]",
) -> Decision:
    """Decide from the answers alone, as if there were somebody to ask."""
    answers = dotfile.answers
    own = answers.get(version)
    latest = _latest(answers)
    if own is not None and own["sendTelemetry"] is not True:
        return Decision("revoked" if own.get("revoked") else "refused")
    newest = answers[latest] if latest else own
    if newest is None:
        return Decision("never-asked", ask=True)
    if newest["sendTelemetry"] is not True:
        if newest.get("revoked"):
            return Decision("revoked")
        return Decision("refused-earlier", ask=is_newer(version, latest))
    if not dotfile.installation:
        return Decision("never-asked", ask=True)  # a Yes whose UUID somebody took out
    more = collects_more(newest)
    if more and own is not None:
        more = collects_more(own)
    if more:
        return Decision("wider", ", ".join(more), ask=True)
    return Decision("agreed", send=True)


def _latest(answers: "dict[str, dict[str, object]]") -> str:
    """Return the answered version of highest precedence; else one that was revoked; else ''."""
    known = [(precedence(text) or (), text, answer) for text, answer in answers.items()]
    off = [row[:2] for row in known if row[2].get("revoked") and not row[2]["sendTelemetry"]]
    return max([row[:2] for row in known if row[0]] or off or [((), "")])[1]
