"""A model learned from labels of items, sessions or events, as files: JSON and safetensors, never a pickle.

    labelled_KIND.json          the trees as LightGBM's own text, names of features, split, metrics, digests
    labelled_KIND.safetensors   clean, clean_fold  out-of-fold logits that p-values are ranked against
                                typical            the median clean row
                                text_…             with texts: weights of hashed n-grams, no word
                                row_key, row_fold, row_clean  what it learned from, so that it is never
                                                              scored by a model that has seen it

Unseen categories need no rule of their own: features count them, and an unseen one was seen 0 times.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from graphdet.errors import GraphdetError, InputError
from graphdet.files import write_tensors, write_text
from graphdet.learn.labelled_sheets import Sheet
from graphdet.schema import LABELLED_KINDS
from graphdet.scores.labelled import LabelledModel
from graphdet.scores.text_folds import TextModels
from graphdet.scores.trees import Trees, TreeSettings

LABELLED_MODEL_FORMAT = 1


@dataclass(frozen=True)
class KeptModel:
    """What `train --labels` keeps.

    `names` are the columns the trees read, in order; `label_keys` the keys of label history among them (empty: none),
    with `delay_ms`, after which a label is known. `measured` are names that had a value somewhere in training.
    `blocks` names the feature blocks (labelled_blocks) it was made with, `texts` are its models of texts, whose margin
    is the last of `names`.
    Shapes: row_key uint64[n_learned], sorted; row_fold int64, row_clean uint8, the same length.
    """

    kind: str
    model: LabelledModel
    names: tuple[str, ...]
    measured: tuple[str, ...]
    label_keys: tuple[str, ...]
    delay_ms: int
    cut: float
    about: dict[str, Any]
    settings: TreeSettings
    row_key: NDArray[np.uint64]
    row_fold: NDArray[np.int64]
    row_clean: NDArray[np.uint8]
    blocks: tuple[str, ...] = ()
    texts: TextModels | None = None

    def save(self, directory: Path) -> None:
        """Write both files into a folder.

        Raises:
            GraphdetError: the folder cannot be written.
        """
        document = {
            "format": LABELLED_MODEL_FORMAT,
            "kind": self.kind,
            "names": self.names,
            "schema_digest": schema_digest(self.names),
            "measured": self.measured,
            "label_keys": self.label_keys,
            "delay_ms": self.delay_ms,
            "cut": self.cut,
            "slope": self.model.slope,
            "bias": self.model.bias,
            "settings": asdict(self.settings),
            "blocks": self.blocks,
            "texts": None if self.texts is None else self.texts.settings(),
            "about": self.about,
            "trees": [trees.text for trees in self.model.models],
        }
        arrays = {
            "clean": self.model.clean,
            "clean_fold": self.model.clean_fold,
            "typical": self.model.typical,
            "row_key": self.row_key,
            "row_fold": self.row_fold,
            "row_clean": self.row_clean,
            **({} if self.texts is None else self.texts.arrays()),
        }
        try:
            directory.mkdir(parents=True, exist_ok=True)
            write_tensors(
                _path(directory, self.kind, "safetensors"),
                {k: np.ascontiguousarray(v) for k, v in arrays.items()},
            )
            text = json.dumps(document, ensure_ascii=False)
            write_text(_path(directory, self.kind, "json"), text + "\n")
        except OSError as error:
            raise GraphdetError(f"the model cannot be written to {directory}: {error.strerror}") from error

    def learned_folds(self, sheet: Sheet) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Which rows of a sheet the model learned from: their folds int64[n] (−1: not), and which as clean."""
        key = row_keys(sheet.ids, sheet.at_ms)
        place = np.minimum(np.searchsorted(self.row_key, key), len(self.row_key) - 1)
        same = self.row_key[place] == key
        return np.where(same, self.row_fold[place], -1), same & (self.row_clean[place] == 1)

    def columns_of(self, sheet: Sheet) -> NDArray[np.int64]:
        """Where the sheet has the model's own features (those of label history and of texts' words are not among them).

        Raises:
            InputError: the sheet lacks one, or one that had values in training has none at all; says which.
        """
        wanted = self.names[: len(self.names) - self.n_label_names - (self.texts is not None)]
        place = {name: column for column, name in enumerate(sheet.names)}
        lacking = [name for name in wanted if name not in place]
        if not lacking:
            empty = np.asarray(np.isnan(sheet.x).all(axis=0), bool) & (len(sheet.x) > 0)
            base = {"amount", "quantity", "text_length", "texts", *AMOUNT_COLUMNS}
            lacking = [n for n in wanted if n in base and n in self.measured and empty[place[n]]]
        if lacking:
            shown = ", ".join(repr(name) for name in lacking[:5])
            more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
            raise InputError(
                f"this model was trained on a log with another schema: here is nothing to make {shown}{more} of. "
                "Map the columns in the config as they were then, or train on this log"
            )
        return np.array([place[name] for name in wanted], np.int64)

    @property
    def n_label_names(self) -> int:
        """How many of `names`, the last ones but that of texts, are of label history."""
        return sum(any(name.startswith(f"{key} label ") for key in self.label_keys) for name in self.names)


AMOUNT_COLUMNS = ("amount_mean", "amount_max")


def load_kept(directory: Path, kind: str) -> KeptModel | None:
    """Read the model of a kind, None where the folder has none.

    Raises:
        GraphdetError: a file is damaged or of another format.
    """
    path = _path(directory, kind, "json")
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != LABELLED_MODEL_FORMAT:
            raise GraphdetError(f"{path} has another format than {LABELLED_MODEL_FORMAT}: train again")
        arrays = load_file(_path(directory, kind, "safetensors"))
        trees = tuple(Trees(text) for text in found["trees"])
        if found["schema_digest"] != schema_digest(found["names"]) or any(
            model.n_features != len(found["names"]) for model in trees
        ):
            raise ValueError("the features named are not those of the trees")
        model = LabelledModel(
            trees,
            arrays["clean"],
            arrays["clean_fold"],
            float(found["slope"]),
            float(found["bias"]),
            arrays["typical"],
        )
        return KeptModel(
            kind,
            model,
            tuple(found["names"]),
            tuple(found["measured"]),
            tuple(found["label_keys"]),
            int(found["delay_ms"]),
            float(found["cut"]),
            found["about"],
            TreeSettings(**found["settings"]),
            arrays["row_key"],
            arrays["row_fold"],
            arrays["row_clean"],
            tuple(found.get("blocks", ())),  # models kept before there were blocks were made without
            None if found.get("texts") is None else TextModels.of(found["texts"], arrays),
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GraphdetError(f"the model {path} is damaged ({error}); train again") from error


def kept_kinds(directory: Path) -> list[str]:
    """Kinds that a folder holds a model of."""
    return [kind for kind in LABELLED_KINDS if _path(directory, kind, "json").exists()]


def schema_digest(names: tuple[str, ...] | list[str]) -> str:
    """Digest of the names of features, in order (SHA-256, hex)."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def row_keys(ids: pa.Array, at_ms: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A number for each row, made of its id and time: the same row of the same log has the same one."""
    texts = zip(ids.to_pylist(), at_ms.tolist(), strict=True)
    digests = (hashlib.blake2b(f"{at} {name}".encode(), digest_size=8).digest() for name, at in texts)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _path(directory: Path, kind: str, ending: str) -> Path:
    return directory / f"labelled_{kind}.{ending}"
