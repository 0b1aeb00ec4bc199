"""Telemetry for command-line tools that asks first.

The public face is lazy: importing :mod:`askfirst` loads nothing else, so that a
command-line tool pays only for what it uses.
"""

__all__ = ["Contract", "ContractError", "Telemetry", "__version__"]
__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from askfirst.client import Telemetry
    from askfirst.contract.model import Contract, ContractError


def __getattr__(name: str) -> object:
    """Import the public names where they are first used (PEP 562)."""
    if name == "Telemetry":
        from askfirst.client import Telemetry

        return Telemetry
    if name == "Contract":
        from askfirst.contract.model import Contract

        return Contract
    if name == "ContractError":
        from askfirst.contract.model import ContractError

        return ContractError
    raise AttributeError(f"module 'askfirst' has no attribute {name!r}")
