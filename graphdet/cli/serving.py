"""graphdet export and score-one: scoring accounts without torch."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import GraphdetError, InputError, UsageError
from graphdet.serving.packing import Form, Precision


@guarded
def export_command(
    model: options.ModelDir,
    out: Annotated[
        Path, typer.Option("--out", readable=False, metavar="DIR", help="Folder for the exported model.")
    ],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="plain: read by score-one. onnx: also gnn.onnx. pruned: plain, one network instead of all. "
            "student: trees that learned the networks' logits.",
        ),
    ] = Form.plain,
    weights: Annotated[
        Precision, typer.Option("--weights", help="How the weights of plain and pruned are stored.")
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
        for line in _requests(sys.stdin.buffer):
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


_MOST_CHARS = 500  # of what is wrong with a request
_MOST_BYTES = 16 << 20  # of a request; what is longer is answered with an error and passed over


def _requests(stream: BinaryIO) -> Iterator[bytes | None]:
    """Lines that are not blank; None for one that is too long, of which no more than that is ever in memory."""
    while line := stream.readline(_MOST_BYTES + 1):
        if len(line) > _MOST_BYTES:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_MOST_BYTES)
            yield None
        elif line.strip():
            yield line


def _answer(scorer: Any, line: bytes | None) -> str:
    """One line of JSON for one request; what is wrong with it is said in `error`, and the next one is served."""
    import json

    from graphdet.files import half_pairs_escaped, plain
    from graphdet.serving.acts import parse_acts

    def no_number(text: str) -> None:
        raise InputError(f"{text} is no number that JSON has")

    try:
        if line is None:
            raise InputError(f"the request is longer than {_MOST_BYTES >> 20} MiB")
        text = line.decode("utf-8-sig").strip()
        known = json.loads(text, parse_constant=no_number) if text.startswith("{") else {"user_id": text}
        if set(known) - {"user_id", "acts"} or not isinstance(known.get("user_id"), str):
            raise InputError("a request is a user id, or an object with user_id and maybe acts")
        found = scorer.score(known["user_id"], parse_acts(known.get("acts", [])))
    except UnicodeDecodeError as error:
        found = {"error": f"the request is not UTF-8 (byte {error.start})"}
    except RecursionError:
        found = {"error": "the request is nested too deep"}
    except (GraphdetError, ValueError, OverflowError, MemoryError) as error:
        found = {"error": str(error)[:_MOST_CHARS] or type(error).__name__}
    return half_pairs_escaped(json.dumps(plain(found), ensure_ascii=False))
