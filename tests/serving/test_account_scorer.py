"""Single accounts from a warm process: as the whole pipeline scores them, and with acts that came since."""

import json
import subprocess
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphdet.errors import GraphdetError, UsageError
from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.graph.encode import read_graph
from graphdet.learn.models import load_models
from graphdet.progress import Silent
from graphdet.rings.finding import Explanation, RingFinding, RingMember, ring_tables
from graphdet.serving.accounts import AccountScorer
from graphdet.serving.acts import NewAct
from graphdet.serving.build import account_scorer
from graphdet.serving.network import load_network
from graphdet.serving.packing import Form, Precision
from graphdet.serving.student import load_account_model
from graphdet.serving.teaching import network_view
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.export import export
from graphdet.verbs.score import ScoreRequest, score
from tests.helpers.serving_world import World, store_of, write_log

pytestmark = pytest.mark.slow
LOGIT = 1e-4  # the promise


@pytest.fixture(scope="module")
def world(trained_world: World) -> World:
    return trained_world


@pytest.fixture(scope="module")
def labelled(labelled_world: World) -> World:
    return labelled_world


def warmed(world: World, model: Path | None = None) -> AccountScorer:
    store = world.open()
    try:
        return account_scorer(store, model or world.model)
    finally:
        store.close()


@pytest.fixture(scope="module")
def scorer(world: World) -> AccountScorer:
    return warmed(world)


def test_every_account_gets_the_score_of_the_pipeline(
    world: World, scorer: AccountScorer, tmp_path: Path
) -> None:
    store = world.copy(tmp_path)
    whole = {
        row["user_id"]: row
        for row in score(store, world.model, ScoreRequest(device="cpu")).scores.to_pylist()
    }
    store.close()
    for user_id, row in whole.items():
        found = scorer.score(user_id)
        for name in ("score", "gnn", "cluster_distance", "probability"):
            assert found[name] == pytest.approx(row[name], abs=1e-5), (user_id, name)


def test_a_member_of_a_burst_is_as_sure_as_the_burst(
    world: World, scorer: AccountScorer, tmp_path: Path
) -> None:
    store = world.copy(tmp_path)
    nothing = store.rings()
    user, other = scorer.warm.graph.user_ids.slice(0, 2).to_pylist()
    burst = RingFinding(
        "R1", 1, 1, 0.97, 0.0, 0.0, True, None, None, "", Explanation(), (RingMember(user, 0.97),)
    )
    burst = replace(burst, kind="burst")
    held = replace(burst, ring_id="R2", flagged=False, members=(RingMember(other, 0.97),))
    store.write_rings(ring_tables([burst, held]))
    found = account_scorer(store, world.model)
    store.write_rings(nothing)
    store.close()
    assert found.score(user)["score"] >= 0.97
    assert found.score(other)["score"] == pytest.approx(scorer.score(other)["score"])


def test_models_of_labels_score_single_accounts_alike(labelled: World, tmp_path: Path) -> None:
    """Trees and networks that have not seen an account's label judge it, from the log, its acts and an export."""
    store = labelled.copy(tmp_path)
    whole = {
        row["user_id"]: row
        for row in score(store, labelled.model, ScoreRequest(device="cpu")).scores.to_pylist()
    }
    store.close()
    scorer = warmed(labelled)
    export(labelled.model, tmp_path / "out")
    exported = warmed(labelled, tmp_path / "out")
    assert scorer.trees is not None
    assert scorer.trees.logit.std() > 0.3
    assert (scorer.trees.fold >= 0).mean() == pytest.approx(0.5, abs=0.01)
    for row, user_id in enumerate(labelled.graph.user_ids.to_pylist()):
        found = scorer.score(user_id)
        for name in ("score", "gnn", "cluster_distance", "probability"):
            assert found[name] == pytest.approx(whole[user_id][name], abs=1e-5), (user_id, name)
        assert exported.score(user_id) == found
        assert scorer.trees_logit(scorer.from_acts(row, ())) == pytest.approx(
            float(scorer.trees.logit[row]), abs=1e-4
        )
    items, last = labelled.graph.item_ids.to_pylist(), int(labelled.graph.at_ms.max())
    stranger = scorer.score("stranger", [NewAct(items[3 * k], last + k * 600_000) for k in range(8)])
    assert np.isfinite(stranger["trees_logit"])
    store = labelled.open()
    with pytest.raises(UsageError, match="--format plain"):
        export(labelled.model, tmp_path / "s", form=Form.student, store=store)
    with pytest.raises(UsageError, match="not seen their labels"):
        export(labelled.model, tmp_path / "s", form=Form.pruned, store=store)
    store.close()


