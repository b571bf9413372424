"""graphdet forget, retention and pseudonym: privacy at home."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, who
from graphdet.cli.guard import guarded, say
from graphdet.errors import UsageError

if TYPE_CHECKING:
    from graphdet.config import Retention

MOST_PRINTED = 20
Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--in",
        metavar="DIR",
        help="Another output folder to look through, beside those that the store knows; may be given several times.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")]


@guarded
def forget_command(
    users: Annotated[
        list[str], typer.Argument(metavar="USER…", help="Accounts, as their ids stand in the store.")
    ],
    store: options.StoreUrl = None,
    folders: Folders = None,
    as_items: Annotated[
        bool,
        typer.Option(
            "--as-items", help="The ids are items too, as in logs of friends; of payees that is known."
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Say whether each was forgotten, when and by whom; exit code 1: one was not."
        ),
    ] = False,
    dry_run: DryRunOption = False,
    by: By = None,
    json: options.Json = False,
) -> None:
    """Forget accounts: events, sessions, links, scores, memberships and verdicts, in the store and in output folders.

    The audit log keeps a proof without the ids, its chain holds, and a log that is read again does not bring them back.
    What a program cannot change, such as PDFs, is named for you to remove.
    """
    from graphdet.cli import show
    from graphdet.verbs.forget import forget

    if check:
        _check(store, users, json)
        return
    with options.opened(store) as target:
        done = forget(
            target, users, who(by), folders=tuple(folders or ()), as_items=as_items, dry_run=dry_run
        )
    if json:
        from dataclasses import asdict

        show.print_json(asdict(done))
        return
    went = (("gone" if not dry_run else "would go", False), ("", True))
    counts = [
        *done.removed.items(),
        ("audit entries redacted", done.audit_entries),
        ("files changed", len(done.changed)),
    ]
    show.print_rows(went, ((name, f"{n:,}") for name, n in counts))
    if done.by_hand:
        print(f"\nFor you to remove, {len(done.by_hand)} in all:")
        for path, why in done.by_hand[:MOST_PRINTED]:
            print(f"  {path}: {why}")
    if not done.folders:
        say("No output folder is known; name them with --in.")
    if done.head is not None and not dry_run:
        print(f"Audit log head: {done.head}")


def _check(store: str | None, users: list[str], json: bool) -> None:
    """Print the proofs; ends with exit code 1 where there is none."""
    from graphdet.cli import show
    from graphdet.verbs.forget import was_forgotten

    with options.opened(store, read_only=True) as source:
        proofs = {user: was_forgotten(source, user) for user in users}
    if json:
        show.print_json({user: None if proof is None else vars(proof) for user, proof in proofs.items()})
    else:
        columns = (("user", False), ("forgotten", False), ("by", False), ("audit entry", True))
        rows = (
            (user, "no", "", "") if proof is None else (user, proof.at[:19], proof.who, str(proof.seq))
            for user, proof in proofs.items()
        )
        show.print_rows(columns, rows)
    if any(proof is None for proof in proofs.values()):
        raise typer.Exit(1)


@guarded
def retention_command(
    store: options.StoreUrl = None,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="NAME|PATH", help="A config whose [retention] says how long."),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="events, rejects, findings, verdicts or snapshots (pages and tables in output folders); may be given "
            "several times.",
        ),
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="With --kind: an age such as 180d.")
    ] = None,
    folders: Folders = None,
    dry_run: DryRunOption = False,
    by: By = None,
    json: options.Json = False,
) -> None:
    """Remove what is past its time: events, rejects, findings, verdicts, snapshots, by the config or by --older-than.

    Without --dry-run it is gone for good; it is noted in the audit log. run and watch do the same when their config has
    [retention].
    """
    from graphdet.cli import show
    from graphdet.verbs.forget import as_json, retention, retention_lines

    wanted = _wanted(config, kinds or [], older_than)
    with options.opened(store) as target:
        done = retention(target, wanted, who(by), folders=tuple(folders or ()), dry_run=dry_run)
    if json:
        show.print_json({"retention": as_json(done)})
        return
    for line in retention_lines(done) or ["Nothing is past its time."]:
        print(line[:1].upper() + line[1:])
    for one in done:
        for path in one.files[:MOST_PRINTED]:
            print(f"  {path}")


def _wanted(config: str | None, kinds: list[str], older_than: str | None) -> "Retention":
    """How long what is kept: by the config, or of the kinds given.

    Raises:
        UsageError: neither or both are given, an unknown kind, or an age that is none.
    """
    from graphdet.config import Retention, load_config
    from graphdet.verbs.forget import RETENTION_KINDS

    if (config is None) == (older_than is None):
        raise UsageError("give --config, whose [retention] says how long, or --kind KIND --older-than AGE")
    if older_than is None:
        wanted = load_config(config or "").retention
        if kinds:
            _check_kinds(kinds, RETENTION_KINDS)
            wanted = Retention(**{f"{kind}_days": getattr(wanted, f"{kind}_days") for kind in kinds})
        if wanted == Retention():
            raise UsageError(
                f"the config {config} has no [retention] for this; add for example events_days = 365"
            )
        return wanted
    if not kinds:
        raise UsageError(f"--older-than needs --kind: {', '.join(RETENTION_KINDS)}")
    _check_kinds(kinds, RETENTION_KINDS)
    from graphdet.cli.live import span_ms
    from graphdet.units import DAY_MS

    days = span_ms(older_than, "--older-than") / DAY_MS
    return Retention(**dict.fromkeys((f"{kind}_days" for kind in kinds), days))


def _check_kinds(kinds: list[str], known: tuple[str, ...]) -> None:
    for kind in kinds:
        if kind not in known:
            raise UsageError(f"--kind {kind}: give {', '.join(known)}")


@guarded
def pseudonym_command(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID…]", help="Ids as the log has them; - reads them from stdin."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", metavar="FILE", envvar="GRAPHDET_KEY_FILE", help="The key of [privacy] key_file."
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="NAME", help="What the ids are, as [privacy] pseudonyms names it."),
    ] = "user_id",
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make the key, in a file that only you can read.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Print the pseudonyms that stand in a store for IDs, when the log is read with [privacy] pseudonyms.

    One a line, in the order given. There is no way back but to try ids: keep the key where the store is not.
    """
    import sys

    from graphdet.casework.disclosure import make_key
    from graphdet.cli import show
    from graphdet.privacy import pseudonym, read_key_file

    if key is None:
        raise UsageError("name the file of the key: --key FILE, or GRAPHDET_KEY_FILE; --new-key makes one")
    if new_key:
        say(f"New key: {make_key(key, '')}. Keep it: without it no id of the store can be looked up.")
    secret = read_key_file(key)
    given = [line.rstrip("\r\n") for line in sys.stdin] if ids == ["-"] else list(ids or ())
    if not given and not new_key:
        raise UsageError("give ids, or - to read them from stdin")
    found = [(text, pseudonym(secret, kind, text)) for text in given]
    if json:
        show.print_json({"kind": kind, "pseudonyms": dict(found)})
        return
    for _, name in found:
        print(name)
