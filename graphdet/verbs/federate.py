"""federate: owners of separate logs learn one ring judge and one network of users together, and show no row."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphdet.errors import GraphdetError
from graphdet.federate.examples import N_INPUTS, OwnLog, judge_examples, own_log
from graphdet.federate.matching import LEAST_EQUAL, Match, matches, offers, read_common_key
from graphdet.federate.networks import JUDGE, USERS, Arrays, UserNet, Voice
from graphdet.federate.privacy import SUMS_NOISE, Budget, NoisySteps, noise_for, spent
from graphdet.federate.rounds import Council
from graphdet.federate.start import judge_arrays, judge_of, user_start
from graphdet.federate.table import Table, packed, standings, unpacked
from graphdet.federate.wire import Parcel, PartyLine, check_address, listen
from graphdet.files import write_json
from graphdet.gnn.threads import one_thread
from graphdet.graph.encode import read_graph
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge, shipped_lessons
from graphdet.lab.models import write_card
from graphdet.learn.models import Models
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.rings.find import judge_rings, ring_candidates
from graphdet.rings.membership import user_membership
from graphdet.scores.fused import Fusion, ScoreParts
from graphdet.scores.unsupervised import Clusters, Density
from graphdet.tables import GraphArrays

FEDERATE_FILE, MATCHES_FILE = "federate.json", "matches.json"
SAMPLES = {JUDGE: 0.3, USERS: 0.3}  # of the examples, drawn anew in each round
OFFERED_FROM = -2.0  # logit of the judge, from which a group is looked for elsewhere: far below a flag
SERVER_SAMPLE = 0.3


@dataclass(frozen=True)
class ServeRequest:
    """How parties meet: how many, for how many rounds, where, with which certificates, how long one waits for one."""

    n_parties: int
    n_rounds: int = 100
    host: str = "127.0.0.1"
    port: int = 0
    tls: Path | None = None
    patience_s: float = 600.0
    seed: int = 0


@dataclass(frozen=True)
class JoinRequest:
    """Where a party joins, under which name, and what it allows.

    budget: of privacy, None for no noise. match_key: the file of the key for matching; None: nothing is matched.
    """

    host: str
    port: int
    name: str
    budget: Budget | None = None
    match_key: Path | None = None
    tls: Path | None = None
    seed: int = 0


def serve_parties(request: ServeRequest, told: Callable[[str], None]) -> dict[str, Any]:
    """Wait for the parties, lead them through the rounds, and return when all have left: facts for people.

    Both networks start from those that come with graphdet, and the lessons of the shipped judge speak in every round.

    Raises:
        UsageError: the address cannot be used.
    """
    check_address(request.host, request.tls)
    start = shipped_judge()
    councils = {
        JUDGE: Council(JUDGE, N_INPUTS[JUDGE], request.n_rounds, request.seed, JUDGE_DIRECTION),
        USERS: Council(USERS, N_INPUTS[USERS], request.n_rounds, request.seed),
    }
    councils[JUDGE].take(judge_arrays(start))
    councils[USERS].take(user_start())
    base = Voice(JUDGE, judge_examples(shipped_lessons(), start), SERVER_SAMPLE, seed=request.seed)

    def own(weights: Mapping[str, Arrays]) -> dict[str, Arrays]:
        with one_thread():
            return {JUDGE: base.gradient(weights[JUDGE])}

    table = Table(councils, request.n_parties, request.n_rounds, request.patience_s, own, told)
    answers = {"join": table.join, "speak": table.speak, "match": table.match, "leave": table.leave}
    server, port = listen(f"{request.host}:{request.port}", request.tls, request.n_parties, answers)
    told(f"Listening on {request.host}:{port} for {request.n_parties} parties; stop it with Ctrl-C.")
    try:
        table.wait()
    finally:
        server.stop(grace=5).wait()
    for line in standings(table):
        told(line)
    return {
        "parties": table.parties,
        "gone": sorted(table.gone),
        "rounds": request.n_rounds,
        "standing": {
            kind: {name: asdict(its) for name, its in of.standing.items()} for kind, of in councils.items()
        },
    }


def join(
    store: CaseworkStore, model_dir: Path, request: JoinRequest, progress: Progress | None = None
) -> dict[str, Any]:
    """Learn together with the others and keep the models, as train does; facts for people, with what was spent.

    What leaves are the gradients of both networks and, with a key, keyed hashes of the targets of suspicious groups.

    Raises:
        NotEnoughData: the log is too small to learn from.
        UsageError: the address, the budget or the key cannot be used.
        GraphdetError: the server does not answer, or refuses.
    """
    progress = progress or Silent()
    check_address(request.host, request.tls)
    key = read_common_key(request.match_key) if request.match_key is not None else None
    line = PartyLine(f"{request.host}:{request.port}", request.tls)
    try:
        terms = line.ask("join", Parcel({"name": request.name, "inputs": N_INPUTS}, {})).header
        try:
            facts = _take_part(line, terms, store, model_dir, key, request, progress)
        finally:
            line.ask("leave", Parcel({"name": request.name}, {}))
    finally:
        line.close()
    return facts


def _take_part(
    line: PartyLine,
    terms: Mapping[str, Any],
    store: CaseworkStore,
    model_dir: Path,
    key: bytes | None,
    request: JoinRequest,
    progress: Progress,
) -> dict[str, Any]:
    """What a party does between joining and leaving; what was learned is kept before anything is matched."""
    graph, start = read_graph(store, progress), shipped_judge()
    own = own_log(graph, store.bench, start, request.seed, progress)
    facts, judge, gnn = _learn(line, terms, own, start, request, progress)
    progress.start("keep the models")
    _models(own, judge, gnn, request.seed).save(model_dir)
    facts |= {"learned_from": "planted campaigns, with others", "warnings": []}
    write_card(store, model_dir, None, {"seed": request.seed}, facts)
    progress.done()
    if key is not None:
        found, matched = _match(line, graph, store, judge, key, request, facts["patience_s"], progress)
        facts |= {"offered": matched.pop("offered"), "matches": len(found)}
        write_json(model_dir / MATCHES_FILE, matched)
    write_json(model_dir / FEDERATE_FILE, facts)
    return facts


def _learn(
    line: PartyLine,
    terms: Mapping[str, Any],
    own: OwnLog,
    start: RingJudge,
    request: JoinRequest,
    progress: Progress,
) -> tuple[dict[str, Any], RingJudge, UserNet]:
    """Take part in the rounds."""
    n_rounds, patience = int(terms["rounds"]), float(terms["patience_s"])
    noise, epsilon = 0.0, None
    if request.budget is not None:
        steps = [NoisySteps(n_rounds, sample) for sample in SAMPLES.values()]
        noise = noise_for(request.budget, steps, sums=True)
        epsilon = spent(noise, steps, sums=True, delta=request.budget.delta)
    voices = {
        JUDGE: Voice(JUDGE, own.judge_examples(start), SAMPLES[JUDGE], noise, seed=request.seed),
        USERS: Voice(USERS, own.user_examples(noise * SUMS_NOISE), SAMPLES[USERS], noise, seed=request.seed),
    }
    progress.start("learn together", n_rounds)
    weights = _spoken(line, request.name, 0, {}, patience)
    for number in range(1, n_rounds + 1):
        with one_thread():
            said = {kind: voice.gradient(weights[kind]) for kind, voice in voices.items()}
        weights = _spoken(line, request.name, number, said, patience)
        progress.advance()
    progress.done()
    net = UserNet(N_INPUTS[USERS])
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights[USERS].items()})
    facts: dict[str, Any] = {"parties": int(terms["parties"]), "rounds": n_rounds, "patience_s": patience}
    if request.budget is not None:
        facts |= {"epsilon": epsilon, "delta": request.budget.delta, "noise": noise}
    return facts, judge_of(weights[JUDGE], start), net


def _spoken(
    line: PartyLine, name: str, number: int, said: Mapping[str, Arrays], patience_s: float
) -> dict[str, Arrays]:
    """Say a round's gradients; gives the weights after it. Before the first, others may still be reading their logs."""
    answer = line.ask("speak", Parcel({"name": name, "round": number}, packed(said)), 10 * patience_s)
    weights = unpacked(answer.arrays)
    if set(weights) != set(SAMPLES) or not all(
        np.isfinite(value).all() for of in weights.values() for value in of.values()
    ):
        raise GraphdetError(
            "the server sent weights that are not those of both networks; use one version everywhere"
        )
    return weights


