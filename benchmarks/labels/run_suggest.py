"""Do suggested labels teach more than random ones? On public node benchmarks, at equal numbers of labels.

    python -m benchmarks.labels.run_suggest DATA [--seeds 5]

Of 6,000 accounts half can be asked about, the other half measures. Round one has no labels, only an Isolation Forest's
scores; the later ones the scores of the forest of trees that the labels so far have taught. A round asks for 50 labels.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.stats import norm, rankdata
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest
from sklearn.metrics import average_precision_score

from graphdet.scores.suggest import suggest_rows

ROUNDS, A_ROUND, N_ACCOUNTS = 2, 50, 6_000
WAYS = ("suggested", "random", "highest score")
SHARE_FLAGGED = 0.05  # of accounts, before there are labels


def load(name: str, data: Path) -> tuple[np.ndarray, np.ndarray]:
    folder = data / "node_benchmarks"
    if name == "amazon":
        raw = loadmat(folder / "amazon_upu.mat")
        x = raw["Attributes"].toarray() if hasattr(raw["Attributes"], "toarray") else raw["Attributes"]
        return np.asarray(x, float), raw["Label"].ravel().astype(int)
    raw = np.load(folder / f"{name}.npz")
    keys = ("node_features", "node_labels") if name == "tolokers" else ("x", "y")
    return np.asarray(raw[keys[0]], float), raw[keys[1]].ravel().astype(int)


def normal_scores(x: np.ndarray) -> np.ndarray:
    return np.column_stack([norm.ppf(rankdata(column) / (len(column) + 1)) for column in x.T])


def prior(x: np.ndarray, seed: int) -> np.ndarray:
    """Scores without labels: an Isolation Forest's ranks, with the top 5 % above one half."""
    rank = rankdata(-IsolationForest(random_state=seed).fit(x).score_samples(x)) / (len(x) + 1)
    return 1 / (1 + np.exp(-(np.log(rank / (1 - rank)) - np.log((1 - SHARE_FLAGGED) / SHARE_FLAGGED))))


def asked(
    way: str, score: np.ndarray, threshold: float, x: np.ndarray, known: np.ndarray, rng: np.random.Generator
):
    free = np.flatnonzero(~known)
    if way == "random":
        return rng.choice(free, A_ROUND, replace=False)
    if way == "highest score":
        return free[np.argsort(-score[free], kind="stable")[:A_ROUND]]
    return suggest_rows(score, threshold, x, np.full(len(x), -1), known, A_ROUND).rows


def run(name: str, data: Path, seed: int) -> dict[str, list[float]]:
    x, y = load(name, data)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))[:N_ACCOUNTS]
    pool, held = order[: len(order) // 2], order[len(order) // 2 :]
    scaled, start = normal_scores(x)[pool], prior(x, seed)
    found = {"no labels": [float(average_precision_score(y[held], start[held]))] * ROUNDS}
    for way in WAYS:
        known, score, threshold, values = np.zeros(len(pool), bool), start[pool], 0.5, []
        draw = np.random.default_rng((seed, 1))
        for _ in range(ROUNDS):
            known[asked(way, score, threshold, scaled, known, draw)] = True
            own, label = x[pool[known]], y[pool[known]]
            if len(set(label.tolist())) < 2:
                values.append(float(average_precision_score(y[held], start[held])))
                continue
            trees = ExtraTreesClassifier(100, min_samples_leaf=2, class_weight="balanced", random_state=seed)
            trees.fit(own, label)
            score = trees.predict_proba(x[pool])[:, 1]
            values.append(float(average_precision_score(y[held], trees.predict_proba(x[held])[:, 1])))
        found[way] = values
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=["amazon", "tolokers"])
    asked_for = parser.parse_args()
    for name in asked_for.sets:
        rows = [run(name, asked_for.data, seed) for seed in range(asked_for.seeds)]
        for way in ("no labels", *WAYS):
            values = np.array([row[way] for row in rows])
            told = {
                "set": name,
                "way": way,
                "labels": [A_ROUND * (k + 1) for k in range(ROUNDS)],
                "average_precision": values.mean(axis=0).round(3).tolist(),
                "sd": values.std(axis=0, ddof=1).round(3).tolist() if len(values) > 1 else None,
                "seeds_above_random": (values > np.array([row["random"] for row in rows]))
                .sum(axis=0)
                .tolist(),
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
