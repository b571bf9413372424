"""graphdet init: what a log seems to be, as a config to correct.

graphdet eda: look at a log before anything is learned from it.

graphdet power: which rings would be found in a log, before anybody is accused.

graphdet audit-leakage: does the future, or a label, reach where it must not?
"""

import shlex
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphdet.cli import options, splits
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import GraphdetError


@guarded
def init_command(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="The log, or one of its files.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The config to write [default: LOG's name .toml]."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; take the best guess and say so.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a config that is there.")] = False,
    json: options.Json = False,
) -> None:
    """Look at LOG and write a config for it, with comments; show its first rows as they are understood.

    Only what cannot be known is asked, on a terminal. A log with columns such as user_id, item_id and timestamp needs
    no config.
    """
    from graphdet.cli import show
    from graphdet.verbs.init import init

    target = out or Path(Path(log).name.partition(".")[0] + ".toml")
    found = init(log, target, ask=None if yes or json or not sys.stdin.isatty() else _ask, force=force)
    if json:
        show.print_json({**vars(found), "path": str(target)})
        return
    if found.rows:
        print("The first rows, as they are understood:")
        show.print_rows(
            [(name, False) for name in found.rows[0]], (tuple(row.values()) for row in found.rows)
        )
        print()
    print(f"Of the first {found.n_rows:,} rows {found.n_used:,} can be used.")
    for reason, n in found.not_used.items():
        print(f"  {n:,}: {reason}")
    for key, doubt in found.unsure.items():
        print(f"Check {key}: {doubt}.")
    print(
        f"Config: {target}. Next: graphdet run {shlex.quote(log)} --config {shlex.quote(str(target))} --out findings"
    )


def _ask(question: str, best: str, allowed: Sequence[str]) -> str:
    """Ask until the answer is allowed; what is allowed is shown."""
    if allowed:
        say(f"Columns: {', '.join(allowed)}")
    while True:
        answer = str(typer.prompt(question, default=best or None, err=True)).strip()
        if not allowed or answer in allowed:
            return answer
        say(f"{answer!r} is none of them.")


