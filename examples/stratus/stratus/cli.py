"""The command `stratus`."""

import sys
from pathlib import Path

import click

from askfirst import Telemetry
from askfirst.integrations.click import instrument
from stratus import __version__
from stratus.manifest import FILE, Manifest, read_manifest, write_starter
from stratus.supervisor import Supervisor

telemetry = Telemetry.from_contract(Path(__file__).with_name("telemetry.toml"), version=__version__)

NOT_RUNNING = 3  # what systemctl status answers

env_option = click.option("--env", default="default", metavar="NAME", help="The environment.")
verbose_option = click.option(
    "--verbose", is_flag=True, help="Say more, and what telemetry queues."
)


@click.group()
@click.version_option(__version__, prog_name="stratus")
def cli() -> None:
    """Run the processes that an application declares in its stratus.json."""


@cli.command()
@click.argument("name", required=False)
@verbose_option
def init(name: str | None, *, verbose: bool) -> None:
    """Write a stratus.json to begin with. NAME defaults to the folder's name."""
    folder = Path.cwd()
    write_starter(folder.name.lower() if name is None else name)
    if verbose:
        click.echo(f"written to {folder / FILE}", err=True)
    click.echo(f"Created {FILE}. Run `stratus start` next.")


@cli.command()
@env_option
@verbose_option
def start(env: str, *, verbose: bool) -> None:
    """Start what is declared and does not run yet."""
    processes = open_application(env).processes(env)
    supervise(env, verbose=verbose).start(processes)


@cli.command()
@env_option
@verbose_option
def stop(env: str, *, verbose: bool) -> None:
    """Stop everything that was started."""
    manifest = open_application(env)
    supervisor = supervise(env, verbose=verbose)
    if not supervisor.names():  # an environment that left the manifest can still be stopped
        manifest.processes(env)
    supervisor.stop()


@cli.command()
@env_option
@verbose_option
def restart(env: str, *, verbose: bool) -> None:
    """Stop everything, then start what is declared."""
    processes = open_application(env).processes(env)
    supervise(env, verbose=verbose).restart(processes)


@cli.command()
@env_option
@verbose_option
def reload(env: str, *, verbose: bool) -> None:
    """Follow a changed manifest. What did not change keeps running."""
    processes = open_application(env).processes(env)
    supervise(env, verbose=verbose).reload(processes)


@cli.command()
@env_option
@verbose_option
@click.pass_context
def status(ctx: click.Context, env: str, *, verbose: bool) -> None:
    """Show what runs. Exits with 0 if everything does, with 3 if not."""
    processes = open_application(env).processes(env)
    supervisor = supervise(env, verbose=verbose)
    names = sorted({*processes, *supervisor.names()})
    states = {name: supervisor.state(name, processes) for name in names}
    for columns in [("PROCESS", "PID", "STATE"), *((name, *states[name]) for name in names)]:
        click.echo("{:<20} {:>8}  {}".format(*columns))
    for name in names:
        supervisor.detail(f"{name}: output in {supervisor.log_file(name)}")
    if not all(states[name][1].startswith("running") for name in processes):
        ctx.exit(NOT_RUNNING)


def open_application(env: str) -> Manifest:
    """Read the manifest, and tell telemetry what this command is about."""
    manifest = read_manifest()
    telemetry.set(
        {
            "application.name": manifest.application,
            "application.env": env,
            "runtime": manifest.runtime,
        }
    )
    return manifest


def supervise(env: str, *, verbose: bool) -> Supervisor:
    """The environment's supervisor, talking to this terminal."""

    def detail(text: str) -> None:
        if verbose:
            click.echo(text, err=True)

    return Supervisor(env, say=click.echo, detail=detail)


def main() -> None:
    """Run the CLI; whatever the file system refuses becomes one line, too."""
    try:
        cli(prog_name="stratus")
    except OSError as error:
        sys.exit(f"Error: {error}. Check who owns the files in this folder and its free space.")


instrument(cli, telemetry)  # the one line
