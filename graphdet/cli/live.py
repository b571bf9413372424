"""graphdet watch: follow a log that grows."""

from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.errors import UsageError
from graphdet.units import DAY_MS, HOUR_MS

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


@guarded
def watch_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A growing file, a folder of them, or - for standard input.",
        ),
    ],
    config: options.ConfigName,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for rejects.csv and dead letters.")
    ],
    store: options.StoreUrl = None,
    window: Annotated[
        str, typer.Option("--window", metavar="SPAN", help="How far back rings are looked for.")
    ] = "30d",
    most_events: Annotated[
        int,
        typer.Option(
            "--most-events", metavar="N", help="The newest events of the window that are looked at.", min=1
        ),
    ] = 200_000,
    lateness: Annotated[
        str,
        typer.Option(
            "--lateness", metavar="SPAN", help="How much older than the newest an event may be that counts."
        ),
    ] = "1h",
    look_rows: Annotated[
        int, typer.Option("--look-rows", metavar="N", help="Look for rings after so many new events …", min=1)
    ] = 10_000,
    look_every: Annotated[
        str, typer.Option("--look-every", metavar="SPAN", help="… or after so long with any.")
    ] = "10s",
    once: Annotated[bool, typer.Option("--once", help="Take what is there, then stop.")] = False,
    until_idle: Annotated[
        str | None,
        typer.Option("--until-idle", metavar="SPAN", help="Stop after so long without a new line."),
    ] = None,
    alert: Annotated[
        list[str] | None,
        typer.Option(
            "--alert",
            metavar="TARGET",
            help="Where alerts go; may be given several times: stdout, file:PATH, https://…, slack+https://…, "
            "smtp://HOST:PORT?to=A&from=B, or env:NAME to read one of these from the environment.",
        ),
    ] = None,
    quiet: Annotated[
        str | None,
        typer.Option("--quiet", metavar="HH:MM-HH:MM", help="Hours (UTC) with alerts of high severity only."),
    ] = None,
    least: Annotated[
        str, typer.Option("--least", metavar="SEVERITY", help="Send no alerts below: low, medium, high.")
    ] = "low",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="A trained model, which scores users too; without, the shipped judge.",
        ),
    ] = None,
    fdr: options.Fdr = None,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    json: options.Json = False,
) -> None:
    """Follow SOURCE, keep the rings of its last days current in the store, and send alerts.

    Events, where the source stands and alerts change in one transaction: killed anywhere and started again, nothing is
    lost and nothing counted twice. Webhooks are signed with the key in GRAPHDET_ALERT_KEY. See docs/live.md."""
    from graphdet.cli import show
    from graphdet.config import load_config
    from graphdet.live.alerts import SEVERITIES
    from graphdet.live.watching import LiveSettings
    from graphdet.verbs.watch import WatchRequest, watch

    if least not in SEVERITIES:
        raise UsageError(f"--least {least}: give {', '.join(SEVERITIES)}")
    settings = load_config(config)
    request = WatchRequest(
        live=LiveSettings(
            window_ms=span_ms(window, "--window"),
            most_rows=most_events,
            lateness_ms=span_ms(lateness, "--lateness"),
            fdr=options.check_fdr(fdr),
            seed=seed,
            model_dir=options.model_folder(model) if model is not None else None,
            device=device.value,
        ),
        look_rows=look_rows,
        look_s=span_ms(look_every, "--look-every") / 1000,
        once=once,
        until_idle_s=None if until_idle is None else span_ms(until_idle, "--until-idle") / 1000,
        alerts=tuple(alert or ()),
        quiet=quiet,
        least=least,
        dry_run=dry_run,
    )
    with options.opened(store, create=True) as target:
        found = watch(source, settings, target, out, request, say)
    if json:
        show.print_json(found)
        return
    say(
        f"{found['n_events']:,} of {found['n_rows']:,} rows used, {found['n_rejects']:,} rejected, "
        f"{found['n_alerts']} alerts in all."
    )
