"""report.html: what was read, what was found, how to read it, and, said openly, what the run cannot see."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet import words
from graphdet.files import write_text
from graphdet.reports import html
from graphdet.reports.drift import Drift
from graphdet.reports.figures.overview import draw_ring_map, draw_scores
from graphdet.reports.ring_names import flagged_ids, page_name, reported_ids
from graphdet.rings.rules import DECISION
from graphdet.tables import RingTables

FEW_USERS = 200
FEW_INTERACTIONS = 1000
SHORT_S = 3600.0


def not_enough(facts: Mapping[str, Any], counts: Mapping[str, int]) -> str | None:
    """Say why the log is too small for findings to mean much, or None.

    The limits are those below which a share of natural groups cannot be told from chance; the run may know
    better and say so in `not_enough_data`.

    >>> not_enough({}, {"users": 3, "interactions": 9})
    'Not enough data: 3 users and 9 interactions. Rates of error cannot be estimated from so few.'
    """
    if facts.get("not_enough_data"):
        return f"Not enough data: {facts['not_enough_data']}"
    users, interactions = counts.get("users", 0), counts.get("interactions")
    if users >= FEW_USERS and (interactions is None or interactions >= FEW_INTERACTIONS):
        return None
    size = words.plural(users, "user")
    if interactions is not None:
        size += f" and {words.plural(interactions, 'interaction')}"
    return f"Not enough data: {size}. Rates of error cannot be estimated from so few."


def blind_spots(
    facts: Mapping[str, Any], counts: Mapping[str, int], rings: RingTables, n_suspects: int
) -> list[str]:
    """List what the reader should not conclude from this run."""
    lines = []
    n, rejected, filtered = (facts.get(name) for name in ("n_rows", "n_rejects", "n_filtered"))
    if n and filtered:
        lines.append(
            f"{words.thousands(filtered)} of {words.thousands(n)} rows were left out by the config's filters; what "
            f"they held was not judged."
        )
    if n and rejected:
        lines.append(
            f"{words.thousands(rejected)} of {words.thousands(n)} rows were rejected; what they held "
            f"was not judged."
        )
    below = rings.rings.num_rows - sum(bool(flag) for flag in rings.rings["flagged"].to_pylist())
    if below:
        lines.append(
            f"{words.plural(below, 'group')} looked coordinated and "
            f"{'was' if below == 1 else 'were'} held back. Some may be real; leads.csv lists them, each with the rule "
            f"that held it back."
        )
    period = facts.get("period") or {}
    first, last = period.get("first_ms"), period.get("last_ms")
    if first is not None and last is not None and (last - first) / 1000 < SHORT_S:
        lines.append(
            f"The log covers only {words.duration((last - first) / 1000)}. Acting at the same time "
            f"says little when "
            "everyone does."
        )
    if not counts.get("entities"):
        lines.append(
            "The log names no devices, addresses or payment cards (or the config maps none), so "
            "accounts that share "
            "them were not linked."
        )
    if not facts.get("labels"):
        lines.append(
            "No labels were given. The scorers know campaigns like those planted for training; one "
            "of another kind may "
            "get a low score."
        )
    lines.append(
        "Accounts that act alone, or share a single item with others outside a burst of throwaway accounts, cannot be "
        "told from chance by their coordination."
    )
    lines.append(
        "Natural groups (a fan club, a school class, a newsletter's readers) can look coordinated. "
        "Read what speaks "
        "against a ring before acting on it."
    )
    if not n_suspects and not rings.rings.num_rows:
        lines.append("Finding nothing is no proof that nothing is there.")
    return lines


SUSPECTS_SHOWN = 1000
LEADS_SHOWN, MORE_LEADS_SHOWN = 10, 200  # at once, and where one asks for more
MAPPED = 2_000  # rings in the map
_STRONGEST = [("score", "descending"), ("p_value", "ascending")]


def overview(
    out: Path,
    scores: pa.Table,
    rings: RingTables,
    leads: pa.Table,
    info: Mapping[str, Any] | None = None,
    drift: Drift | None = None,
    pseudonymised: bool = False,
) -> Path:
    """Write report.html, which needs no network, and no script to be complete.

    Shapes: scores schema.SCORE_COLUMNS, one row per user; leads as rings.leads.lead_table gives them; `info` as in
    run_info. The same findings and facts give the same bytes: times, memory and versions are in run.json only.

    Raises:
        GraphdetError: the file cannot be written.
    """
    facts = dict(info or {})
    suspects = scores.filter(pc.fill_null(scores["flagged"], False))
    flagged = _ring_rows(rings, flagged_ids(rings))
    bursts = [row for row in flagged if row["kind"] == "burst"]
    found = bool(flagged or suspects.num_rows)
    counts = {"users": scores.num_rows, **(facts.get("counts") or {})}
    too_little = not_enough(facts, counts)
    pages = {ring_id: page_name(ring_id) for ring_id in reported_ids(rings, leads)}
    shown = _lead_rows(leads, rings, pages)
    page = html.render(
        "overview.html.j2",
        headline=headline(
            suspects.num_rows, [row["kind"] for row in flagged], counts["users"], leads.num_rows
        ),
        found=found,
        nothing=[] if found or too_little else nothing_found(facts),
        flagged_kinds=_counted_kinds(flagged),
        too_little=too_little,
        counts=[
            (name.replace("_", " "), n) for name, n in counts.items() if name not in ("rings", "suspects")
        ],
        n_suspects=suspects.num_rows,
        n_users=counts["users"],
        rings=[row for row in flagged if row["kind"] != "burst"],
        bursts=bursts,
        leads=shown[:LEADS_SHOWN],
        more_leads=shown[LEADS_SHOWN:],
        n_leads=leads.num_rows,
        suspects=_suspect_rows(suspects, pages),
        suspects_note=_suspects_note(suspects.num_rows),
        level=threshold_in_words(facts),
        score_meaning=score_meaning(facts),
        **_read(facts),
        limits=blind_spots(facts, counts, rings, suspects.num_rows),
        how=_how(facts),
        drift=drift,
        drift_pages=pages,
        pseudonymised=pseudonymised,
        **_pictures(scores, rings, pages),
    )
    return write_text(out / "report.html", page)


def _counted_kinds(flagged: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """How many findings of each kind are flagged, rings always."""
    count = Counter(str(row["kind"]) if row["kind"] in _KINDS else _PAYMENTS for row in flagged)
    return [
        (f"flagged {kind if kind == _PAYMENTS else kind + 's'}", count[kind])
        for kind in _KINDS
        if count[kind] or kind == _RING
    ]


def _pictures(scores: pa.Table, rings: RingTables, pages: Mapping[str, str]) -> dict[str, Any]:
    """The spread of scores with the lowest that is flagged, and the map of rings."""
    values = scores["score"].to_numpy().astype(np.float64)
    above = values[np.asarray(pc.fill_null(scores["flagged"], False))]
    mapped = rings.rings.sort_by([*_STRONGEST, ("ring_id", "ascending")]).slice(0, MAPPED).to_pylist()
    return {
        "score_picture": draw_scores(values, float(above.min()) if len(above) else None),
        "ring_map": draw_ring_map(mapped, pages, scores.num_rows),
    }


# What a finding of each kind is called, one and many; payments have one word for all their forms.
_RING, _PAYMENTS = "ring", "payments"
_KINDS = {
    _RING: ("ring of accounts that acts together", "rings of accounts that act together"),
    "pair": ("pair of accounts that act alike", "pairs of accounts that act alike"),
    "burst": ("burst on a single item", "bursts on single items"),
    _PAYMENTS: ("suspicious form of payments", "suspicious forms of payments"),
}


def kinds_in_words(kinds: Iterable[str]) -> str:
    """Count findings by what they are.

    >>> kinds_in_words(["ring", "burst", "ring", "cycle"])
    '2 rings of accounts that act together, 1 burst on a single item, 1 suspicious form of payments'
    """
    count = Counter(kind if kind in _KINDS else _PAYMENTS for kind in kinds)
    return ", ".join(words.plural(count[kind], *names) for kind, names in _KINDS.items() if count[kind])


def headline(n_suspects: int, kinds: Sequence[str], n_users: int, n_leads: int = 0) -> str:
    """Say the result in one sentence; kinds: those of the flagged findings.

    >>> headline(217, ["ring"] * 3, 20000)
    '3 rings of accounts that act together, and 217 suspects among 20,000 users.'
    >>> headline(30, ["ring", "burst", "burst"], 500)
    '1 ring of accounts that acts together, 2 bursts on single items, and 30 suspects among 500 users.'
    >>> headline(0, [], 500), headline(0, [], 500, 2)
    ('Nothing was flagged among 500 users.', 'Nothing was flagged among 500 users; 2 leads were held back.')
    """
    users = words.plural(n_users, "user")
    if not n_suspects and not kinds:
        leads = f"; {words.plural(n_leads, 'lead')} {'was' if n_leads == 1 else 'were'} held back"
        return f"Nothing was flagged among {users}{leads if n_leads else ''}."
    if not kinds:
        return f"No ring was flagged; {words.plural(n_suspects, 'suspect')} among {users}."
    return f"{kinds_in_words(kinds)}, and {words.plural(n_suspects, 'suspect')} among {users}."


def nothing_found(facts: Mapping[str, Any]) -> list[str]:
    """Say what it means that nothing was flagged: what would have been seen."""
    model = facts.get("model")
    model = model if isinstance(model, Mapping) else {}
    planted, seen = model.get("campaigns") or 0, model.get("campaigns_found_as_candidates") or 0
    lines = []
    if planted:
        lines.append(
            f"To learn from, {words.plural(planted, 'campaign')} {'was' if planted == 1 else 'were'} planted into "
            f"copies of this log, and {words.thousands(seen)} surfaced as groups to be judged "
            f"({words.percent(seen / planted)})."
        )
    lines.append(
        "Which rings would have been flagged here, how small and how slow, and which would go unseen, is measured by:"
    )
    return lines


def command_for_power(facts: Mapping[str, Any]) -> str:
    """The command that says which rings would have been found in the same log, for a shell."""
    files = [
        str(entry["file"] if isinstance(entry, Mapping) else entry) for entry in facts.get("inputs") or ()
    ]
    config = facts.get("config")
    name = config.get("name") if isinstance(config, Mapping) else config
    chosen = ["--config", str(name)] if name else []
    return shlex.join(["graphdet", "power", *(files or ["LOG"]), *chosen, "--out", "power"])


def threshold_in_words(facts: Mapping[str, Any]) -> str:
    """Say how the threshold was chosen.

    >>> threshold_in_words({"fdr": 0.05}), threshold_in_words({"review": 200, "fdr": 0.05})[:49]
    ('at most 5 in 100 flags are expected to be false', 'the 200 most suspicious users, as many as can be ')
    """
    if facts.get("review") is not None:
        return (
            f"the {words.thousands(facts['review'])} most suspicious users, as many as can be "
            f"reviewed; there is no "
            "promise about how many of them are false"
        )
    share = facts.get("fdr")
    if share is None:
        return "at the level chosen for the run (see run.json)"
    return f"at most {words.figure(share * 100)} in 100 flags are expected to be false"


def score_meaning(facts: Mapping[str, Any]) -> str:
    """Say what a user's score of 0.8 means in this run."""
    if facts.get("score_meaning"):
        return str(facts["score_meaning"])
    if facts.get("labels"):
        return "Of users with a score of 0.8, about 80 in 100 should carry the label fraud."
    return (
        "Of users with a score of 0.8, about 80 in 100 should take part in a campaign of the kinds "
        "that were planted "
        "for training, at the share of such campaigns estimated in this log. No labels were given, so "
        "nobody has "
        "checked this against the truth of your log."
    )


