"""Texts: one spelling, counts, near duplicates, reuse before t, n-grams that are kept as JSON and safetensors."""

import itertools
import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdet.errors import GraphdetError
from graphdet.text.near import REUSE_FEATURES, SHINGLE, near_clusters, others, reuse, signatures
from graphdet.text.ngrams import Ngrams, NgramSettings, learn_ngrams
from graphdet.text.normal import MOST_CHARS, clean, normalise, template, template_id
from graphdet.text.shape import SHAPE_FEATURES, links, shape

HOSTILE = [
    "",
    "\0",
    "a\0b",
    "\ud800 lone \udfff",
    "🔥🔥🔥👍🏽👨‍👩‍👧",
    "é" * 20_000,
    "<" * 30_000,
    "&" * 30_000,
    "http://[::1 http://" + "a." * 5000,
    "مرحبا بالعالم شاهد قناتي الآن",
    "请订阅我的频道谢谢大家点击链接领取红包",
    "नमस्ते दुनिया",
    "=HYPERLINK(1)",
    "<script>alert(1)</script>",
    "z̶̢̛͓͎a̷̧͔͝l̵̨̰͠g̴̡̈́o̶͇͌",
    " \t\n\u2028",
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FREE Money", "free money"),
        ("fr\u200bee\u00ad mo\u2060ney", "free money"),
        ("\u202efree\u202c money", "free money"),
        ("ｆｒｅｅ 𝐦𝐨𝐧𝐞𝐲", "free money"),
        ("frее mоnеу", "free money"),  # Cyrillic in Latin words
        ("free&amp;lt;br&amp;gt;money", "free money"),
        ("free<br />money", "free money"),
        ("ﬁne", "fine"),
        ("cafe\u0301", "café"),
    ],
)
def test_what_reads_alike_is_spelled_alike(one: str, other: str) -> None:
    assert normalise(one) == normalise(other) == other


def test_words_of_one_script_stay() -> None:
    for text in ("сор", "привет мир", "ορος".replace("ς", "σ"), "频道", "שלום"):
        assert normalise(text) == text
    assert normalise("сор and cop") == "сор and cop"  # each word has one script


def test_marks_do_not_pile_up() -> None:
    assert normalise("a" + "\u0330" * 500) == normalise("a" + "\u0330" * 2)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_spelling_that_can_be_written(text: str) -> None:
    for found in (clean(text), normalise(text), template(text), template_id(text) or ""):
        found.encode()
        assert "\0" not in found
        assert "\n" not in found
    values = shape([text])
    assert np.isfinite(values).all()
    assert (values >= 0).all()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_go_through_everything(text: str) -> None:
    many = [text, text + "x", None, "an ordinary text"]
    names, found = reuse(many, np.arange(4), np.arange(4))
    assert found.shape == (4, len(names))
    assert np.isnan(found[2]).all()
    assert np.isfinite(learn_ngrams(many).matrix(many).data).all()


def test_a_megabyte_is_read_at_its_beginning_and_soon() -> None:
    for unit in ("spam ", "<a href='x'>", "&amp;", "1", "a.", "é\u0301", "😀", "<", "@a", "((", "http://"):
        text = unit * (1_000_000 // len(unit))
        started = time.process_time()
        values = shape([text])
        assert len(template(text)) <= 3 * MOST_CHARS
        assert time.process_time() - started < 5, unit
        assert values[0, SHAPE_FEATURES.index("text_chars")] == len(text)


def test_counts_of_a_text() -> None:
    text = "WIN $500 cash!! call +44 7944 793 545 or text 87121, see http://bit.ly/a www.Site.COM @someone <b>now</b>"
    got = dict(zip(SHAPE_FEATURES, shape([text])[0].tolist(), strict=True))
    assert (got["text_links"], got["text_domains"], got["text_shorteners"]) == (2, 2, 1)
    assert (got["text_phones"], got["text_short_codes"], got["text_mentions"]) == (1, 1, 1)
    assert got["text_money"] == 2
    assert got["text_exclamations"] == 2
    assert got["text_tags"] == 2
    assert links(text) == ["bit.ly", "site.com"]
    assert np.isnan(shape([None])).all()
    assert not shape([""]).any()


def test_template_ids_are_short_and_of_long_texts_only() -> None:
    assert template_id("nice song") is None
    assert template_id("请订阅我的频道谢谢大家") is not None  # eleven characters fill 22 columns
    long = template_id("word " * 1000)
    assert long is not None
    assert len(long) <= 70
    a, b = template_id("word " * 1000 + "one"), template_id("word " * 1000 + "two")
    assert a is not None
    assert a != b


def jaccard(one: str, other: str) -> float:
    a, b = ({t[i : i + SHINGLE] for i in range(len(t) - SHINGLE + 1)} for t in (one, other))
    return len(a & b) / len(a | b)


def test_signatures_estimate_jaccard() -> None:
    draw = np.random.default_rng(1)
    base = "".join(draw.choice(list("abcdefghij "), 600))
    for cut in (0, 100, 300, 500):
        other = base[cut:] + "".join(draw.choice(list("klmnopqrst "), cut))
        one, two = signatures([base, other])
        assert abs((one == two).mean() - jaccard(base, other)) < 0.2, cut


def test_near_clusters_do_not_depend_on_the_order() -> None:
    base = [
        f"hello everybody please visit my channel number {word} for the best covers"
        for word in ("a", "b", "c")
    ]
    apart = [
        "completely different words are here and nothing else",
        "short",
        "lovely weather in the mountains today",
    ]
    texts = base + apart
    found = near_clusters(texts)
    assert len(set(found[:3].tolist())) == 1
    assert len(set(found.tolist())) == 4
    for order in itertools.islice(itertools.permutations(range(6)), 0, 720, 97):
        again = near_clusters([texts[i] for i in order])
        for i, j in itertools.combinations(range(6), 2):
            assert (again[i] == again[j]) == (found[order[i]] == found[order[j]])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)), max_size=30))
