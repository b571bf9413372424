"""export-labels: hand flagged accounts on to the systems that act on them, and nobody else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from graphdet.casework.decisions import standing_of
from graphdet.casework.disclosure import Disclosure, Listener, disclose
from graphdet.casework.effects import settle_rings, settle_users
from graphdet.casework.standing import ALLOW, DENY, GUILTY, INNOCENT, Standing
from graphdet.errors import UsageError
from graphdet.files import replacing
from graphdet.ports import CaseworkStore
from graphdet.reports.labels_out import LABEL_FORMS, LabelledAccount, LabelSheet, labelled_before
from graphdet.rings.finding import WEAK, RingFinding, ring_findings_of

DEFAULT_DAYS = 90.0
_LONGEST_DAYS = 3650.0
_CLEARED = "judged innocent or allowed"


@dataclass(frozen=True)
class LabelsWritten:
    """When the labels end, how many are added and taken off, and how many flagged accounts are left out, by why."""

    until: datetime
    n_added: int
    n_removed: int
    left_out: Mapping[str, int]


def export_labels(
    store: CaseworkStore,
    form: str,
    out: Path,
    now: datetime,
    *,
    days: float = DEFAULT_DAYS,
    previous: Path | None = None,
    listener: Listener | None = None,
) -> LabelsWritten:
    """Write the accounts that are flagged now, by the last run and all decisions since, as labels that end.

    Left out are accounts that were judged innocent or are on the allow list, members of rings that are judged innocent
    or snoozed, and weak members; unless they are firm members of another flagged ring, or an analyst accused them.
    previous: the file of the same form from before; accounts in it that are not written any more lose their label.

    Raises:
        UsageError: no such form, days out of range, or the store has no scores.
        InputError: `previous` cannot be used.
        GraphdetError: it cannot be noted or written.
    """
    if form not in LABEL_FORMS:
        raise UsageError(f"there is no form {form!r}; there are {', '.join(LABEL_FORMS)}")
    if not 0 < days <= _LONGEST_DAYS:
        raise UsageError(f"--days must be above 0 and at most {_LONGEST_DAYS:g}, not {days:g}")
    before, earlier = ([], {}) if previous is None else labelled_before(previous, form)
    accounts, left_out = accused(store, now)
    kept = {one.user_id for one in accounts}
    removed = [user_id for user_id in dict.fromkeys(before) if user_id not in kept]
    sheet = LabelSheet(accounts, removed, now, now + timedelta(days=days), earlier)
    disclose(store, Disclosure("labels", (), (form,), str(out)), listener)
    with replacing(out) as temporary:
        temporary.write_text(LABEL_FORMS[form](sheet), encoding="utf-8", newline="")
    return LabelsWritten(sheet.expires_at, len(accounts), len(removed), left_out)


def accused(store: CaseworkStore, now: datetime) -> tuple[list[LabelledAccount], dict[str, int]]:
    """The accounts that are to be labelled, most suspicious first, and how many flagged ones are not, by why.

    Raises:
        UsageError: the store has no scores.
    """
    scores = store.scores()
    if not scores.num_rows:
        raise UsageError(f"{store.url} has no scores yet; `graphdet run` and `graphdet score` make them")
    standing = standing_of(store).at(now)
    effects = settle_rings(ring_findings_of(store.rings()), standing)
    rings_of: dict[str, list[RingFinding]] = {}
    for ring in effects.findings:
        for member in ring.members:
            rings_of.setdefault(member.user_id, []).append(ring)
    settled, _ = settle_users(scores, standing, effects.findings)
    found, left_out = [], Counter[str]()
    flagged = settled.filter(settled["flagged"]).to_pylist()
    for row in flagged:
        account = _account(row, rings_of.get(row["user_id"], []), standing, effects.quiet)
        if isinstance(account, str):
            left_out[account] += 1
        else:
            found.append(account)
    was = set(scores.filter(scores["flagged"])["user_id"].to_pylist())
    left_out[_CLEARED] += len(was - {row["user_id"] for row in flagged})
    return found, {why: n for why, n in left_out.items() if n}


def _account(
    row: Mapping[str, Any], rings: list[RingFinding], standing: Standing, quiet: Mapping[str, str]
) -> LabelledAccount | str:
    """The account as it is to be labelled, or why it is not."""
    user_id = str(row["user_id"])
    verdict, listed = standing.of_user(user_id), standing.listed.get(user_id)
    if (verdict is not None and verdict.verdict == INNOCENT) or (listed is not None and listed.list == ALLOW):
        return _CLEARED
    decided = (verdict is not None and verdict.verdict == GUILTY) or (
        listed is not None and listed.list == DENY
    )
    weak = [ring for ring in rings if ring.explanation.role_of(user_id) in WEAK]
    firm = [ring for ring in rings if ring.flagged and ring not in weak]
    if not decided and not firm:
        if weak:
            return "weak members"
        if any(ring.ring_id in quiet for ring in rings):
            return "in rings judged innocent or snoozed"
    ring = next((one for one in firm if one.ring_id == row["ring_id"]), firm[0] if firm else None)
    told = ring.explanation.member_reasons.get(user_id, ()) if ring else ()
    reasons = tuple((reason.code, reason.text) for reason in told)
    return LabelledAccount(
        user_id=user_id,
        score=float(row["score"]),
        q_value=row["q_value"],
        ring_id=ring.ring_id if ring else None,
        kind=ring.kind if ring else None,
        membership=next(one.score for one in ring.members if one.user_id == user_id) if ring else None,
        reasons=reasons or (("score", str(row["reason"] or "Flagged by its score.")),),
        decided=decided,
    )
