"""`evaluate`: files in, a page and a document out; bad input is told and never guessed over."""

import json
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from graphdet.errors import InputError, UsageError
from graphdet.evaluation.compare import Costs
from graphdet.reports.evaluation_page import EVALUATION_SCHEMA_FILE
from graphdet.verbs.evaluate import Wanted, evaluate

HOSTILE = '<script>alert("x")</script>'
QUICK = Wanted(n_draws=20, ks=(5, 50, 10_000))


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = (np.arange(300) % 6 == 0).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=300) + 2 * y - 1.5)))
    score = np.array([float(f"{value:.4f}") for value in score])
    scores = write(
        tmp_path / "suspects.csv",
        "user_id,score,flagged,ring_id",
        [
            f"u{i},{s:.4f},{'true' if s > 0.6 else 'false'},{'R1' if i < 30 else ''}"
            for i, s in enumerate(score)
        ],
    )
    labels = write(
        tmp_path / "labels.csv",
        "user_id,label,kind",
        [f"u{i},{v},{HOSTILE if i % 2 else 'b'}" for i, v in enumerate(y[:200])],
    )
    return scores, labels, score, y


def test_figures_are_those_of_the_labelled_rows(
    made: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    scores, labels, score, y = made
    found = evaluate([scores], labels, tmp_path / "out", QUICK)
    metrics = found["scores"][0]["metrics"]
    assert metrics["auroc"]["value"] == pytest.approx(roc_auc_score(y[:200], score[:200]))
    assert metrics["auprc"]["value"] == pytest.approx(average_precision_score(y[:200], score[:200]))
    assert metrics["auprc"]["low"] < metrics["auprc"]["value"] < metrics["auprc"]["high"]
    flagged = score[:200] > 0.6
    assert found["scores"][0]["confusion"] == {
        "true_flags": int((flagged & (y[:200] == 1)).sum()),
        "false_flags": int((flagged & (y[:200] == 0)).sum()),
        "missed": int((~flagged & (y[:200] == 1)).sum()),
        "left_alone": int((~flagged & (y[:200] == 0)).sum()),
    }
    top = {row["k"]: row for row in found["scores"][0]["top"]}
    highest = np.argsort(-score, kind="stable")[:50]
    assert top[50]["n_unknown"] == int((highest >= 200).sum())
    assert top[50]["n_fraud"] == int(y[highest[highest < 200]].sum())
    assert 10_000 not in top
    assert found["base_rate"] == pytest.approx(y[:200].mean())


def test_the_document_follows_its_schema_and_repeats(
    made: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    scores, labels, _, _ = made
    wanted = Wanted(n_draws=20, by="kind", group="ring_id", costs=Costs(0, 1))
    evaluate([scores, scores], labels, tmp_path / "one", wanted)
    evaluate([scores, scores], labels, tmp_path / "two", wanted)
    for name in ("evaluation.json", "evaluation.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    document = json.loads((tmp_path / "one" / "evaluation.json").read_text())
    schema = json.loads(
        (resources.files("graphdet.reports") / "schemas" / EVALUATION_SCHEMA_FILE).read_text()
    )
    jsonschema.validate(document, schema)
    assert document["n_groups"] == 171  # one ring of thirty, and those of no ring alone
    assert {row["value"] for row in document["scores"][0]["by"]["rows"]} == {"b", HOSTILE}
    assert all(row["value"] == 0 for row in document["differences"])


def test_the_page_shows_hostile_names_as_text(
    made: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    scores, labels, _, _ = made
    evil = scores.with_name('<img src=x onerror="y">.csv')
    evil.write_bytes(scores.read_bytes())
    evaluate([scores, evil], labels, tmp_path / "out", Wanted(n_draws=20, by="kind"))
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert "<img" not in page
    assert "alert(" in page
    assert page.count("<script") == 1
    assert "default-src 'none'" in page
    assert "http:" not in page.replace("http-equiv", "")
    assert "https:" not in page


def test_a_threshold_from_other_labels_is_not_chosen_on_the_test(
    made: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    scores, labels, score, y = made
    other = write(tmp_path / "val.csv", "user_id,label", [f"u{i},{y[i]}" for i in range(150, 300)])
    found = evaluate(
        [scores], labels, tmp_path / "out", Wanted(n_draws=0, threshold_labels=other, costs=Costs(5, 1))
    )
    one = found["scores"][0]
    assert found["n_labelled"] == 150  # what set the threshold is not tested
    assert one["threshold"]["rule"] == "cheapest on other labels"
    cost = [
        5 * ((score[150:] < t) & (y[150:] == 1)).sum() + ((score[150:] >= t) & (y[150:] == 0)).sum()
        for t in np.unique(score[150:])
    ]
    assert one["threshold"]["value"] == pytest.approx(np.unique(score[150:])[int(np.argmin(cost))])
    assert one["cheapest"]["in_sample"] is True
    assert any("set the threshold" in line for line in found["warnings"])


def test_labels_of_training_are_left_out_or_warned_of(
    made: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    scores, labels, _, _ = made
    (scores.parent / "run.json").write_text(
        json.dumps({"labels": {"file": "labels.csv"}, "model": {"learned_from": "labels"}})
    )
    found = evaluate([scores], labels, tmp_path / "out", QUICK)
    assert any("no test" in line and "same name" in line for line in found["warnings"])
    seen = write(tmp_path / "train.csv", "user_id,label", [f"u{i},0" for i in range(40)])
    found = evaluate([scores], labels, tmp_path / "out", Wanted(n_draws=0, trained_on=seen))
    assert found["n_labelled"] == 160
    assert any("40 labels of ids that were trained on" in line for line in found["warnings"])


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    scores = write(
        tmp_path / "s.csv", "item_id,score", [f"i{i},0.3" for i in range(20)] + ["n1,nan", "n2,", "n3,inf"]
    )
    labels = write(
        tmp_path / "l.csv",
        "item_id,label",
        [f"i{i},{int(i < 3)}" for i in range(20)] + ["n1,1", "n2,0", "gone,1"],
    )
    found = evaluate([scores], labels, tmp_path / "out", QUICK)
    told = "\n".join(found["warnings"])
    assert "2 labelled rows (1 fraud) without a finite score" in told
    assert "'gone'" in told
    assert "all scores of labelled ids are equal" in told
    assert "only 3 groups" in told
    metrics = found["scores"][0]["metrics"]
    assert metrics["auroc"] == {"value": 0.5, "low": None, "high": None}
    assert metrics["auprc"]["value"] == pytest.approx(3 / 20)
    assert metrics["precision_at_5"]["value"] == pytest.approx(3 / 20)
    assert np.isnan(metrics["precision"]["value"])  # nothing is flagged
    jsonschema.validate(
        json.loads((tmp_path / "out" / "evaluation.json").read_text()),
        json.loads((resources.files("graphdet.reports") / "schemas" / EVALUATION_SCHEMA_FILE).read_text()),
    )


@pytest.mark.parametrize(
    ("scores", "labels", "wanted"),
    [
        (["user_id,score", "a,0.1"], ["user_id,label", "a,1"], "all 1 labels that have a score are fraud"),
        (["user_id,score", "a,0.1"], ["user_id,label", "b,1", "c,0"], "none of its 2 labels"),
        (["user_id,score", "a,x"], ["user_id,label", "a,1"], "line 2: the score 'x' is no number"),
        (
            ["user_id,score", "a,.1", "a,.2"],
            ["user_id,label", "a,1"],
            "lines 2 and 3: user_id 'a' has two scores",
        ),
        (["user_id,score", "a,.1"], ["user_id,label", "a,1", "a,0"], "labelled both 1 and 0"),
        (["user_id,score", "a,.1"], ["user_id,label", "a,2"], "label '2' is neither 1, 0 nor empty"),
        (["user_id,score", "a,.1"], ["item_id,label", "a,1"], "there is no column user_id"),
        (["name,score", "a,.1"], ["user_id,label", "a,1"], "there is no column of ids"),
        (["user_id,points", "a,.1"], ["user_id,label", "a,1"], "there is no column score"),
        (["user_id,score"], ["user_id,label", "a,1"], "no row beside the header"),
        (["user_id,score", ",.1"], ["user_id,label", "a,1"], "line 2: the user_id is missing"),
        (["user_id,score,flagged", "a,.1,maybe"], ["user_id,label", "a,1"], "neither true nor false"),
        (["user_id,score", "a,.1"], ["user_id,label", "a,"], "every label is empty"),
    ],
)
def test_files_that_cannot_be_used(scores: list[str], labels: list[str], wanted: str, tmp_path: Path) -> None:
    one = write(tmp_path / "s.csv", scores[0], scores[1:])
    other = write(tmp_path / "l.csv", labels[0], labels[1:])
    with pytest.raises(InputError, match=wanted.replace("(", r"\(")):
        evaluate([one], other, tmp_path / "out", QUICK)


def test_options_that_cannot_be_used(made: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    scores, labels, _, _ = made
    for wanted, words in (
        (Wanted(costs=Costs(-1, 1)), "--cost-fn"),
        (Wanted(costs=Costs(0, 0)), "both 0"),
        (Wanted(threshold=float("nan")), "--threshold"),
        (Wanted(threshold=0.1, threshold_labels=labels), "not both"),
        (Wanted(ks=(0,)), "--k"),
    ):
        with pytest.raises(UsageError, match=words):
            evaluate([scores], labels, tmp_path / "out", wanted)
    with pytest.raises(InputError, match="no column 'nothing'"):
        evaluate([scores], labels, tmp_path / "out", Wanted(by="nothing"))
    wide = write(tmp_path / "w.csv", "user_id,score", [f"u{i},{i}" for i in range(30)])
    with pytest.raises(UsageError, match="--threshold"):
        evaluate([wide], labels, tmp_path / "out", QUICK)
    found = evaluate([wide], labels, tmp_path / "out", Wanted(threshold=20, n_draws=0))
    assert found["scores"][0]["calibration"] is None
    assert "brier" not in found["scores"][0]["metrics"]
