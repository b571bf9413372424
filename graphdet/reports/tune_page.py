"""tune.html, drawn from the document of tune.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphdet import words
from graphdet.files import write_text
from graphdet.reports import html
from graphdet.reports.figures.evaluation import draw_history, draw_setting_importance, draw_slice

MOST_TRIALS_SHOWN = 20


def write_tune_page(path: Path, document: Mapping[str, Any]) -> Path:
    """Write the page of `document`, see verbs.tune.

    Raises:
        GraphdetError: the file cannot be written.
    """
    trials, space = document["trials"], document["space"]
    order = sorted(document["importance"], key=lambda name: -document["importance"][name])
    names = [*order, *(name for name in space if name not in order)]
    slices = [(name, draw_slice(name, bool(space[name].get("log")), trials)) for name in names]
    best = sorted(trials, key=lambda one: (-one["value"], one["place"]))[:MOST_TRIALS_SHOWN]
    return write_text(
        path,
        html.render(
            "tune.html.j2",
            d=document,
            names=list(space),
            history=draw_history(trials),
            importance=draw_setting_importance(document["importance"]) if document["importance"] else None,
            slices=slices,
            best=best,
            headline=_headline(document),
            seconds=words.duration(sum(one["seconds"] for one in trials)),
        ),
    )


def _headline(document: Mapping[str, Any]) -> str:
    best, default, gain = document["best"], document["default"], document["gain"]
    if best["place"] == 0:
        n = len(document["trials"]) - 1
        return f"None of {n} other settings was better than the defaults ({default['value']:.4f})."
    text = (
        f"Trial {best['place']} is the best: average precision {best['value']:.4f} on the validation part, the "
        f"defaults have {default['value']:.4f}."
    )
    if gain["low"] is None:
        return text + " There are too few cases to say whether that is more than luck."
    between = f"{gain['low']:+.4f} to {gain['high']:+.4f}"
    elsewhere = gain["elsewhere"]
    if elsewhere is not None:
        text += (
            f" The best of many is a little lucky where it was picked: picked on one half of the validation part, the "
            f"best gain {elsewhere:+.4f} on the other."
        )
    if elsewhere is not None and elsewhere <= 0:
        luck = f"the gain of {gain['value']:+.4f} (95 %: {between}) is luck"
        return f"{text} So {luck}: the defaults are as good a choice."
    if gain["low"] > 0:
        return f"{text} The gain is {gain['value']:+.4f} (95 %: {between})."
    return f"{text} The gain of {gain['value']:+.4f} (95 %: {between}) may be luck: the defaults are as good a choice."
