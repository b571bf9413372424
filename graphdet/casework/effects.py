"""What decisions do to findings: who is flagged, with a reason that says so. Scores stay as they are.

* A ring judged innocent is not flagged, unless it changed materially since: more members came than half of those it had
  then, or more new targets than half of those it had.
* A snoozed ring is not flagged until the snooze ends.
* A user on the deny list is flagged, one on the allow list is not; one judged innocent is not, unless in a flagged ring
  that was none of the user's then.

How often findings were right, by verdict: per kind of finding, detector and sign.

Of what a detector spoke against, the share judged guilty among what was judged guilty or innocent, with Wilson's
interval at 95 %. Verdicts are no random sample of the findings: people look first at what looks worst.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graphdet.casework.standing import DENY, GUILTY, INNOCENT, UNSURE, Standing, Verdict
from graphdet.evaluation.intervals import wilson
from graphdet.rings.finding import THOUGH_IT_WOULD, RingFinding

MATERIAL = 0.5  # of the members, or of the targets, at the time of the verdict


@dataclass(frozen=True)
class RingEffects:
    """Rings with flags and reasons as decisions have them.

    quiet: why a ring is kept quiet, by ring_id, also where it would not have been flagged. counts: how many flags were
    taken, by why.
    """

    findings: tuple[RingFinding, ...]
    quiet: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def change_since(verdict: Verdict, members: frozenset[str], items: frozenset[str]) -> str | None:
    """Say how a ring changed materially since it was judged; None where it did not."""
    said = []
    for now, then, what in (
        (members, verdict.found.get("members"), "members"),
        (items, verdict.found.get("items"), "targets"),
    ):
        known = frozenset(then or ())
        fresh = len(now - known)
        if fresh > MATERIAL * len(known):
            said.append(f"{fresh} of its {len(now)} {what} are new (it had {len(known)} then)")
    return " and ".join(said) or None


def settle_rings(findings: Iterable[RingFinding], standing: Standing) -> RingEffects:
    """Apply verdicts and snoozes to rings that have their lasting ids."""
    quiet: dict[str, str] = {}
    counts: Counter[str] = Counter()
    settled = [_settled(finding, standing, quiet, counts) for finding in findings]
    return RingEffects(tuple(settled), quiet, dict(counts))


def _settled(
    finding: RingFinding, standing: Standing, quiet: dict[str, str], counts: Counter[str]
) -> RingFinding:
    """The ring with the flag and the reason that decisions give it; adds to `quiet` and `counts` (see RingEffects)."""
    ring_id, flagged = finding.ring_id, finding.flagged
    verdict, snooze = standing.of_ring(ring_id), standing.snoozed.get(ring_id)
    lines = []
    if verdict is not None:
        changed = None
        if verdict.verdict == INNOCENT:
            changed = change_since(verdict, finding.user_ids, finding.item_ids)
            if changed is None:
                quiet[ring_id] = verdict.words()
            elif flagged:
                counts["rings_flagged_again"] += 1
        lines.append(
            f"Flagged again although {verdict.words()}: {changed}."
            if changed and flagged
            else f"{_upper(verdict.words())}" + (f"; since then {changed}." if changed else ".")
        )
    if snooze is not None:
        quiet.setdefault(ring_id, snooze.words())
        lines.append(f"{_upper(snooze.words())}.")
    if ring_id in quiet and flagged:
        counts["rings_snoozed" if quiet[ring_id].startswith("snoozed") else "rings_judged_innocent"] += 1
        flagged = False
        lines.append(THOUGH_IT_WOULD)
    if not lines:
        return finding
    return replace(finding, flagged=flagged, reason=" ".join([*lines, str(finding.reason or "")]).strip())


def settle_users(
    scores: pa.Table, standing: Standing, findings: Iterable[RingFinding]
) -> tuple[pa.Table, dict[str, int]]:
    """Apply the lists and verdicts on users to scores, and count the flags that changed, by why.

    findings: the rings of the run, which settle_rings has been applied to.
    """
    judged = {subject for kind, subject in standing.current if kind == "user"}
    wanted = pa.array(sorted(judged | standing.listed.keys()), pa.string())
    if not len(wanted):
        return scores, {}
    flagged_rings = _flagged_rings_of(frozenset(wanted.to_pylist()), findings)
    place = pc.index_in(scores["user_id"].cast(pa.string()), value_set=wanted)
    rows = [row for row, found in enumerate(place.to_pylist()) if found is not None]
    flagged, reason = scores["flagged"].to_pylist(), scores["reason"].to_pylist()
    ids = scores["user_id"].take(pa.array(rows, pa.int64())).to_pylist()
    counts: Counter[str] = Counter()
    for row, user_id in zip(rows, ids, strict=True):
        said, keep = _user(standing, user_id, bool(flagged[row]), flagged_rings.get(user_id, set()), counts)
        reason[row] = " ".join([*said, str(reason[row] or "")]).strip()
        flagged[row] = keep
    for name, values in (("flagged", flagged), ("reason", reason)):
        at, kind = scores.column_names.index(name), scores.schema.field(name).type
        scores = scores.set_column(at, name, pa.array(values, kind))
    return scores, dict(counts)


def _user(
    standing: Standing, user_id: str, flagged: bool, loud: set[str], counts: Counter[str]
) -> tuple[list[str], bool]:
    """What decisions say of one user, and whether the user is flagged; `loud` are the user's flagged rings."""
    said = []
    verdict, listed = standing.of_user(user_id), standing.listed.get(user_id)
    keep = flagged
    if verdict is not None:
        fresh = sorted(loud - set(verdict.found.get("rings") or ()))
        again = verdict.verdict == INNOCENT and bool(fresh)
        said.append(
            f"{_upper(verdict.words())}"
            + (f"; but now in {', '.join(fresh)}, which is flagged." if again else ".")
        )
        if verdict.verdict == INNOCENT and not again and flagged and listed is None:
            counts["users_judged_innocent"] += 1
            keep = False
    if listed is not None:
        said.append(f"{_upper(listed.words())}.")
        keep = listed.list == DENY
        if keep != flagged:
            counts["users_on_deny_list" if keep else "users_on_allow_list"] += 1
    if flagged and not keep:
        said.append(THOUGH_IT_WOULD)
    elif keep and not flagged:
        said.append("Flagged for that alone.")
    return said, keep


