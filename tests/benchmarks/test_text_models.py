"""Models of texts: learned from the training rows only, the same again from disk, clear about what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.texts.encoder import TextEncoder, TextEncoderSettings, train_text_encoder
from benchmarks.texts.linear import TextScore, fit_text_score, out_of_fold, ready
from benchmarks.texts.sentences import SentenceEncoder, WordPieces
from graphdet.errors import GraphdetError
from graphdet.features.text import TEXT_FEATURES, text_features, user_text_features
from graphdet.scores.text_folds import Loss
from graphdet.text.ngrams import NgramSettings

SPAM = [
    "check out my channel {}",
    "subscribe to me {} please",
    "free gift cards at http://x{}.com",
    "win cash now {}",
]
FINE = [
    "what a lovely song {}",
    "i was there in {}",
    "the drums at the end are great {}",
    "my mother likes it {}",
]
SMALL = NgramSettings(n_bits=12)


def sample(n: int, seed: int) -> tuple[list[str | None], np.ndarray]:
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, n).astype(np.int8)
    return [(SPAM if spam else FINE)[draw.integers(4)].format(draw.integers(99)) for spam in y], y


@pytest.mark.parametrize(("loss", "strength"), [("logistic", 10.0), ("squared_hinge", 1.0)])
def test_a_text_score_learns_and_comes_back_from_disk(tmp_path: Path, loss: Loss, strength: float) -> None:
    texts, y = sample(200, 1)
    names, x = text_features(texts, np.arange(200), np.arange(200))
    made = ready(texts, x, names, SMALL)
    model = fit_text_score(made.take(np.arange(150)), y[:150], 0, strength=strength, loss=loss)
    logits = model.logits(made.take(np.arange(150, 200)))
    assert ((logits > 0) == (y[150:] == 1)).mean() > 0.95
    model.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = TextScore.load(tmp_path).logits(made.take(np.arange(150, 200)))
    np.testing.assert_allclose(again, logits, rtol=1e-6)
    with pytest.raises(ValueError, match="another model"):
        model.logits(ready(texts, settings=SMALL))
    (tmp_path / "text_score.json").write_text("{}")
    with pytest.raises(GraphdetError, match="train it again"):
        TextScore.load(tmp_path)


def test_out_of_fold_never_sees_its_own_fold() -> None:
    """With labels that have nothing to do with the text, and each text twice in one fold, there is nothing to learn."""
    draw = np.random.default_rng(2)
    texts = ["".join(draw.choice(list("abcdefgh "), 30)) for _ in range(120) for _ in range(2)]
    y = np.repeat(draw.integers(0, 2, 120), 2).astype(np.int8)
    fold = np.repeat(np.arange(120) % 5, 2)
    made = ready(texts, settings=SMALL)
    inside = fit_text_score(made, y, 0).logits(made)
    outside = out_of_fold(made, y, fold, 0)
    assert ((inside > 0) == (y == 1)).mean() > 0.95
    assert ((outside > 0) == (y == 1)).mean() < 0.65
    changed = y.copy()
    changed[fold == 3] = 1 - changed[fold == 3]
    own = fold == 3
    np.testing.assert_allclose(out_of_fold(made, changed, fold, 0)[own], outside[own])


def test_event_features_are_the_same_with_and_without_the_future() -> None:
    texts, _ = sample(80, 3)
    texts[5] = None
    user, at = np.arange(80) % 9, np.arange(80) * 1000
    names, whole = text_features(texts, user, at)
    assert names == TEXT_FEATURES
    assert whole.dtype == np.float32
    _, part = text_features(texts[:40], user[:40], at[:40])
    np.testing.assert_array_equal(whole[:40], part)
    assert np.isnan(whole[5]).all()


def test_user_features_sum_up_what_was_written() -> None:
    names, x = user_text_features(["aaa bbb", "aaa bbb", None, "ccc!"], np.array([0, 0, 1, 2]), 4)
    assert x.shape == (4, len(names))
    assert x[0, names.index("texts")] == 2
    assert x[0, names.index("text_templates")] == 0.5
    assert x[2, names.index("text_exclamations most")] == 1
    assert np.isnan(x[[1, 3]]).all()


@pytest.mark.slow
def test_the_character_network_learns_repeats_and_comes_back(tmp_path: Path) -> None:
    texts, y = sample(160, 4)
    settings = TextEncoderSettings(width=8, n_filters=8, n_epochs=12, most_chars=60, learning_rate=2e-2)
    net = train_text_encoder(texts[:120], y[:120], 0, settings)
    new = [*texts[120:], None, "", "请订阅", "\ud800\0"]
    logits = net.logits(new)
    assert np.isfinite(logits).all()
    assert ((logits[:40] > 0) == (y[120:] == 1)).mean() > 0.9
    np.testing.assert_array_equal(train_text_encoder(texts[:120], y[:120], 0, settings).logits(new), logits)
    assert net.embed(new).shape == (44, 24)
    net.save(tmp_path)
    np.testing.assert_array_equal(TextEncoder.load(tmp_path).logits(new), logits)
    (tmp_path / "text_encoder.safetensors").write_bytes(b"broken")
    with pytest.raises(GraphdetError, match="train it again"):
        TextEncoder.load(tmp_path)
    with pytest.raises(ValueError, match="both kinds"):
        train_text_encoder(texts, np.ones(160, np.int8), 0)


PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "spam", "##mer", "song", "!", "频", "cafe"]


def tiny_bert(folder: Path, width: int = 8) -> None:
    draw = torch.Generator().manual_seed(1)

    def make(*shape: int) -> torch.Tensor:  # fmt: skip
        return torch.randn(*shape, generator=draw) * 0.2

    weights = {
        "embeddings.word_embeddings.weight": make(len(PIECES), width),
        "embeddings.position_embeddings.weight": make(16, width),
        "embeddings.token_type_embeddings.weight": make(2, width),
    }
    norms = ["embeddings.LayerNorm"]
    layer = "encoder.layer.0."
    for name in (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ):
        weights |= {f"{layer}{name}.weight": make(width, width), f"{layer}{name}.bias": make(width)}
    weights |= {
        f"{layer}intermediate.dense.weight": make(16, width),
        f"{layer}intermediate.dense.bias": make(16),
    }
    weights |= {f"{layer}output.dense.weight": make(width, 16), f"{layer}output.dense.bias": make(width)}
    norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for name in norms:
        weights |= {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
    save_file(weights, folder / "model.safetensors")
    config = {"model_type": "bert", "num_hidden_layers": 1, "num_attention_heads": 2, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 16}))
    vocabulary = {piece: ix for ix, piece in enumerate(PIECES)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordPiece", "vocab": vocabulary}}))


def test_word_pieces() -> None:
    pieces = WordPieces({piece: ix for ix, piece in enumerate(PIECES)})
    assert pieces.ids("Spammer SONG!", 20) == [2, 4, 5, 6, 7, 3]
    assert pieces.ids("频spam Café\0 zzz", 20) == [2, 8, 4, 9, 1, 3]
    assert pieces.ids("song " * 100, 5) == [2, 6, 6, 6, 3]
    assert pieces.ids("", 5) == [2, 3]


def test_a_sentence_encoder_from_disk(tmp_path: Path) -> None:
    tiny_bert(tmp_path)
    encoder = SentenceEncoder.load(tmp_path)
    texts = ["spam", "spammer song!", "", "song " * 1000, "\ud800", "spam"]
    found = encoder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[0], found[5], rtol=1e-5)
    # A text does not depend on what stands beside it in a batch.
    np.testing.assert_allclose(encoder.encode(texts[1:2])[0], found[1], atol=1e-5)


def test_a_sentence_encoder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(GraphdetError, match=r"there is no config\.json, tokenizer\.json, model\.safetensors"):
        SentenceEncoder.load(tmp_path)
    tiny_bert(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")  # a pickle is never read
    with pytest.raises(GraphdetError, match=r"no model\.safetensors"):
        SentenceEncoder.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(GraphdetError, match="cannot be used"):
        SentenceEncoder.load(tmp_path)
