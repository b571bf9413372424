"""graphdet watch: follow a log that grows."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.errors import UsageError
from graphdet.units import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from graphdet.verbs.watch import WatchRequest

_SPANS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": HOUR_MS, "d": DAY_MS}


def span_ms(text: str, option: str) -> int:
    """Read a span of time, in milliseconds.

    Raises:
        UsageError: it is no number with a unit.

    >>> span_ms("30d", "--window"), span_ms("1.5h", "--window")
    (2592000000, 5400000)
    """
    number = text.strip().rstrip("mshd")
    unit = text.strip()[len(number) :]
    try:
        return round(float(number) * _SPANS_MS[unit])
    except (KeyError, ValueError, OverflowError):
        raise UsageError(
            f"{option} {text}: write a number and its unit (ms, s, m, h, d), such as 30d or 90s"
        ) from None


_Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A growing file, a folder of them, - for standard input, or kafka://HOST:PORT/TOPIC.",
    ),
]
_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for rejects.csv and dead letters.")]
WindowSpan = Annotated[
    str, typer.Option("--window", metavar="SPAN", help="How far back rings are looked for.")
]
MostEvents = Annotated[
    int,
    typer.Option("--most-events", metavar="N", help="Look at the newest N events of the window only.", min=1),
]
LatenessSpan = Annotated[
    str,
    typer.Option("--lateness", metavar="SPAN", help="How much older than the newest an event may be."),
]
LookRows = Annotated[
    int, typer.Option("--look-rows", metavar="N", help="Look for rings after N new events …", min=1)
]
LookEvery = Annotated[str, typer.Option("--look-every", metavar="SPAN", help="… or after so long with any.")]
_Once = Annotated[bool, typer.Option("--once", help="Take what is there, then stop.")]
_UntilIdle = Annotated[
    str | None, typer.Option("--until-idle", metavar="SPAN", help="Stop after so long without a new line.")
]
AlertTargets = Annotated[
    list[str] | None,
    typer.Option(
        "--alert",
        metavar="TARGET",
        help="Where alerts go; may be given several times: stdout, file:PATH, https://…, slack+https://…, "
        "smtp://HOST:PORT?to=A&from=B, or env:NAME to read one of these from the environment.",
    ),
]
QuietSpan = Annotated[
    str | None,
    typer.Option("--quiet", metavar="HH:MM-HH:MM", help="Hours (UTC) with alerts of high severity only."),
]
LeastSeverity = Annotated[
    str, typer.Option("--least", metavar="SEVERITY", help="Send no alerts below: low, medium, high.")
]
DryRunAlerts = Annotated[
    bool, typer.Option("--dry-run", help="Say which alerts would be sent, and send none.")
]
WatchModel = Annotated[
    Path | None,
    typer.Option(
        "--model", metavar="DIR", help="A trained model, which scores users too; without, the shipped judge."
    ),
]


def watch_request(given: Mapping[str, Any]) -> "WatchRequest":
    """How to watch, by the options that `watch` and `serve` share; given: their values by name.

    Raises:
        UsageError: one is out of range.
    """
    from graphdet.live.looking import LiveSettings
    from graphdet.store import NEO4J_SCHEMES
    from graphdet.verbs.watch import WatchRequest

    if (given["store"] or "").partition(":")[0].lower() in NEO4J_SCHEMES:
        raise UsageError(
            "watching changes events, positions and alerts in one transaction, which needs a DuckDB store: "
            "--store duckdb:PATH"
        )
    model = None if given["model"] is None else options.model_folder(given["model"])
    live = LiveSettings(
        span_ms(given["window"], "--window"), given["most_events"], span_ms(given["lateness"], "--lateness"),
        options.check_fdr(given["fdr"]), given["seed"], model, given["device"].value,
    )  # fmt: skip
    return WatchRequest(
        live, given["look_rows"], span_ms(given["look_every"], "--look-every") / 1000,
        alerts=tuple(given["alert"] or ()), quiet=given["quiet"], least=given["least"], dry_run=given["dry_run"],
    )  # fmt: skip


@guarded
def watch_command(
    source: _Source,
    config: options.GivenConfig,
    out: _Out,
    store: options.StoreUrl = None,
    window: WindowSpan = "30d",
    most_events: MostEvents = 200_000,
    lateness: LatenessSpan = "1h",
    look_rows: LookRows = 10_000,
    look_every: LookEvery = "1s",
    once: _Once = False,
    until_idle: _UntilIdle = None,
    alert: AlertTargets = None,
    quiet: QuietSpan = None,
    least: LeastSeverity = "low",
    dry_run: DryRunAlerts = False,
    model: WatchModel = None,
    fdr: options.Fdr = None,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    json: options.Json = False,
) -> None:
    """Follow SOURCE, keep the rings of its last days current in the store, and send alerts.

    Events, where the source stands and alerts change in one transaction: killed anywhere and started again, nothing is
    lost and nothing counted twice. Webhooks are signed with the key in GRAPHDET_ALERT_KEY."""
    from graphdet.cli import show
    from graphdet.config import load_config
    from graphdet.verbs.watch import watch

    if json and "stdout" in (alert or ()):
        raise UsageError("--json and --alert stdout both write to standard output; send alerts to file:PATH")
    request = replace(
        watch_request(locals()), once=once,
        until_idle_s=None if until_idle is None else span_ms(until_idle, "--until-idle") / 1000,
    )  # fmt: skip
    with options.opened(store, create=True) as target:
        found = watch(source, load_config(config), target, out, request, say)
    used = f"{found['n_events']:,} of {found['n_rows']:,} rows used, {found['n_rejects']:,} rejected"
    if json:
        show.print_json(found)
    else:
        say(f"{used}, {found['n_alerts']} alerts in all.")
