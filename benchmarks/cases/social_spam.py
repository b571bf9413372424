"""Social spam: YouTube comments, leave one video out, by comment and by author; SMS, five folds, text alone.

Run: python -m benchmarks.cases.social_spam --data ../shared/data --out DIR [--quick] [--cnn]

Rows go to benchmarks/results.jsonl; pictures, the largest templates and the wrong ones to DIR. Nothing is chosen by
what is tested: settings, learner and threshold come from the training part alone, by leaving out one fold of it.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyod.models.ecod import ECOD
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union

from benchmarks.cases.social_figures import calibration, draw, precision_recall, shown
from benchmarks.cases.social_models import (
    SMS_GRID,
    Log,
    Outcome,
    flat_trees,
    linear,
    probability,
    stacked,
)  # fmt: skip
from benchmarks.cases.social_text import Comments, read_comments, read_sms
from benchmarks.recording import record
from benchmarks.texts.encoder import train_text_encoder
from benchmarks.texts.linear import Texts, ready
from graphdet.features.text import text_features
from graphdet.text.near import distinct_templates, near_clusters, openings
from graphdet.text.ngrams import NgramSettings
from graphdet.text.shape import shape

Int = NDArray[np.int64]
Float = NDArray[np.float64]
N_BOOTSTRAPS = 1000
UNEXPLORED = 77  # seed of the split whose first test fold was left out of every comparison of settings
WITHIN = NgramSettings(over_words=False)


class Pool:
    """Test rows of all folds of one method and seed."""

    def __init__(self, n: int) -> None:
        self.logit, self.flag, self.margin = np.zeros(n), np.zeros(n, bool), np.zeros(n)

    def add(self, rows: Int, outcome: Outcome) -> None:
        self.logit[rows], self.flag[rows] = outcome.logit, outcome.logit > outcome.cut
        self.margin[rows] = outcome.logit - outcome.cut


def figures(flag: NDArray[np.bool_], score: Float, y: NDArray[np.int8]) -> dict[str, float]:
    hits = int((flag & (y == 1)).sum())
    p, r = hits / max(int(flag.sum()), 1), hits / max(int(y.sum()), 1)
    order = np.argsort(-score, kind="stable")
    precision = np.cumsum(y[order]) / (np.arange(len(y)) + 1)
    reached = np.flatnonzero(precision >= 0.97)
    recall = float(y[order][: reached[-1] + 1].sum() / y.sum()) if len(reached) else 0.0
    return {
        "precision": p, "recall": r, "f1": 2 * p * r / max(p + r, 1e-9), "ap": float(average_precision_score(y, score)),
        "auroc": float(roc_auc_score(y, score)), "recall_at_precision_97_in_hindsight": recall,
    }  # fmt: skip


def intervals(
    flag: NDArray[np.bool_], score: Float, y: NDArray[np.int8], group: Int
) -> dict[str, list[float]]:
    """95 % intervals of precision, recall and F1 by drawing groups (authors) anew."""
    _, group = np.unique(group, return_inverse=True)
    hits, flags, spam = (np.bincount(group, weights=w) for w in (flag & (y == 1), flag, y))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(N_BOOTSTRAPS):
        weight = np.bincount(rng.integers(0, len(hits), len(hits)), minlength=len(hits))
        h, f, s = (float((weight * part).sum()) for part in (hits, flags, spam))
        found.append((h / max(f, 1), h / max(s, 1), 2 * h / max(f + s, 1)))
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    return {
        f"{name}_95": [round(a, 3), round(b, 3)]
        for name, a, b in zip(("precision", "recall", "f1"), low.tolist(), high.tolist(), strict=True)
    }


def report(
    name: str, method: str, pools: list[Pool], y: NDArray[np.int8], group: Int, **more: object
) -> None:
    """One row: means over seeds, their spread, and the interval of the first seed."""
    each = [figures(pool.flag, pool.margin, y) for pool in pools]
    means = {key: round(float(np.mean([e[key] for e in each])), 4) for key in each[0]}
    spread = round(float(np.std([e["f1"] for e in each])), 4)
    first = pools[0]
    record(
        name, method=method, seeds=len(pools), n=len(y), n_spam=int(y.sum()), **means, f1_std_over_seeds=spread,
        **intervals(first.flag, first.margin, y, group), **more,
    )  # fmt: skip


def peer_tfidf(texts: list[str], y: NDArray[np.int8], train: Int, test: Int) -> Outcome:
    """The quick baseline: TF-IDF of words and characters, logistic regression, cut at one half."""
    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        ),
        LogisticRegression(C=10, solver="liblinear"),
    ).fit([texts[i] for i in train], y[train])
    return Outcome(model.decision_function([texts[i] for i in test]), 0.0, "")


def outliers(
    kind: str, x: NDArray[np.float32], y: NDArray[np.int8], train: Int, test: Int, seed: int
) -> Outcome:
    """Peers without labels; given, as a gift, the share of spam of the training videos as their threshold."""
    x = np.nan_to_num(np.sign(x) * np.log1p(np.abs(x)))
    if kind == "IsolationForest":
        model = IsolationForest(n_estimators=200, random_state=seed, n_jobs=1).fit(x[train])
        past, score = -model.score_samples(x[train]), -model.score_samples(x[test])
    else:
        ecod = ECOD().fit(x[train])
        past, score = ecod.decision_function(x[train]), ecod.decision_function(x[test])
    return Outcome(score, float(np.quantile(past, 1 - y[train].mean())), "")


def youtube(comments: Comments, out: Path, n_seeds: int, encoder: bool) -> None:
    y, n = comments.y, len(comments.y)
    names, numbers = text_features(comments.texts, comments.author, None)
    of_name = (re.findall(r"\w{4,}", name.casefold()) for name in comments.authors)
    own_name = [
        sum(word in text.casefold() for word in words)
        for words, text in zip(of_name, comments.texts, strict=True)
    ]
    numbers = np.column_stack([numbers, np.array(own_name, np.float32)])
    n_of_author = np.bincount(comments.author)[comments.author]
    pairs = np.unique(np.column_stack([comments.author, comments.video]), axis=0)
    n_videos = np.bincount(pairs[:, 0])[comments.author]
    templates, kind = distinct_templates(comments.texts)
    near = np.append(near_clusters(templates), -1)[kind]
    opening = np.append(openings(templates), -1)[kind]
    own = np.column_stack([numbers, n_of_author, n_videos]).astype(np.float32)
    all_names = (*names, "own_name")
    texts, within = (
        ready(comments.texts, numbers, all_names),
        ready(comments.texts, numbers, all_names, WITHIN),
    )
    log = Log(texts, within, own, np.column_stack([comments.author, near, opening]), comments.video)
    methods: dict[str, list[Pool]] = {}
    chosen: dict[str, list[str]] = {"learner": [], "settings": []}
    prob = np.zeros(n)
    parts = {}
    for video in np.unique(comments.video):
        train, test = np.flatnonzero(comments.video != video), np.flatnonzero(comments.video == video)
        parts[video] = train, test, *linear(log, y, train, test)
    for seed in range(n_seeds):
        pools: dict[str, Pool] = {}
        for train, test, base, oof in parts.values():
            found = stacked(log, y, train, test, seed, base, oof)
            found["lightgbm, no words"] = flat_trees(own, y, comments.video, train, test, seed)
            found["IsolationForest"] = outliers("IsolationForest", own, y, train, test, seed)
            if seed == 0:
                found["tf-idf + logistic regression"] = peer_tfidf(comments.texts, y, train, test)
                found["ECOD"] = outliers("ECOD", own, y, train, test, seed)
                chosen["learner"].append(found["chosen"].chosen)
                chosen["settings"].append(base.chosen)
                prob[test] = probability(base.logit, oof, y[train])
                if encoder:
                    net = train_text_encoder([comments.texts[i] for i in train], y[train], seed)
                    logit = net.logits([comments.texts[i] for i in test])
                    found["character CNN"] = Outcome(logit, 0.0, "")
            for name, outcome in found.items():
                pools.setdefault(name, Pool(n)).add(test, outcome)
        for name, pool in pools.items():
            methods.setdefault(name, []).append(pool)
    authors, author_row = np.unique(
        np.column_stack([comments.author, comments.video]), axis=0, return_inverse=True
    )
    author_row = author_row.reshape(-1)
    author_y = (np.bincount(author_row, weights=y) > 0).astype(np.int8)
    for name, got in methods.items():
        more: dict[str, object] = {}
        if name == "chosen":
            more = {
                "learners": chosen["learner"],
                "settings": chosen["settings"],
                "by_video": _by_video(comments, got[0]),
            }
        report("social_spam.youtube.comment", name, got, y, comments.author, **more)
        report(
            "social_spam.youtube.author", name, [_by_author(pool, author_row, len(authors)) for pool in got], author_y,
            authors[:, 0],
        )  # fmt: skip
    best = methods["chosen"][0]
    curves = {
        "text, reuse, behaviour (chosen)": precision_recall(best.margin, y),
        "tf-idf + logistic regression": precision_recall(
            methods["tf-idf + logistic regression"][0].margin, y
        ),
        "trees without words": precision_recall(methods["lightgbm, no words"][0].margin, y),
    }
    draw(out / "social-spam-pr.svg", curves, "recall", "precision", 0.5)
    curves = {"linear model": calibration(prob, y)}
    draw(out / "social-spam-calibration.svg", curves, "probability", "share of spam", 0.0, diagonal=True)
    _tables(comments, best, near, out)


def _by_video(comments: Comments, pool: Pool) -> dict[str, list[float]]:
    out = {}
    for video in sorted(set(comments.videos)):
        rows = np.array([v == video for v in comments.videos])
        found = figures(pool.flag[rows], pool.margin[rows], comments.y[rows])
        out[video] = [round(found["precision"], 3), round(found["recall"], 3)]
    return out


def _by_author(pool: Pool, author_row: Int, n: int) -> Pool:
    """An author under one video is as suspicious as the worst comment there; comments of other videos do not count."""
    made = Pool(n)
    made.margin[:] = -np.inf
    np.maximum.at(made.margin, author_row, pool.margin)
    made.flag = made.margin > 0
    return made


def _tables(comments: Comments, pool: Pool, near: Int, out: Path) -> None:
    lines = [
        "| accounts | comments | videos | spam | the longest of them, shortened |",
        "|---|---|---|---|---|",
    ]
    found = []
    for cluster in np.unique(near[near >= 0]):
        rows = np.flatnonzero(near == cluster)
        found.append((len(set(comments.author[rows].tolist())), rows))
    for n_authors, rows in sorted(found, key=lambda f: (-f[0], f[1][0]))[:12]:
        text = max((comments.texts[i] for i in rows), key=len)
        n_videos = len(set(comments.video[rows].tolist()))
        n_spam = int(comments.y[rows].sum())
        lines.append(f"| {n_authors} | {len(rows)} | {n_videos} | {n_spam} | {shown(text)} |")
    (out / "templates.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    wrong = np.flatnonzero(pool.flag != (comments.y == 1))
    lines = ["| video | truth | margin | text |", "|---|---|---|---|"]
    for i in wrong[np.argsort(-np.abs(pool.margin[wrong]))]:
        truth = "spam" if comments.y[i] else "fine"
        lines.append(
            f"| {comments.videos[i]} | {truth} | {pool.margin[i]:.2f} | {shown(comments.texts[i], 160)} |"
        )
    (out / "wrong.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def sms(texts: list[str], y: NDArray[np.int8], out: Path, n_seeds: int) -> None:
    numbers, names = shape(texts), tuple(f"shape {i}" for i in range(shape([""]).shape[1]))
    templates, kind = distinct_templates(texts)
    near = np.append(near_clusters(templates), -1)[kind]
    alone = near < 0
    near[alone] = near.max() + 1 + np.arange(alone.sum())
    made, within = ready(texts, numbers, names), ready(texts, numbers, names, WITHIN)
    every = np.arange(len(y))
    unexplored(texts, y, near, made, within)
    for split in ("near-duplicates within a fold", "plain stratified"):
        methods: dict[str, list[Pool]] = {}
        for seed in range(n_seeds if split != "plain stratified" else 1):
            if split == "plain stratified":
                folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(every, y)
            else:
                folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(every, y, near)
            fold = np.zeros(len(y), np.int64)
            for k, (_, rows) in enumerate(folds):
                fold[rows] = k
            log = Log(made, within, numbers, np.column_stack([near]), fold)
            for k in range(5):
                train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
                found = {"text": linear(log, y, train, test, grid=SMS_GRID)[0]}
                if seed == 0:
                    found["tf-idf + logistic regression"] = peer_tfidf(texts, y, train, test)
                    found["lightgbm, no words"] = flat_trees(numbers, y, fold, train, test, seed)
                for name, outcome in found.items():
                    pools = methods.setdefault(name, [])
                    if len(pools) <= seed:
                        pools.append(Pool(len(y)))
                    pools[seed].add(test, outcome)
        for name, got in methods.items():
            report("social_spam.sms", name, got, y, near, split=split)
        if split != "plain stratified":
            pool = methods["text"][0]
            wrong = np.flatnonzero(pool.flag != (y == 1))
            lines = [
                f"{'spam' if y[i] else 'fine'} {pool.margin[i]:.2f} {shown(texts[i], 150)}" for i in wrong
            ]
            (out / "wrong_sms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def unexplored(texts: list[str], y: NDArray[np.int8], near: Int, made: Texts, within: Texts) -> None:
    """The fifth of the messages that no comparison of settings ever saw: learned from the rest, scored once."""
    every = np.arange(len(y))
    train, test = next(StratifiedGroupKFold(5, shuffle=True, random_state=UNEXPLORED).split(every, y, near))
    fold = np.full(len(y), 4)
    inner = StratifiedGroupKFold(4, shuffle=True, random_state=0).split(train, y[train], near[train])
    for k, (_, rows) in enumerate(inner):
        fold[train[rows]] = k
    log = Log(made, within, made.numbers, np.column_stack([near]), fold)
    outcome, _ = linear(log, y, train, test, grid=SMS_GRID)
    for method, found in (
        ("text", outcome),
        ("tf-idf + logistic regression", peer_tfidf(texts, y, train, test)),
    ):
        pool = Pool(len(test))
        pool.add(np.arange(len(test)), found)
        report(
            "social_spam.sms",
            method,
            [pool],
            y[test],
            near[test],
            split="the unexplored fifth",
            settings=found.chosen,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--cnn", action="store_true", help="the character CNN as well: slow")
    parser.add_argument("--only", choices=("youtube", "sms"))
    args = parser.parse_args()
    folder = args.data / "social_text"
    if not folder.is_dir():
        raise SystemExit(f"{folder}: there is no such folder; the case needs the public sets of social_text")
    args.out.mkdir(parents=True, exist_ok=True)
    n_seeds = 1 if args.quick else 5
    if args.only != "sms":
        comments = read_comments(folder / "youtube")
        record("social_spam.youtube.dates", spam_and_other_without_a_date=comments.n_dates_missing)
        youtube(comments, args.out, n_seeds, encoder=args.cnn)
    if args.only != "youtube":
        texts, y = read_sms(folder / "sms_spam.tsv")
        sms(texts, y, args.out, n_seeds)


if __name__ == "__main__":
    main()
