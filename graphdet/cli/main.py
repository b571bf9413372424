"""The command line: `graphdet --help`. Heavy imports wait inside the command bodies."""

import gc
import sys
from typing import Annotated

import typer

from graphdet import __version__
from graphdet.cli import audit, explore, look, models, neo4j, serving, simulated, verbs
from graphdet.cli import casework as lists
from graphdet.cli import casework as verdicts
from graphdet.cli import explore as foresight
from graphdet.cli import explore as leakage
from graphdet.cli import lab as assess
from graphdet.cli import lab as learning
from graphdet.cli import look as scanning
from graphdet.cli import reports as explaining
from graphdet.cli import reports as reporting
from graphdet.cli.guard import catch_signals, explain

app = typer.Typer(
    name="graphdet",
    help="Find coordinated click-farming and fraud rings in behaviour logs.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage or config, 3 input unusable, 4 store unreachable.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: half the start-up time, and it can be piped
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"graphdet {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    """Find coordinated click-farming and fraud rings in behaviour logs."""


for _command in (
    verbs.run,
    verbs.ingest,
    verbs.train,
    verbs.score,
    verbs.rings,
    scanning.items,
    reporting.report,
    reporting.reveal,
    explaining.explain,
    assess.evaluate,
    learning.tune,
    learning.suggest,
    serving.export,
    serving.score_one,
    look.suspects,
    look.query,
    verdicts.verdict,
    verdicts.verdicts,
    lists.allow,
    lists.deny,
    lists.snooze,
    explore.eda,
    foresight.power,
    leakage.audit_leakage,
    simulated.simulate,
    look.doctor,
):
    app.command()(_command)
app.add_typer(audit.app)
app.add_typer(models.app)
app.add_typer(neo4j.app)


def main() -> None:
    """Run the command line and end with the contract's exit code."""
    catch_signals()
    # What a command makes it keeps to its end; looking for cycles in it took a fifth of a report's time.
    gc.set_threshold(200_000, 20, 50)
    try:
        app()
    except BaseException as error:
        code = explain(error)
        if code is None:
            raise
        sys.exit(code)