def test_logits_are_those_of_torch(world: World, scorer: AccountScorer) -> None:
    store = world.open()
    data, users = in_pyg(store)
    store.close()
    wanted = load_models(world.model).gnn.predict(data, "cpu")
    names = world.graph.user_ids.to_pylist()
    found = np.array([scorer.logit(scorer.account(name)) for name in names])
    assert np.abs(found - wanted).max() < LOGIT
    assert wanted.std() > 0.1  # a network that tells accounts apart
    assert (scorer.warm.features == users).all()


def in_pyg(store: DuckDBStore):
    graph = read_graph(store, Silent())
    windows = find_pairs(graph, store.bench, Silent())
    users, items = behaviour(graph, store.bench, Silent())
    return graph_in_pyg(graph, users, items, windows, Silent()), users


def test_the_way_from_acts_gives_what_the_log_gave(world: World, scorer: AccountScorer) -> None:
    """The fast path, from an account's acts, against the whole-log expressions, for every account."""
    warm = scorer.warm
    for row in range(world.graph.n_users):
        found = scorer.from_acts(row, ())
        assert np.abs(found.features - warm.features[row]).max() < 1e-8
        assert np.abs(found.x - warm.x[row]).max() < 1e-5
        ties = slice(warm.ties.start[row], warm.ties.start[row + 1])
        assert found.ties is not None
        assert found.ties.speaker.tolist() == warm.ties.src[ties].tolist()
        assert np.allclose(found.ties.attributes, warm.ties.attributes[ties], atol=1e-6)
        assert found.n_partners == warm.n_partners[row]


def test_new_acts_change_behaviour_as_a_log_with_them_would(
    world: World, scorer: AccountScorer, tmp_path: Path
) -> None:
    """Own behaviour is exact; the logit is near, as partners and audiences stand still."""
    graph = world.graph
    at = int(graph.at_ms.max())
    items, users = graph.item_ids.to_pylist(), graph.user_ids.to_pylist()
    known = users[7]
    acts = {
        known: [NewAct(items[k], at + k * 60_000, session_id="later") for k in range(5)],
        "stranger": [NewAct(items[3 * k], at + k * 600_000, session_id="first") for k in range(8)],
        "inventor": [
            NewAct("never seen", at, session_id="one"),
            NewAct(items[0], at + 5_000, session_id="one"),
        ],
    }
    for number, (user, new) in enumerate(acts.items()):
        more = [(user, act.item_id, f"{act.session_id}{number}", act.at_ms, act.action) for act in new]
        log = write_log(graph, tmp_path / f"{number}.csv", more)
        store = store_of(log, tmp_path / f"{number}.duckdb")
        data, features = in_pyg(store)
        row = read_graph(store, Silent()).user_ids.to_pylist().index(user)
        store.close()
        found = scorer.account(user, new)
        assert np.abs(found.features - features[row]).max() < 1e-8
        wanted = load_models(world.model).gnn.predict(data, "cpu")[row]
        assert scorer.logit(found) == pytest.approx(wanted, abs=0.2)
        answer = scorer.score(user, new)
        assert answer["n_new_acts"] == len(new)
        assert 0 < answer["score"] < 1


def test_an_account_that_joins_a_campaign_looks_worse(world: World, scorer: AccountScorer) -> None:
    graph = world.graph
    logits = scorer.model.logits_of_all(scorer.warm.x, scorer.warm.ties)
    worst = int(logits.argmax())
    mine = slice(*np.searchsorted(graph.user_ix, [worst, worst + 1]))
    copied = [
        NewAct(graph.item_ids[int(item)].as_py(), int(at) + 1_000)
        for item, at in zip(graph.item_ix[mine], graph.at_ms[mine], strict=True)
    ]
    copy = scorer.account("copy", copied)
    assert worst in copy.ties.speaker
    assert scorer.logit(copy) > np.median(logits) + 1


def test_who_is_unknown_is_told_so(scorer: AccountScorer) -> None:
    with pytest.raises(UsageError, match="no user 'nobody'"):
        scorer.score("nobody")


@pytest.mark.parametrize("precision", list(Precision))
def test_an_exported_network_scores_alike(
    precision: Precision, world: World, scorer: AccountScorer, tmp_path: Path
) -> None:
    store = world.open()
    document = export(world.model, tmp_path / "out", precision=precision, store=store)
    again = account_scorer(store, tmp_path / "out")
    store.close()
    most = {"float32": 0.0, "float16": 0.02, "int8": 0.3}[precision]
    assert document["loss"]["max_abs_logit"] <= most
    assert document["loss"]["n_accounts"] == world.graph.n_users
    whole, packed = scorer.warm.x, again.warm.x
    assert (whole == packed).all()
    for name in world.graph.user_ids.to_pylist()[::25]:
        off = abs(again.logit(again.account(name)) - scorer.logit(scorer.account(name)))
        assert off <= document["loss"]["max_abs_logit"] + LOGIT
    before = (world.model / "gnn.safetensors").stat().st_size
    assert (
        document["files"]["gnn.safetensors"]
        < before * {"float32": 1.01, "float16": 0.6, "int8": 0.45}[precision]
    )