def _flagged_rings_of(users: frozenset[str], findings: Iterable[RingFinding]) -> dict[str, set[str]]:
    """The flagged rings of each of these users that is in any."""
    rings: dict[str, set[str]] = {}
    for finding in findings:
        if finding.flagged:
            for user_id in finding.user_ids & users:
                rings.setdefault(user_id, set()).add(finding.ring_id)
    return rings


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# What the counts mean, for people; {n} is the number.
WORDS: Mapping[str, Callable[[int], str]] = {
    "rings_judged_innocent": lambda n: f"{_rings(n)} would be flagged but {_were(n)} judged innocent",
    "rings_snoozed": lambda n: f"{_rings(n)} would be flagged but {_are(n)} snoozed",
    "rings_flagged_again": lambda n: (
        f"{_rings(n)} {_are(n)} flagged again: judged innocent, but changed since"
    ),
    "members_of_quiet_rings": lambda n: (
        f"{_users(n)} would be flagged but for {_their(n)} ring, which is quiet"
    ),
    "users_judged_innocent": lambda n: f"{_users(n)} would be flagged but {_were(n)} judged innocent",
    "users_on_allow_list": lambda n: f"{_users(n)} would be flagged but {_are(n)} on the allow list",
    "users_on_deny_list": lambda n: f"{_users(n)} {_are(n)} flagged only because on the deny list",
}


def muted_in_words(counts: Mapping[str, Any]) -> list[str]:
    """Say counts for people, in a fixed order; what is zero is left out.

    >>> muted_in_words({"rings_snoozed": 2, "users_on_deny_list": 1})
    ['2 rings would be flagged but are snoozed', '1 user is flagged only because on the deny list']
    """
    return [say(int(counts[name])) for name, say in WORDS.items() if counts.get(name)]


def _rings(n: int) -> str:
    return f"{n} ring" if n == 1 else f"{n} rings"


def _users(n: int) -> str:
    return f"{n} user" if n == 1 else f"{n} users"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def _their(n: int) -> str:
    return "the" if n == 1 else "their"


PRECISION_COLUMNS = ("of", "detector", "n_guilty", "n_innocent", "n_unsure", "precision", "low", "high")
ALL = "all"


def precision_of(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Rows of PRECISION_COLUMNS: flagged rings, flagged users (all, and by detector or sign), and what was not flagged.

    precision is None where nobody was judged guilty or innocent; `low` and `high` bound it.
    """
    count: dict[tuple[int, str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_VERDICTS, 0))
    for verdict in verdicts:
        flagged = bool(verdict.found.get("flagged"))
        of = f"{'flagged' if flagged else 'not flagged'} {verdict.kind}s"
        spoke = [str(name) for name in verdict.found.get("detectors") or ()]
        for detector in (ALL, *dict.fromkeys(spoke)):
            count[(0 if flagged else 1, of, detector)][verdict.verdict] += 1
    order = sorted(count, key=lambda key: (key[0], key[1], key[2] != ALL, key[2]))
    return [_row(of, detector, count[rank, of, detector]) for rank, of, detector in order]


_VERDICTS = (GUILTY, INNOCENT, UNSURE)


def _row(of: str, detector: str, n: dict[str, int]) -> dict[str, Any]:
    decided = n[GUILTY] + n[INNOCENT]
    low, high = wilson(n[GUILTY], decided)
    share = n[GUILTY] / decided if decided else None
    values = (of, detector, n[GUILTY], n[INNOCENT], n[UNSURE], share, low, high)
    return dict(zip(PRECISION_COLUMNS, values, strict=True))