@guarded
def eda_command(
    logs: options.Logs,
    out: Annotated[
        Path,
        typer.Option("--out", readable=False, metavar="DIR", help="Folder for the page, JSON and tables."),
    ],
    config: options.ConfigName = None,
    labels: options.LabelFileOption = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Look at LOGs before anything is learned: one page with counts, distributions, outliers and drift.

    Nothing is kept but DIR. With --labels it also says which features tell fraud from clean.
    """
    from graphdet.cli import show

    settings = options.settings_of(logs, config)
    from graphdet.verbs.eda import eda as look

    document = look(logs, settings, out, labels=labels, seed=seed, progress=make_progress())
    for warning in document["warnings"]:
        say(f"Warning: {warning}")
    if json:
        show.print_json(document)
        return
    from graphdet.words import visible

    for line in document["findings"]:
        print(f"  {visible(line)}")
    print(f"The page: {out / 'eda.html'}")


@guarded
def power_command(
    logs: options.Logs,
    out: Annotated[
        Path,
        typer.Option("--out", readable=False, metavar="DIR", help="Folder for the page, table and JSON."),
    ],
    config: options.ConfigName = None,
    store: options.StoreUrl = None,
    fdr: options.Fdr = None,
    copies: Annotated[
        int | None,
        typer.Option(
            "--copies",
            min=1,
            metavar="N",
            help="Copies of the log to plant rings into [default: 3 of a large log, 12 of a small one].",
        ),
    ] = None,
    adversary: Annotated[
        bool,
        typer.Option(
            "--adversary",
            help="Search for the attacker's best answer instead: what stays unseen at which yield.",
        ),
    ] = False,
    accounts: Annotated[
        int, typer.Option("--accounts", min=3, metavar="N", help="With --adversary: accounts he has.")
    ] = 40,
    targets: Annotated[
        int, typer.Option("--targets", min=1, metavar="N", help="With --adversary: targets at most.")
    ] = 10,
    tries: Annotated[
        int,
        typer.Option("--tries", min=1, metavar="N", help="With --adversary: tactics drawn for each yield."),
    ] = 24,
    time_limit: Annotated[
        str | None,
        typer.Option(
            "--time-limit",
            metavar="SPAN",
            help="With --adversary: end the search so that all takes about as long.",
        ),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Say which rings would be found in LOGs, how small and how slow, and what would go unseen.

    Rings of many sizes are planted into copies of the log and looked for. With --adversary the attacker chooses:
    tactics are drawn over all knobs of the simulator, the most visible are dropped, the best are measured on new
    copies, and again after one training on them.
    """
    level = options.check_fdr(fdr)
    from graphdet.cli import show

    settings = options.settings_of(logs, config)
    from graphdet.verbs.power import PowerRequest
    from graphdet.verbs.power import adversary as search
    from graphdet.verbs.power import power as measure

    if adversary:
        from graphdet.cli.live import span_ms
        from graphdet.lab.adversary import Means

        limit_s = None if time_limit is None else span_ms(time_limit, "--time-limit") / 1000
        means = Means(accounts, targets, tries=tries, limit_s=limit_s)
        document = search(logs, settings, out, PowerRequest(store, level, seed=seed), means, make_progress())
        if json:
            show.print_json(document)
            return
        print(document["headline"])
        for line in document["says"]:
            print(f"  {line}")
        print(f"The picture: {out / 'adversary.html'}")
        return
    document = measure(logs, settings, out, PowerRequest(store, level, copies, seed), make_progress())
    if json:
        show.print_json(document)
        return
    print(document["headline"])
    for line in (*document["found"], *document["unseen"]):
        print(f"  {line}")
    print(f"The picture: {out / 'power.html'}")


if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphdet.ports import Store


@guarded
def audit_leakage_command(
    labels: Annotated[Path, typer.Option("--labels", metavar="FILE", help="Labels, as for graphdet train.")],
    logs: Annotated[
        list[str] | None, typer.Argument(metavar="[LOG…]", help="Log files; or name a store.")
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="NAME|PATH", help="What the columns of LOG mean.")
    ] = None,
    store: options.StoreUrl = None,
    split: splits.SplitOption = splits.SplitKind.temporal,
    train_until: splits.TrainUntil = None,
    delay_days: splits.DelayDays = None,
    test_from: splits.TestFrom = None,
    test_until: splits.TestUntil = None,
    test_share: splits.TestShare = 0.3,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Prove on your data that neither the future nor a label reaches where it must not.

    Future events are injected, labels permuted, and single labels turned over. Users are judged by all of the log: of
    their labels there is no future to inject, and no split. Ends with 1 when a check fails.
    """
    plan = splits.plan_of(split, train_until, delay_days, test_from, test_until, test_share)
    from graphdet.cli import show
    from graphdet.lab.leakage import audit_leakage as audit
    from graphdet.logs.labels import read_labels

    given = read_labels(labels)
    with _source(logs or [], config, store) as source:
        if given.key == "user_id":
            from graphdet.lab.leakage_users import audit_user_labels

            checks = audit_user_labels(source, given, seed=seed, progress=make_progress())
        else:
            checks = audit(source, given, plan=plan, seed=seed, progress=make_progress())
    if json:
        show.print_json(
            {"passed": all(c.passed for c in checks), "checks": [vars(check) for check in checks]}
        )
    else:
        columns = (("check", False), ("", False), ("numbers", False))
        show.print_rows(columns, ((c.name, "pass" if c.passed else "FAIL", c.numbers) for c in checks))
    failed = [check.name for check in checks if not check.passed]
    if failed:
        raise GraphdetError(f"leakage: {'; '.join(failed)}: no. Do not trust figures of this model")


@contextmanager
def _source(logs: list[str], config: str | None, url: str | None) -> "Iterator[Store]":
    """The store named, or one of the logs in a folder that goes away."""
    if not logs:
        with options.opened(url, read_only=True) as store:
            yield store
        return
    import tempfile

    from graphdet.store import open_store
    from graphdet.verbs.ingest import ingest

    with tempfile.TemporaryDirectory(prefix="graphdet-") as folder:
        made = open_store(f"duckdb:{folder}/log.duckdb")
        try:
            ingest(made, logs, options.settings_of(logs, config), progress=make_progress())
            yield made
        finally:
            made.close()