def _period(facts: Mapping[str, Any]) -> str | None:
    period = facts.get("period") or {}
    if period.get("first_ms") is None or period.get("last_ms") is None:
        return None
    span = words.duration((period["last_ms"] - period["first_ms"]) / 1000)
    return f"{words.clock(period['first_ms'])} to {words.clock(period['last_ms'])} ({span})"


def _lead_rows(leads: pa.Table, rings: RingTables, pages: Mapping[str, str]) -> list[dict[str, Any]]:
    """The first leads with their kind, their reason and the file of their page, if any; those decided on come last."""
    found = {row["ring_id"]: row for row in rings.rings.select(["ring_id", "kind", "reason"]).to_pylist()}
    rows = sorted(leads.to_pylist(), key=lambda lead: lead["held_back_by"] == DECISION)
    return [
        {**row, **found[row["ring_id"]], "file": pages.get(row["ring_id"])}
        for row in rows[: LEADS_SHOWN + MORE_LEADS_SHOWN]
    ]


def _ring_rows(rings: RingTables, ids: list[str]) -> list[dict[str, Any]]:
    """Rows of the rings table, with the file each page is in."""
    wanted = pc.is_in(rings.rings["ring_id"], value_set=pa.array(ids, pa.string()))
    rows = {row["ring_id"]: row for row in rings.rings.filter(wanted).to_pylist()}
    return [{**rows[ring_id], "file": page_name(ring_id)} for ring_id in ids]


