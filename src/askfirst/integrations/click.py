"""`instrument(cli, telemetry)` for a click command or group."""

import click

from askfirst.integrations.click_tree import Framework, observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from askfirst import Telemetry


def instrument(cli: click.Command, telemetry: "Telemetry") -> None:
    """Make a click program ask first and record what its contract allows.

    `cli` is the root: a group, of which groups in groups are named `db migrate`, or one command,
    which is named by its own name.
    """
    observe(cli, telemetry, _CLICK)


def _flag(
    option: str, text: str, remember: "Callable[[click.Context], None] | None"
) -> click.Option:
    if remember is None:
        return click.Option([option], is_flag=True, help=text)

    def callback(ctx: click.Context, _: click.Parameter, given: bool) -> None:
        if given:
            remember(ctx)

    return click.Option([option], is_flag=True, expose_value=False, callback=callback, help=text)


_CLICK = Framework(
    group=click.Group, command=click.Command, ended=click.exceptions.Exit, flag=_flag
)
