"""The command `supplytwin`: one line of error with the way out, exit codes that mean something.

0 = done · 1 = a check found something (doctor, topics check, a broken hash) · 2 = cannot be done as
asked · 75 = temporary failure, start me again.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from supplytwin.schemas.errors import FatalError, RecordError, TransientError, UsageError
from supplytwin.streams import (
    cli_carbon,
    cli_carbon_export,
    cli_carbon_report,
    cli_carbon_restate,
    cli_carbon_validate,
    cli_check,
    cli_contract,
    cli_export,
    cli_feed,
    cli_keys,
    cli_look,
    cli_run,
    cli_settlement,
    cli_times,
    observe,
)
from supplytwin.streams.children import RESTART
from supplytwin.streams.cli_look import twin_app
from supplytwin.streams.drawing import Plain

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="An event-streaming digital twin of supply chains.",
)


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="Settings file (default: ./supplytwin.toml if there is one)."),
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Options of every command."""
    observe.configure_logging("warning")  # standard output is for results; services say more
    context.obj = cli_run.Context(config=config, debug=debug)


cli_run.add(app)
cli_feed.add(app)
cli_look.add(app)
cli_times.add()
cli_check.add(app)
cli_contract.add(app)
cli_keys.add(app)
cli_export.add(twin_app)
cli_carbon.add(app)
cli_carbon_validate.add(cli_carbon.carbon_app)
cli_carbon_report.add(cli_carbon.carbon_app)
cli_carbon_restate.add(cli_carbon.carbon_app)
cli_carbon_export.add(cli_carbon.carbon_app)
cli_settlement.add(app)


def main() -> None:
    """Entry point: runs the app and turns our errors into one line and an exit code."""
    debug = "--debug" in sys.argv or bool(os.environ.get("SUPPLYTWIN_DEBUG"))
    try:
        app()
    except (UsageError, RecordError) as error:
        code, text = 2, str(error)
        failure: BaseException = error
    except (FatalError, TransientError) as error:
        code, text, failure = RESTART, str(error), error
    except KeyboardInterrupt as error:
        code, text, failure = 130, "interrupted", error
    except OSError as error:
        code, text, failure = 2, f"{error.filename or 'system'}: {error.strerror or error}", error
    else:
        return
    if debug:
        raise failure
    Plain(stderr=True).print(f"error: {text}")
    sys.exit(code)


if __name__ == "__main__":
    main()
