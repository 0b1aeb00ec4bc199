"""The one place where the client's own failures end: silent for users, raised for its authors."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


def guarded(method: "Callable[P, R]") -> "Callable[P, R | None]":
    """Wrap a method of an object that has `strict`: when that is false, failures return None.

    KeyboardInterrupt and SystemExit pass: they are the host program's, not ours.
    """

    def safely(*args: "P.args", **kwargs: "P.kwargs") -> "R | None":
        try:
            return method(*args, **kwargs)
        except Exception:
            if getattr(args[0], "strict", False):
                raise
            return None

    safely.__name__ = method.__name__
    safely.__qualname__ = method.__qualname__
    safely.__doc__ = method.__doc__
    return safely
