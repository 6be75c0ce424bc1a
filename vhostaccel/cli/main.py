# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel``: its commands, and how each error becomes a message and an exit code."""

import signal
import sys
import traceback

import click

from vhostaccel import __version__, errors
from vhostaccel.cli.doctor import doctor
from vhostaccel.cli.lab import lab
from vhostaccel.cli.runs import flood_test, report, run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Keep a flooded host from starving its virtual machines.

    Exit codes: 0 passed, 1 a verdict failed, 2 usage or scenario file, 3 the lab could
    not be provided, 4 skipped, 130 interrupted, 70 our bug.
    """


for command in (doctor, flood_test, run, report, lab):
    cli.add_command(command)


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
