"""graphdet explain: why the network gives a user, or a ring's members together, the logit they have."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, noted
from graphdet.cli.guard import guarded
from graphdet.cli.progress import make_progress


@guarded
def explain(
    model: options.ModelDir,
    users: Annotated[
        list[str] | None, typer.Argument(metavar="[USER]...", help="Users to explain, one by one.")
    ] = None,
    ring: Annotated[
        str | None, typer.Option("--ring", metavar="RING", help="The members of this ring together.")
    ] = None,
    what_if: Annotated[
        bool,
        typer.Option(
            "--what-if",
            help="Also score the log again without acts of the user: the fewest without which it is not flagged.",
        ),
    ] = False,
    fdr: options.Fdr = None,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Say what the graph network's logit of a user is made of: inputs, ties to others, items.

    Effects add up to the logit, from that of a user in the middle of the log whom nobody moves with. The network is
    one part of a score; why a ring is one stands in its report. It is noted in the audit log who asked.
    """
    level = options.check_fdr(fdr)
    from graphdet.cli import show
    from graphdet.verbs.explain import Question
    from graphdet.verbs.explain import explain as look_into

    asked = Question(tuple(users or ()), ring, what_if, level, seed)
    with options.opened(store) as source:
        found = look_into(
            source, model, asked, device=device.value, listener=noted(by), progress=make_progress()
        )
    if json:
        show.print_json({"explained": found})
        return
    for document in found:
        _print(document)


def _print(document: Mapping[str, Any]) -> None:
    from graphdet import words
    from graphdet.cli import show

    name = document.get("user_id") or f"{document.get('ring_id')}, {len(document['users'])} members"
    about = "" if document.get("score") is None else f": score {words.score(document['score'])}"
    sums = document["sums"]
    print(f"{words.visible(str(name))}{about}")
    print(
        f"The network's logit is {document['logit']:.2f}; of a usual user alone {document['baseline']:.2f}."
    )
    made = [(title, f"{sums[key]:+.2f}") for key, title in SUMS.items() if key in sums]
    show.print_rows((("made of", False), ("logit", True)), made)
    inputs = [(each["text"], f"{each['effect']:+.2f}") for each in document["features"]]
    show.print_rows((("input", False), ("logit", True)), inputs)
    ties = [
        (" – ".join(tie["between"]), ", ".join(tie["items"]), str(tie["n_items"]), f"{tie['effect']:+.2f}")
        for tie in document["ties"]
    ]
    if ties:
        columns = (("tie between", False), ("by items", False), ("items", True), ("logit", True))
        show.print_rows(columns, ties)
    items = [
        (item["item_id"], f"{item['by_itself']:+.2f}", f"{item['by_ties']:+.2f}", f"{item['effect']:+.2f}")
        for item in document.get("items", ())
    ]
    if items:
        parts = (("item", False), ("by itself", True), ("by ties", True), ("logit", True))
        show.print_rows(parts, items)
    if "what_if" in document:
        print(document["what_if"]["text"])
    print()


SUMS = {
    "inputs": "what it is like and acts on",
    "ties": "others move with it",
    "ties_inside": "  of these, members of the ring with each other",
    "ties_among_partners": "those move with others",
    "partners": "what those are like",
    "gap": "left unexplained",
}
