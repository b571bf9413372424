"""Gradients together, with one party that lies; the wire; privacy; matching."""

import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from graphdet.errors import GraphdetError, UsageError
from graphdet.federate.examples import N_INPUTS
from graphdet.federate.matching import Offer, overlaps, read_common_key
from graphdet.federate.networks import JUDGE, USERS, Arrays, OwnExamples, Voice
from graphdet.federate.privacy import Budget, NoisySteps, noise_for, spent
from graphdet.federate.rounds import Council
from graphdet.federate.start import judge_arrays, judge_of, user_start
from graphdet.federate.table import Table, packed, unpacked
from graphdet.federate.wire import Parcel, PartyLine, check_address, listen, read_tls
from graphdet.gnn.inputs import heard_from_partners
from graphdet.judge.shipped import shipped_judge
from graphdet.rings.evidence_table import JUDGE_DIRECTION

ROUNDS = 60
RNG = np.random.default_rng(0)


def examples(seed: int, n: int = 400) -> OwnExamples:
    """Two columns tell a positive."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, N_INPUTS[USERS])).astype(np.float32)
    positive = x[:, 0] + x[:, 1] > 1
    return OwnExamples(x, positive, np.ones((n, 1), np.float32))


def learned(council: Council, voices: dict[str, Voice], poisoned: str | None = None) -> float:
    """Average precision of the network after its rounds, on examples of nobody; chance is about a quarter."""
    for _ in range(ROUNDS):
        weights = council.weights()
        said = {name: voice.gradient(weights) for name, voice in voices.items()}
        if poisoned is not None:
            said[poisoned] = {name: -30 * value for name, value in said[poisoned].items()}
        council.step(said)
    unseen = examples(99, 2_000)
    with torch.no_grad():
        logits = council.net(torch.from_numpy(unseen.x)).numpy()[:, 0]
    return float(average_precision_score(unseen.positive, logits))


def test_one_of_five_who_lies_is_outvoted_and_named() -> None:
    voices = {f"party {k}": Voice(USERS, examples(k), 1.0) for k in range(5)}
    robust, plain = (Council(USERS, N_INPUTS[USERS], ROUNDS, robust=robust) for robust in (True, False))
    assert learned(robust, voices, "party 3") > 0.55
    assert learned(plain, voices, "party 3") < 0.4
    assert [name for name, its in robust.standing.items() if its.is_suspect] == ["party 3"]


def test_together_is_as_one_owner_of_all() -> None:
    """Of equally large parties, the mean gradient is the gradient of all examples."""
    parts = [examples(k) for k in range(3)]
    pooled = OwnExamples(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "positive", "weight"))
    )
    weights = Council(USERS, N_INPUTS[USERS], 2).weights()
    alone = Voice(USERS, pooled, 1.0).gradient(weights)
    said = [Voice(USERS, part, 1.0).gradient(weights) for part in parts]
    for name, value in alone.items():
        np.testing.assert_allclose(np.mean([each[name] for each in said], axis=0), value, atol=1e-6)


def test_the_judge_stays_monotone() -> None:
    council = Council(JUDGE, N_INPUTS[JUDGE], 5, direction=JUDGE_DIRECTION)
    council.take(judge_arrays(shipped_judge()))
    x = RNG.standard_normal((50, N_INPUTS[JUDGE])).astype(np.float32)
    voice = Voice(JUDGE, OwnExamples(x, x[:, 0] < 0, np.ones((50, 6), np.float32)), 1.0)
    for _ in range(5):
        council.step({"one": voice.gradient(council.weights())})
    judge = judge_of(council.weights(), shipped_judge())
    fold = np.zeros(50, np.int64)
    for column, direction in enumerate(JUDGE_DIRECTION):
        more = x.astype(np.float64)
        more[:, column] += direction
        change = judge.logits(more, fold) - judge.logits(x.astype(np.float64), fold)
        assert (change >= -1e-9).all()


def test_the_start_is_the_shipped_judge() -> None:
    judge = judge_of(judge_arrays(shipped_judge()), shipped_judge())
    inputs, fold = RNG.standard_normal((9, N_INPUTS[JUDGE])), np.arange(9) % 2
    np.testing.assert_array_equal(judge.logits(inputs, fold), shipped_judge().logits(inputs, fold))
    assert {name: value.shape for name, value in user_start().items()} == {
        name: value.shape for name, value in Council(USERS, N_INPUTS[USERS], 2).weights().items()
    }


def test_the_noise_is_what_the_budget_asks_for() -> None:
    steps = [NoisySteps(100, 0.3)]
    noise = {epsilon: noise_for(Budget(epsilon, 1e-5), steps, sums=True) for epsilon in (1.0, 8.0)}
    assert noise[1.0] > 3 * noise[8.0]
    for epsilon, found in noise.items():
        assert 0.9 * epsilon < spent(found, steps, True, 1e-5) <= epsilon
        assert spent(found, steps, False, 1e-5) < spent(found, steps, True, 1e-5)
    with pytest.raises(UsageError, match="above 0"):
        Budget(0.0, 1e-5)
    with pytest.raises(UsageError, match="fewer rounds"):
        noise_for(Budget(1e-4, 1e-9), [NoisySteps(10_000, 1.0)], sums=True)


def test_no_example_says_more_than_the_clip_and_noise_is_added() -> None:
    loud = examples(1, 1)
    loud = OwnExamples(loud.x, np.array([True]), loud.weight)
    weights = Council(USERS, N_INPUTS[USERS], 2).weights()
    bare = Voice(USERS, loud, 1.0).gradient(weights)
    length = float(np.sqrt(sum((value**2).sum() for value in bare.values())))
    for clip in (length / 4, length * 4):
        said = Voice(USERS, loud, 1.0, noise=1e-6, clip=clip).gradient(weights)
        assert np.sqrt(sum((value**2).sum() for value in said.values())) == pytest.approx(
            min(clip, length), rel=1e-3
        )
    voice = Voice(USERS, loud, 1.0, noise=3.0, clip=0.5)
    first, second = (np.concatenate([v.ravel() for v in voice.gradient(weights).values()]) for _ in range(2))
    assert np.std(first - second) == pytest.approx(3.0 * 0.5 * np.sqrt(2), rel=0.05)


def test_sums_over_partners_change_little_with_one_user() -> None:
    """Without noise, taking out what one user says moves the sums by no more than the noise is scaled by."""
    n, most = 60, 4
    user = RNG.standard_normal((n, 22)).astype(np.float32) * 3
    tie = np.array([(a, b) for a in range(n) for b in range(n) if a != b and (a * b) % 3]).T
    heard = heard_from_partners(user, tie, most)
    count = np.expm1(heard[:, -1:])
    assert count.max() > most  # a listener may hear more; a speaker is heard by few
    assert count.sum() == sum(min(most, (tie[0] == speaker).sum()) for speaker in range(n))
    noisy = heard_from_partners(user, tie, most, 2.0, np.random.default_rng(1))
    assert np.abs(noisy[:, 22:] - heard[:, 22:]).mean() > 0.1
    np.testing.assert_array_equal(noisy[:, :22], user)


def table(n_parties: int, told: list[str], patience_s: float = 60.0) -> Table:
    councils = {USERS: Council(USERS, N_INPUTS[USERS], 2)}
    return Table(councils, n_parties, 2, patience_s, lambda _: {}, told.append)


def said(name: str, number: int, gradients: Arrays | None = None) -> Parcel:
    return Parcel({"name": name, "round": number}, packed({USERS: gradients} if gradients else {}))


def test_a_silent_party_is_left_out_and_the_others_go_on() -> None:
    told: list[str] = []
    of = table(3, told, patience_s=0.05)
    for name in ("a", "b", "c"):
        of.join(None, Parcel({"name": name, "inputs": {USERS: N_INPUTS[USERS]}}, {}))
    answers: dict[str, Parcel] = {}
    threads = [
        threading.Thread(target=lambda name=name: answers.update({name: of.speak(None, said(name, 0))}))  # type: ignore[misc]
        for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert set(answers) == {"a", "b"}
    assert unpacked(answers["a"].arrays)[USERS]
    assert of.gone == {"c"}
    assert "c silent" in told[-1]
    with pytest.raises(GraphdetError, match="taken for gone"):
        of.speak(None, said("c", 0))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda value: value[:1], "right shape"),
        (lambda value: value.astype(np.float64), "right shape"),
        (lambda value: value * np.nan, "not finite"),
    ],
)
def test_what_is_no_gradient_is_refused(spoil: object, what: str) -> None:
    of = table(2, [])
    of.join(None, Parcel({"name": "a", "inputs": {USERS: N_INPUTS[USERS]}}, {}))
    of.round = 1
    weights = of.councils[USERS].weights()
    first = next(iter(weights))
    with pytest.raises(GraphdetError, match=what):
        of.speak(None, said("a", 1, weights | {first: spoil(weights[first])}))  # type: ignore[operator]


def test_nobody_runs_ahead() -> None:
    """Who speaks of a later round, or matches before the end, would have the others taken for late."""
    of = table(2, [])
    of.join(None, Parcel({"name": "a", "inputs": {USERS: N_INPUTS[USERS]}}, {}))
    with pytest.raises(GraphdetError, match="when it is round 0"):
        of.speak(None, said("a", 2))
    with pytest.raises(GraphdetError, match="before all has been learned"):
        of.match(None, Parcel({"name": "a", "offers": []}, {}))


def test_names_are_told_apart_and_other_versions_refused() -> None:
    of = table(2, [])
    hello = Parcel({"name": "a", "inputs": {USERS: N_INPUTS[USERS]}}, {})
    of.join(None, hello)
    with pytest.raises(GraphdetError, match="called a already"):
        of.join(None, hello)
    with pytest.raises(GraphdetError, match="certificate is of b"):
        of.join("b", hello)
    with pytest.raises(GraphdetError, match="other inputs"):
        of.join(None, Parcel({"name": "c", "inputs": {USERS: 3}}, {}))


def test_the_wire_carries_numbers_and_nothing_that_runs() -> None:
    arrays = {"a/b": RNG.standard_normal((2, 3)).astype(np.float32)}
    server, port = listen("127.0.0.1:0", None, 1, {"echo": lambda _, message: message})
    line = PartyLine(f"127.0.0.1:{port}", None)
    try:
        back = line.ask("echo", Parcel({"n": 1}, arrays))
        np.testing.assert_array_equal(back.arrays["a/b"], arrays["a/b"])
        assert back.header == {"n": 1}
    finally:
        line.close()
        server.stop(None)
    for broken in (b"", b"\x00\x00\x00\x05ab", b"\x00\x00\x00\x02{}\x80\x04\x95junk", b"\x00\x00\x00\x01[1"):
        with pytest.raises(GraphdetError, match="message"):
            Parcel.unpack(broken)


def test_nothing_leaves_the_machine_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--tls"):
        check_address("192.0.2.7", None)
    check_address("127.0.0.1", None)
    with pytest.raises(UsageError, match=r"authority\.pem"):
        read_tls(tmp_path)


def certified(folder: Path, authority: Path, name: str) -> Path:
    """A folder for --tls, made by the commands of docs/how-to/federate.md."""
    folder.mkdir()
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "host").write_text("subjectAltName=DNS:localhost")
    for words in (
        ("req", *curve, "-subj", f"/CN={name}", "-keyout", "key.pem", "-out", "request.csr"),
        ("x509", "-req", "-in", "request.csr", "-CA", str(authority / "authority.pem"), "-CAkey",
         str(authority / "authority.key"), "-CAcreateserial", "-out", "certificate.pem", "-extfile", "host"),
    ):  # fmt: skip
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    (folder / "authority.pem").write_bytes((authority / "authority.pem").read_bytes())
    return folder


def authority(folder: Path) -> Path:
    folder.mkdir()
    words = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=authority", "-keyout", "authority.key", "-out", "authority.pem")  # fmt: skip
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    return folder


def test_with_certificates_a_party_is_who_its_certificate_says(tmp_path: Path) -> None:
    ours, others = authority(tmp_path / "ours"), authority(tmp_path / "others")
    server_tls = certified(tmp_path / "server", ours, "server")
    who: list[str | None] = []

    def answer(name: str | None, message: Parcel) -> Parcel:
        who.append(name)
        return message

    server, port = listen("localhost:0", server_tls, 1, {"ask": answer})
    try:
        for folder in (
            certified(tmp_path / "north", ours, "north"),
            certified(tmp_path / "thief", others, "north"),
            None,
        ):
            line = PartyLine(f"localhost:{port}", folder)
            if folder is not None and folder.name == "north":
                line.ask("ask", Parcel({}, {}), 10)
            else:
                with pytest.raises(GraphdetError, match="do both ends use --tls"):
                    line.ask("ask", Parcel({}, {}), 3)
            line.close()
    finally:
        server.stop(None)
    assert who == ["north"]


def test_equal_hashes_are_told_to_both_and_to_nobody_else() -> None:
    one, two, three = (Offer(name, 5, tuple(f"{k:032d}" for k in some)) for name, some in
                       (("x", range(6)), ("y", range(3, 9)), ("z", range(7, 9))))  # fmt: skip
    told = overlaps({"a": [one], "b": [two], "c": [three]})
    assert [each["party"] for each in told["a"]] == ["b"]
    assert told["a"][0]["hashes"] == [f"{k:032d}" for k in range(3, 6)]
    assert told["b"][0] == {"group": "y", "party": "a", "n_members": 5, "hashes": told["a"][0]["hashes"]}
    assert told["c"] == []  # two are too few


def test_a_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    key = tmp_path / "key"
    with pytest.raises(UsageError, match="openssl rand"):
        read_common_key(key)
    key.write_text("k" * 32)
    key.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        read_common_key(key)
    key.chmod(0o600)
    assert read_common_key(key) == b"k" * 32
    key.write_text("short")
    with pytest.raises(UsageError, match="5 bytes"):
        read_common_key(key)