def test_a_student_learns_and_its_loss_is_of_accounts_it_has_not_seen(world: World, tmp_path: Path) -> None:
    store = world.open()
    document = export(world.model, tmp_path / "s", form=Form.student, store=store)
    again = account_scorer(store, tmp_path / "s")
    store.close()
    loss = document["loss"]
    assert loss["rank_correlation"] > 0.8
    assert sorted(document["files"]) == [
        "ring_judge.json",
        "ring_judge.safetensors",
        "scorers.json",
        "student.json",
    ]
    answer = again.score(world.graph.user_ids[0].as_py())
    assert np.isfinite(answer["gnn_logit"])
    told = json.loads((tmp_path / "s" / "student.json").read_text())
    assert told["about"]["loss_out_of_fold"] == loss
    (tmp_path / "s" / "student.json").write_text(json.dumps(told | {"trees": told["trees"][:200]}))
    store = world.open()
    with pytest.raises(GraphdetError, match="damaged"):
        account_scorer(store, tmp_path / "s")
    store.close()


def test_a_pruned_model_is_the_first_network_alone_and_its_loss_is_told(world: World, tmp_path: Path) -> None:
    whole, store = load_network(world.model), world.open()
    document = export(world.model, tmp_path / "p", form=Form.pruned, precision=Precision.int8, store=store)
    full = export(world.model, tmp_path / "f", precision=Precision.int8, store=store)
    seen = network_view(store, whole, Silent())
    store.close()
    kept = load_account_model(tmp_path / "p").logits_of_all(seen.x, seen.ties)
    first = replace(whole, members=whole.members[:1]).logits_of_all(seen.x, seen.ties)
    both = whole.logits_of_all(seen.x, seen.ties)
    assert len(whole.members) > 1
    assert np.abs(kept - first).max() < 0.3 < np.abs(both - first).max()
    assert document["loss"]["max_abs_logit"] == pytest.approx(np.abs(kept - both).max(), abs=1e-5)
    assert document["files"]["gnn.safetensors"] < 0.6 * full["files"]["gnn.safetensors"]


def test_one_export_takes_the_place_of_another_but_never_of_a_trained_model(
    world: World, tmp_path: Path
) -> None:
    store = world.open()
    export(world.model, tmp_path / "out", form=Form.student, store=store)
    store.close()
    export(world.model, tmp_path / "out")
    assert not (tmp_path / "out" / "student.json").exists()
    with pytest.raises(UsageError, match="trained model"):
        export(tmp_path / "out", world.model)
    with pytest.raises(UsageError, match="another folder"):
        export(tmp_path / "out", tmp_path / "out")


def test_a_student_needs_a_log_and_packing_a_plain_network(world: World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--store"):
        export(world.model, tmp_path / "a", form=Form.student)
    with pytest.raises(UsageError, match="--weights int8"):
        export(world.model, tmp_path / "a", form=Form.onnx, precision=Precision.int8)
    with pytest.raises(GraphdetError, match=r"gnn\.json is missing"):
        export(tmp_path / "nowhere", tmp_path / "a")


def test_a_process_that_scores_never_loads_torch(world: World) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from graphdet.serving.build import account_scorer\nfrom graphdet.store import open_store\n"
        f"store = open_store('duckdb:{world.store}', read_only=True)\n"
        f"scorer = account_scorer(store, Path({str(world.model)!r}))\n"
        f"assert 0 < scorer.score({world.graph.user_ids[0].as_py()!r})['score'] < 1\n"
        "assert 'torch' not in sys.modules and 'torch_geometric' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_in_a_log_without_times_a_new_act_has_none(scorer: AccountScorer) -> None:
    graph = scorer.warm.graph
    untimed = copy(scorer)
    untimed.warm = replace(scorer.warm, graph=replace(graph, at_ms=np.zeros_like(graph.at_ms)))
    acts = untimed._acts(graph.n_users, [NewAct(graph.item_ids[0].as_py(), 1_700_000_000_000)])
    assert acts.at_ms.tolist() == [0]
    assert scorer._acts(graph.n_users, [NewAct(graph.item_ids[0].as_py(), 7)]).at_ms.tolist() == [7]