def _suspect_rows(suspects: pa.Table, pages: Mapping[str, str]) -> list[dict[str, Any]]:
    """The first suspects, with the page of their ring where it has one."""
    top = suspects.sort_by([*_STRONGEST, ("user_id", "ascending")]).slice(0, SUSPECTS_SHOWN)
    return [{**row, "file": pages.get(row["ring_id"])} for row in top.to_pylist()]


def _suspects_note(n: int) -> str:
    if n > SUSPECTS_SHOWN:
        return f"The first {SUSPECTS_SHOWN} of {words.thousands(n)}; suspects.csv holds every user."
    return "All of them, the most suspicious first; suspects.csv holds every user."


def _read(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What was read, and its quality, and how to see what would have been found in it."""
    rejects = (facts.get("rejects_by_reason") or {}).items()
    return {
        "period": _period(facts),
        "power": command_for_power(facts),
        "inputs": _inputs(facts),
        "rows": _rows(facts),
        "n_rows": facts.get("n_rows"),
        "rejects": sorted(rejects, key=lambda pair: (-pair[1], pair[0])),
        "warnings": [str(line) for line in facts.get("warnings") or ()],
    }


def _inputs(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files read; a file's name is what the user typed."""
    rows = []
    for entry in facts.get("inputs") or ():
        source = entry if isinstance(entry, Mapping) else {"file": entry}
        rows.append(
            {
                "file": str(source.get("file", "?")),
                "n_rows": source.get("n_rows"),
                "sha256": str(source.get("sha256") or "")[:16],
            }
        )
    return rows


def _rows(facts: Mapping[str, Any]) -> str | None:
    """Say how many rows were read, and how many were left out by the config, put aside or rejected.

    >>> _rows({"n_rows": 1000, "n_rejects": 20, "n_filtered": 300, "rejects_by_reason": {"duplicate": 5}})
    '1,000 rows read; 300 filtered out (30 %), 5 duplicates (0.5 %), 20 rejected (2 %): see rejects.csv.'
    """
    n, rejected = facts.get("n_rows"), facts.get("n_rejects") or 0
    if n is None:
        return None
    counts = {
        "filtered out": facts.get("n_filtered") or 0,
        "duplicates": (facts.get("rejects_by_reason") or {}).get("duplicate", 0),
        "rejected": rejected,
        "known before": facts.get("n_known") or 0,
    }
    lost = [f"{words.thousands(k)} {what} ({words.percent(k / n)})" for what, k in counts.items() if k and n]
    if not lost:
        return f"{words.plural(n, 'row')} read, none filtered out, none rejected."
    listed = ": see rejects.csv" if counts["duplicates"] or rejected else ""
    return f"{words.plural(n, 'row')} read; {', '.join(lost)}{listed}."


def _how(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The settings that decide the result."""
    config, model = facts.get("config") or {}, facts.get("model")
    if isinstance(model, Mapping):  # without what differs between two equal runs
        kept = {
            key: value for key, value in sorted(model.items()) if not key.endswith(("_s", "seconds", "_mib"))
        }
        model = ", ".join(
            f"{key} {value}" for key, value in kept.items() if isinstance(value, str | int | float)
        )
    rows = (
        ("Config", config.get("name") if isinstance(config, Mapping) else config),
        ("Seed", facts.get("seed")),
        ("Device", facts.get("device")),
        ("Model", model),
        ("Level", threshold_in_words(facts)),
    )
    return [(name, str(value)) for name, value in rows if value is not None and value != ""]