@settings(deadline=None)
def test_others_equals_counting_over_sets(rows: list[tuple[int, int, int]]) -> None:
    key, user, at = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    for times in (None, at):
        want = [
            len({u for k, u, t in rows if k == row[0] and u != row[1] and (times is None or t < row[2])})
            for row in rows
        ]
        assert others(key, user, times).tolist() == want


TEXTS = [
    "check out my channel at http://a.co and win",
    "check out my channel at http://b.co and win",
    "check out my channel at http://c.co and win big",
    "what a beautiful song this is",
    "nice",
    None,
]


def test_reuse_sees_the_past_only() -> None:
    draw = np.random.default_rng(3)
    texts = [TEXTS[i] for i in draw.integers(0, len(TEXTS), 60)]
    user, at = draw.integers(0, 12, 60), draw.integers(0, 40, 60)
    names, whole = reuse(texts, user, at)
    assert names == REUSE_FEATURES
    past = at < 20
    _, part = reuse([t for t, p in zip(texts, past, strict=True) if p], user[past], at[past])
    np.testing.assert_array_equal(part, whole[past])
    assert np.nanmax(whole[:, 0]) > 1
    # Without times all that others said counts, so never less.
    _, audit = reuse(texts, user)
    said = ~np.isnan(whole[:, 0])
    assert (audit[said, :2] >= whole[said, :2]).all()


def test_reuse_of_a_small_log_by_hand() -> None:
    texts = [*TEXTS[:3], TEXTS[0]]
    _, found = reuse(texts, np.array([1, 2, 3, 1]), np.array([10, 20, 30, 40]))
    assert found[:, 0].tolist() == [0, 1, 0, 1]
    assert found[:, 1].tolist() == [0, 1, 0, 2]
    assert found[:, 3].tolist() == [0, 1, 2, 2]


def test_ngrams_learn_from_training_texts_only_and_come_back_from_disk(tmp_path) -> None:
    train = ["buy cheap pills", "buy now", "hello friend", None]
    learned = learn_ngrams(train, NgramSettings(n_bits=12))
    new = ["buy pills", "ΓΕΙΑ ΣΟΥ", "", None]
    x = learned.matrix(new)
    assert x.shape == (4, learned.n_columns) == (4, 2 << 12)
    assert x[0].nnz
    assert x[1].nnz
    assert not x[2].nnz
    assert not x[3].nnz
    # A row does not depend on what else is scored.
    assert (learned.matrix(new[:1]) != x[0]).nnz == 0
    learned.save(tmp_path / "model")
    assert sorted(p.suffix for p in (tmp_path / "model").iterdir()) == [".json", ".safetensors"]
    again = Ngrams.load(tmp_path / "model")
    assert again.settings == learned.settings
    assert (again.matrix(new) != x).nnz == 0
    document = json.loads((tmp_path / "model" / "ngrams.json").read_text())
    (tmp_path / "model" / "ngrams.json").write_text(json.dumps(document | {"n_bits": 3}))
    with pytest.raises(GraphdetError, match="train it again"):
        Ngrams.load(tmp_path / "model")
