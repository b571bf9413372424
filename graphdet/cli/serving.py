"""graphdet export and score-one: scoring accounts without torch."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import GraphdetError, InputError, UsageError
from graphdet.serving.packing import Form, Precision


@guarded
def export_command(
    model: options.ModelDir,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the exported model.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="plain: read by score-one. onnx: also gnn.onnx. student: trees that learned the network's logits.",
        ),
    ] = Form.plain,
    weights: Annotated[
        Precision, typer.Option("--weights", help="How the weights of plain are stored.")
    ] = Precision.float32,
    store: options.StoreUrl = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Write a trained model of users so that it scores without torch.

    With --store, what is lost is measured on that log: of a student on accounts that it has not learned from.
    ONNX needs the extra `onnx`."""
    from graphdet.cli import show
    from graphdet.verbs.export import export as write

    folder = options.model_folder(model)
    with options.opened(store, read_only=True) if store else nullcontext() as source:
        found = write(
            folder, out, form=form, precision=weights, store=source, seed=seed,
            progress=make_progress(),
        )  # fmt: skip
    if json:
        show.print_json(found)
        return
    rows = [(name, f"{size:,}") for name, size in found["files"].items()]
    show.print_rows((("file", False), ("bytes", True)), rows)
    if found["loss"] is not None:
        _print_loss(found["loss"])
    print(f"Exported to {out}. Next: graphdet score-one USER --store URL --model {out}")


def _print_loss(loss: Mapping[str, Any]) -> None:
    rank = loss["rank_correlation"]
    print(
        f"Of {loss['n_accounts']:,} accounts the logit is off by {loss['mean_abs_logit']:.4g} on average, "
        f"{loss['max_abs_logit']:.4g} at most; rank correlation {'-' if rank is None else f'{rank:.4f}'}; "
        f"{loss['same_at_top']:.1%} of the 1 % with the highest logits are the same."
    )


@guarded
def score_one(
    model: options.ModelDir,
    users: Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="Accounts to score.")] = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Read requests from standard input, one a line: a user id, or with acts since "
            '{"user_id": ID, "acts": [{"item_id": ID, "at_ms": N}, …]}; answer each with a line of JSON.',
        ),
    ] = False,
    store: options.StoreUrl = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Score single accounts of a log, and new acts of theirs, without torch.

    The log is read once, its rings are judged, and it stays in memory: then an account takes milliseconds.
    DIR is a folder of graphdet train or graphdet export. Nothing is written back."""
    if bool(users) == stream:
        raise UsageError("name accounts, or give --stream and write requests to standard input")
    from graphdet.cli import show
    from graphdet.serving.build import account_scorer

    folder = options.model_folder(model)
    with options.opened(store, read_only=True) as source:
        scorer = account_scorer(source, folder, seed=seed, progress=make_progress())
    if stream:
        say("ready")
        for line in sys.stdin:
            if line.strip():
                print(_answer(scorer, line), flush=True)
        return
    found = [scorer.score(name) for name in dict.fromkeys(users or ())]
    if json:
        show.print_json({"accounts": found})
        return
    columns = (
        ("user", False),
        ("score", True),
        ("network's logit", True),
        ("ring", False),
        ("partners", True),
    )
    rows = [
        (
            row["user_id"],
            f"{row['score']:.4f}",
            f"{row['gnn_logit']:.2f}",
            row["ring_id"] or "",
            str(row["n_partners"]),
        )
        for row in found
    ]
    show.print_rows(columns, rows)


def _answer(scorer: Any, line: str) -> str:
    """One line of JSON for one request; what is wrong with it is said in `error`."""
    import json

    from graphdet.serving.acts import parse_acts

    try:
        text = line.strip()
        asked = json.loads(text) if text.startswith("{") else {"user_id": text}
        if set(asked) - {"user_id", "acts"} or not isinstance(asked.get("user_id"), str):
            raise InputError("a request is a user id, or an object with user_id and maybe acts")
        found = scorer.score(asked["user_id"], parse_acts(asked.get("acts", [])))
    except (GraphdetError, ValueError) as error:
        return json.dumps({"error": str(error)}, ensure_ascii=False)
    return json.dumps(found, ensure_ascii=False)
