"""The command line: `graphdet --help`. Heavy imports wait inside the command bodies."""

import codecs
import gc
import io
import sys
from collections.abc import Callable
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from graphdet import __version__
from graphdet.cli import (
    audit,
    casework,
    explore,
    federate,
    lab,
    live,
    look,
    models,
    neo4j,
    privacy,
    reports,
    service,
    serving,
    simulated,
    verbs,
)
from graphdet.cli.guard import buffer_stdout, catch_signals, explain_failure


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


class _Grouped(TyperGroup):
    """The commands of the help in groups, each with the first sentence of its own."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        commands = [command for command in self.commands.values() if not command.hidden]
        for group in _GROUPS:
            rows = [
                (str(command.name), _first_sentence(command.help or ""))
                for command in commands
                if getattr(command, "rich_help_panel", None) == group
            ]
            with formatter.section(group):
                formatter.write_dl(rows)


app = typer.Typer(
    name="graphdet",
    cls=_Grouped,
    context_settings={"max_content_width": 120},  # narrower where the terminal is
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


# Every command in the group that its help stands in, in the order of the work.
_GROUPS: dict[str, dict[str, Callable[..., None]]] = {
    "Find": {
        "run": verbs.run_command,
        "rings": verbs.rings_command,
        "score": verbs.score_command,
        "items": look.items_command,
        "watch": live.watch_command,
    },
    "Look": {
        "suspects": look.suspects,
        "leads": look.leads,
        "query": look.query,
        "eda": explore.eda_command,
        "power": explore.power_command,
        "scoreboard": look.scoreboard_command,
    },
    "Decide": {
        "review": service.review_command,
        "verdict": casework.verdict,
        "verdicts": casework.verdicts,
        "allow": casework.allow,
        "deny": casework.deny,
        "snooze": casework.snooze_command,
    },
    "Explain": {
        "report": reports.report_command,
        "brief": reports.brief_command,
        "explain": reports.explain_command,
        "reveal": reports.reveal_command,
    },
    "Learn": {
        "train": verbs.train_command,
        "evaluate": lab.evaluate_command,
        "tune": lab.tune_command,
        "suggest": lab.suggest_command,
        "audit-leakage": explore.audit_leakage_command,
    },
    "Serve": {
        "serve": service.serve_command,
        "mcp": service.mcp_command,
        "score-one": serving.score_one,
        "export": serving.export_command,
        "export-labels": look.export_labels_command,
    },
    "Data": {
        "init": explore.init_command,
        "ingest": verbs.ingest_command,
        "simulate": simulated.simulate_command,
        "forget": privacy.forget_command,
        "retention": privacy.retention_command,
        "pseudonym": privacy.pseudonym_command,
        "doctor": look.doctor,
    },
}
for _group, _commands in _GROUPS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_group)(_command)
app.add_typer(audit.app, rich_help_panel="Decide")
app.add_typer(models.app, rich_help_panel="Learn")
app.add_typer(federate.app, rich_help_panel="Learn")
app.add_typer(service.app, rich_help_panel="Serve")
app.add_typer(neo4j.app, rich_help_panel="Serve")


_SIMPLER = {"–": "-", "—": "-", "−": "-", "…": "...", "’": "'", "×": "x", "·": "-", "÷": "/", "\ufeff": ""}
_SIMPLER |= {"≥": ">=", "≤": "<=", "→": "->", "✓": "+", "\u2009": " ", "\u202f": " "}


def _as_can_be(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks: signs of print by simpler ones, everything else as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(
        _SIMPLER.get(c) or ("" if c in _SIMPLER else c.encode("ascii", "backslashreplace").decode())
        for c in lost
    ), error.end


def write_anywhere(stream: TextIO) -> None:
    """Have a stream take every character: a terminal in its own encoding, a file or a pipe in UTF-8.

    What a terminal cannot show, and lone halves of surrogate pairs, which no encoding has, are written as escapes.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return  # a notebook's or a test's, which takes everything
    codecs.register_error("graphdet", _as_can_be)
    stream.reconfigure(encoding=stream.encoding if stream.isatty() else "utf-8", errors="graphdet")


def main() -> None:
    """Run the command line and end with the contract's exit code."""
    for stream in (sys.stdout, sys.stderr):
        write_anywhere(stream)
    catch_signals()
    buffer_stdout()
    # What a command makes it keeps to its end; looking for cycles in it took a fifth of a report's time.
    gc.set_threshold(200_000, 20, 50)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # now, while what fails can still be told
    except BaseException as error:
        code = explain_failure(error)
        if code is None:
            raise
        sys.exit(code)
