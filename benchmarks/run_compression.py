"""What smaller models cost in real worlds: bytes, the time of one account, and what the truth says of their ranking.

    python -m benchmarks.run_compression ../shared/data [--worlds ghost_stars hop] [--record [FILE]]

Each world is run once with a network trained on it, without its truth. The model is exported as it is, with float16 and
int8 weights, pruned to one of its networks, and as a student. Without the smallest weights of each matrix, which export
does not offer, it is written in the same format; its bytes are what is left with two-byte columns. Every form then
scores the accounts of the same log, whose rings are judged once, with the same other scorers. AUPRC is over all
known users, of the score and of the network's logit alone; auprc_run is that of the scores of the run itself, which
the served float32 score is to equal. The student learned the logits of these same accounts.

Times are of AccountScorer.score, as score-one asks it, on one thread, the least of three for each account. The forms
take turns, so that other processes slow all of them; only the ratios to float32 mean something on a busy machine. One
JSON line each.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from benchmarks import recording
from benchmarks.run_export import pruned, sparse_size
from benchmarks.worlds.measured import measured
from benchmarks.worlds.truth import UNKNOWN, WORLDS, World, read_world
from graphdet.arrays import Float
from graphdet.scores.fused import ScoreParts
from graphdet.serving.accounts import AccountScorer
from graphdet.serving.build import account_scorer
from graphdet.serving.network import DOCUMENT, WEIGHTS, load_network, write_network
from graphdet.serving.packing import Form, Precision
from graphdet.serving.student import STUDENT, load_account_model
from graphdet.store import open_store
from graphdet.verbs.export import export

NAME = "compression"
WHOLE = "float32"
SHARES = (0.3, 0.5, 0.7)
N_TIMED, REPEATS = 1_000, 3


def trained(world: World, folder: Path, seed: int) -> tuple[str, Path]:
    """The store and the model of a run that trains on the world."""
    url, model = f"duckdb:///{(folder / 'graph.duckdb').resolve()}", folder / "findings" / "model"
    words = ["graphdet", "run", str(world.log), "--config", world.config, "--store", url]
    words += ["--out", str(folder / "findings"), "--seed", str(seed), "--train", "always"]
    cost = measured(words, folder)
    if cost.code:
        raise SystemExit(f"{world.name}: graphdet run ended with {cost.code}: {cost.said}")
    return url, model


def forms(url: str, model: Path, out: Path, seed: int) -> Iterator[tuple[str, Path, int]]:
    """Every form with its folder and its bytes: the files of the network or of the student, without what all share."""
    store = open_store(url, read_only=True)
    for precision in Precision:
        export(model, out / precision, precision=precision)
        yield str(precision), out / precision, written(out / precision)
    for name, form, precision in (
        ("pruned", Form.pruned, Precision.float32),
        ("pruned, int8", Form.pruned, Precision.int8),
        ("student", Form.student, Precision.float32),
    ):
        export(model, out / name, form=form, precision=precision, store=store, seed=seed)
        yield name, out / name, written(out / name)
    store.close()
    network = load_network(model)
    for share in SHARES:
        name, smaller = f"without {share:.0%} of weights", pruned(network, share)
        (out / name).mkdir()
        write_network(smaller, out / name, Precision.float32)
        document = (out / name / DOCUMENT).stat().st_size
        yield name, out / name, document + sparse_size(smaller)


def written(folder: Path) -> int:
    return sum(
        (folder / name).stat().st_size for name in (DOCUMENT, WEIGHTS, STUDENT) if (folder / name).exists()
    )


def scores_of_all(scorer: AccountScorer) -> tuple[Float, Float]:
    """Score and logit of every account, as AccountScorer.score gives them one at a time, float64[n_users]."""
    warm = scorer.warm
    logits = scorer.model.logits_of_all(warm.x, warm.ties)
    density, clusters = scorer.density.score(warm.features), scorer.clusters.score(warm.features)
    parts = ScoreParts(logits, clusters, density, warm.ring, None, warm.company, warm.burst, warm.opinions)
    return scorer.fusion.score(parts, scorer.log), logits


def times(scorers: dict[str, AccountScorer], users: list[str]) -> dict[str, Float]:
    """Least milliseconds of every form for every account, float64[len(users)]; the forms take turns."""
    names = list(scorers)
    found = {name: np.full(len(users), np.inf) for name in names}
    for place, user in enumerate(users * REPEATS):
        turn, row = place % len(names), place % len(users)
        for name in names[turn:] + names[:turn]:
            began = time.perf_counter()
            scorers[name].score(user)
            found[name][row] = min(found[name][row], (time.perf_counter() - began) * 1_000)
    return found


def compare(world: World, folder: Path, seed: int) -> Iterator[dict[str, object]]:
    """The rows of a world, one a form."""
    url, model = trained(world, folder, seed)
    (folder / "forms").mkdir()
    made = list(forms(url, model, folder / "forms", seed))
    store = open_store(url, read_only=True)
    warm = account_scorer(store, model, seed=seed)
    of_run = store.scores()
    store.close()
    shared = (warm.density, warm.clusters, warm.fusion, warm.trees)
    scorers = {name: AccountScorer(warm.warm, load_account_model(path), *shared) for name, path, _ in made}
    ids = warm.warm.graph.user_ids.to_pylist()
    asked = [ids[row] for row in np.random.default_rng(seed).choice(len(ids), N_TIMED)]
    times(scorers, asked[:20])  # the first call of each fills caches
    ms = {name: np.percentile(each, [50, 99]) for name, each in times(scorers, asked).items()}
    known = np.array([user in world.known for user in ids])
    guilty = np.array([user in world.guilty for user in ids])[known]
    said = dict(zip(of_run["user_id"].to_pylist(), of_run["score"].to_pylist(), strict=True))
    auprc_run = float(average_precision_score(guilty, np.array([said[user] for user in ids])[known]))
    whole: dict[str, float] = {}
    for name, _, n_bytes in made:
        score, logit = scores_of_all(scorers[name])
        alone = [scorers[name].score(user)["score"] for user in asked[:50]]
        if np.abs(score[[warm.row_of[user] for user in asked[:50]]] - alone).max() > 1e-4:
            raise SystemExit(f"{world.name}, {name}: an account alone has another score than among all")
        auprc = {
            "auprc": float(average_precision_score(guilty, score[known])),
            "auprc_network": float(average_precision_score(guilty, logit[known])),
        }
        whole = whole or auprc
        yield {
            "world": world.name, "form": name, "seed": seed, "users": len(guilty), "guilty": int(guilty.sum()),
            "bytes": n_bytes, "of_bytes": round(n_bytes / made[0][2], 3),
            "p50_ms": round(ms[name][0], 3), "p99_ms": round(ms[name][1], 3),
            "of_p50": round(ms[name][0] / ms[WHOLE][0], 3), "of_p99": round(ms[name][1] / ms[WHOLE][1], 3),
            "auprc_run": round(auprc_run, 4), **{key: round(value, 4) for key, value in auprc.items()},
            **{f"{key}_change": round(value - whole[key], 4) for key, value in auprc.items()},
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that holds worlds/")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=["ghost_stars", "star_bursts", "hop"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, nargs="?", const=recording.RESULTS, help="append to a file")
    given = parser.parse_args()
    if given.record:
        recording.RESULTS = given.record
    for name in given.worlds:
        world = read_world(given.data, name)
        if world.unit == UNKNOWN:
            parser.error(f"nobody knows who is guilty in {name}")
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
            for row in compare(world, Path(folder), given.seed):
                recording.told(bool(given.record), NAME, **row)


if __name__ == "__main__":
    main()
