# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel``: its commands, and how each error becomes a message and an exit code."""

import signal
import sys
import traceback
from importlib import import_module

import click

from vhostaccel import __version__, errors

_COMMANDS = {
    "doctor": "doctor:doctor",
    "flood-test": "runs:flood_test",
    "tcp-test": "tcp:tcp_test",
    "run": "runs:run",
    "report": "runs:report",
    "lab": "lab:lab",
    "kmod": "kmod:kmod",
    "guard": "guard:guard",
    "attach": "attach:attach",
    "detach": "attach:detach",
    "list": "attach:list_leases",
    "watch": "watch:watch",
    "libvirt": "libvirt:libvirt",
}
"""Where each command is, below ``vhostaccel.cli``."""


class _Commands(click.Group):
    """The commands, each imported when it is asked for.

    On a host that is flooded, what the others need would cost seconds.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"vhostaccel.cli.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not ctx.resilient_parsing:
            # click would look for the one meant among commands that it has.
            raise click.NoSuchCommand(args[0], possibilities=_COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Keep a flooded host from starving its virtual machines.

    Exit codes: 0 passed, 1 a verdict failed, 2 usage or scenario file, 3 the lab could
    not be provided, 4 skipped, 130 interrupted, 70 our bug.
    """


def main() -> None:
    """Entry point of the console script."""
    # A polite kill tidies up like Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_status())


def _status() -> int:
    try:
        status = cli.main(standalone_mode=False)
    except errors.VhostAccelError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return errors.EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; everything that was started is ended", err=True)
        return errors.EXIT_INTERRUPTED
    except Exception:
        traceback.print_exc()
        click.echo("error: this is our bug; please report what is above", err=True)
        return errors.EXIT_BUG
    return status if isinstance(status, int) else errors.EXIT_PASSED