def _match(
    line: PartyLine,
    graph: GraphArrays,
    store: CaseworkStore,
    judge: RingJudge,
    key: bytes,
    request: JoinRequest,
    patience_s: float,
    progress: Progress,
) -> tuple[list[Match], dict[str, Any]]:
    """Offer suspicious groups of the log itself; gives those that go on elsewhere, and the same as JSON."""
    _, candidates = ring_candidates(graph, store.bench, request.seed, progress)
    logit = judge.logits(candidates.inputs, candidates.fold)
    chosen = [int(row) for row in np.argsort(-logit, kind="stable") if logit[row] >= OFFERED_FROM]
    groups = offers(graph, candidates.blocks, chosen, key)
    offered = [group.offer.to_json() for group in groups]
    answer = line.ask("match", Parcel({"name": request.name, "offers": offered}, {}), 10 * patience_s)
    found = matches(graph, groups, answer.header.get("overlaps", []))
    rows = [
        {
            "party": match.party,
            "members_there": match.members_there,
            "chance": match.chance,
            "logit_here": round(float(logit[match.block]), 4),
            "members": graph.user_ids.take(candidates.blocks.members(match.block)).to_pylist(),
            "items": graph.item_ids.take(list(match.items)).to_pylist(),
        }
        for match in found
    ]
    return found, {"offered": len(groups), "least_shared": LEAST_EQUAL, "matches": rows}


def _models(own: OwnLog, judge: RingJudge, net: UserNet, seed: int) -> Models:
    """What train would keep of this log, with the judge and the network that were learned together."""
    gnn = own.network(net.net)
    usual = own.users[own.task.y != 1]
    density, clusters = Density.fit(usual), Clusters.fit(usual, seed)
    ring, _ = user_membership(judge_rings(own.candidates, judge.logits, 0.05), own.candidates.model)
    parts = ScoreParts(
        gnn.predict(own.data, "cpu"),
        clusters.score(own.users),
        density.score(own.users),
        ring,
        company=own.company,
    )
    return Models(judge, gnn, density, clusters, Fusion.fit(parts, own.task.y))
