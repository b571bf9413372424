"""The graph network in NumPy: the same weights, the same sums, no torch.

It is the twin of gnn.layers.RingNet in evaluation; tests hold the two together. On the few hundred accounts that
one account's logit depends on, NumPy is faster than torch, whose calls cost more than their sums there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.special import expit

from graphdet.arrays import Float32
from graphdet.errors import GraphdetError
from graphdet.evaluation.fold_models import NO_FOLD, coarser_folds, models_of_row, own_fold_or_mean
from graphdet.files import write_tensors, write_text
from graphdet.serving.inputs import Layer, Scaling, TieTable
from graphdet.serving.packing import Precision, pack, unpack

Weights = Mapping[str, Float32]
DOCUMENT, WEIGHTS = "gnn.json", "gnn.safetensors"
TRAINED_FORMAT = 1  # the format of what train writes, and of what export writes; see gnn.network.FORMAT
EXPORTED = "serving-1"
NORM_EPSILON = 1e-5  # of torch's LayerNorm
MEAN_EPSILON = 0.1  # of layers.GatedTies
_CHUNK = 16_384


@dataclass(frozen=True)
class Network:
    """The trained networks, whose mean logit is the model's, and the scaling of their inputs.

    Shapes: members hold the weights of one network each by the names they have in torch; tie_mean, tie_std
    float32[n_attributes]. `about` is the document it was read from.
    """

    members: tuple[Weights, ...]
    scaling: Scaling
    n_inputs: int
    tie_mean: Float32
    tie_std: Float32
    n_gates: int
    n_rounds: int
    about: Mapping[str, Any]

    def logits(self, x: Float32, layers: Sequence[Layer], fold: int | None = None) -> NDArray[np.float64]:
        """The mean logit of the accounts in the middle of some layers; see inputs.AccountModel.

        With a fold, which may be one of the trees' finer ones, it is that of the network which held it out.
        """
        tie_attributes = [self._scaled(layer.attributes) for layer in layers]
        total = np.zeros(layers[-1].n_listeners if layers else len(x))
        members = models_of_row(self.members, NO_FOLD if fold is None else fold % len(self.members))
        for member in members:
            h = _encode(member, x)
            for number, (layer, attributes) in enumerate(zip(layers, tie_attributes, strict=True)):
                h = _listen(member, number, h, layer, attributes, self.n_gates)
            total += _head(member, h)
        return total / len(members)

    def logits_of_all(
        self, x: Float32, ties: TieTable, fold: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """The logit of every account of a log, round by round in chunks; see inputs.AccountModel."""
        logits = []
        chunks = [np.arange(k, min(k + _CHUNK, len(x))) for k in range(0, len(x), _CHUNK)]
        for member in self.members:
            h = np.concatenate([_encode(member, x[chunk]) for chunk in chunks])
            for number in range(self.n_rounds):
                parts = []
                for chunk in chunks:
                    layer = ties.layer(chunk)
                    attributes = self._scaled(layer.attributes)
                    parts.append(_listen(member, number, h[layer.nodes], layer, attributes, self.n_gates))
                h = np.concatenate(parts)
            logits.append(_head(member, h).astype(np.float64))
        held = np.full(len(x), NO_FOLD) if fold is None else coarser_folds(fold, len(self.members))
        return own_fold_or_mean(np.array(logits), held)

    def _scaled(self, attributes: Float32) -> Float32:
        return (attributes - self.tie_mean) / self.tie_std


def load_network(directory: Path) -> Network:
    """Read the network of a model folder, as train or export wrote it.

    Raises:
        GraphdetError: a file is missing or damaged, of another version, or the weights do not fit their description.
    """
    try:
        document = json.loads((directory / DOCUMENT).read_text(encoding="utf-8"))
        tensors = load_file(directory / WEIGHTS)
    except FileNotFoundError as error:
        raise GraphdetError(
            f"no trained model in {directory}: {error.filename} is missing; run train or export"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise GraphdetError(
            f"the model in {directory} cannot be read ({error}): export or train again"
        ) from error
    if not isinstance(document, dict) or document.get("format") not in (TRAINED_FORMAT, EXPORTED):
        raise GraphdetError(f"the model in {directory} has an unknown format: export or train again")
    try:
        return _assemble(document, unpack(tensors))
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise GraphdetError(
            f"the model in {directory} does not fit its description ({reason}): export or train again"
        ) from error


def first_alone(network: Network) -> Network:
    """Prune all networks but the first: its logit stands for the mean of all."""
    return replace(network, members=network.members[:1], about={**network.about, "n_members": 1})


def write_network(network: Network, out: Path, precision: Precision) -> Network:
    """Write gnn.json and gnn.safetensors, and give the network as it will be read.

    Raises:
        OSError, GraphdetError: a file cannot be written.
    """
    flat = {
        f"{k}.{name}": value for k, member in enumerate(network.members) for name, value in member.items()
    }
    packed = pack(flat, precision)
    document = {key: value for key, value in network.about.items() if key not in ("history", "format")}
    document |= {"format": EXPORTED, "weights": str(precision)}
    write_tensors(out / WEIGHTS, packed)
    write_text(out / DOCUMENT, json.dumps(document, sort_keys=True) + "\n")
    unpacked = unpack(packed)
    members = tuple(
        {name: unpacked[f"{k}.{name}"] for name in member} for k, member in enumerate(network.members)
    )
    return replace(network, members=members, about=document)


def _assemble(document: dict[str, Any], tensors: Weights) -> Network:
    settings = document["settings"]
    tie_mean, tie_std = (np.asarray(document[name], np.float32) for name in ("tie_mean", "tie_std"))
    n_rounds = int(settings["n_rounds"]) if len(tie_mean) else 0
    shapes = array_shapes(
        int(settings["width"]), int(settings["n_gates"]), n_rounds, document["n_inputs"], len(tie_mean)
    )
    members = []
    for k in range(int(document["n_members"])):
        for name, shape in shapes.items():
            if tensors[f"{k}.{name}"].shape != shape:
                raise ValueError(f"{k}.{name} has shape {tensors[f'{k}.{name}'].shape}, not {shape}")
        members.append({name: tensors[f"{k}.{name}"] for name in shapes})
    return Network(
        tuple(members),
        Scaling.from_json(document),
        int(document["n_inputs"]),
        tie_mean,
        tie_std,
        int(settings["n_gates"]),
        n_rounds,
        document,
    )


def array_shapes(
    width: int, n_gates: int, n_rounds: int, n_inputs: int, n_attributes: int
) -> dict[str, tuple[int, ...]]:
    """The shapes of one network's weights, by the names they have in torch."""
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.1.weight": (2 * width, n_inputs),
        "encoder.1.bias": (2 * width,),
        "encoder.4.weight": (width, 2 * width),
        "encoder.4.bias": (width,),
        "head.1.weight": (width, width),
        "head.1.bias": (width,),
        "head.3.weight": (1, width),
        "head.3.bias": (1,),
    }
    for number in range(n_rounds):
        own = {
            "listener.weight": (width, width),
            "listener.bias": (width,),
            "speaker.weight": (width, width),
            "tie.weight": (width, n_attributes),
            "gate.weight": (n_gates, width),
            "gate.bias": (n_gates,),
            "value.weight": (width, width),
            "value.bias": (width,),
            "combine.weight": (width, 2 * width + n_gates),
            "combine.bias": (width,),
            "norm.weight": (width,),
            "norm.bias": (width,),
        }
        shapes |= {f"rounds.{number}.{name}": shape for name, shape in own.items()}
    return shapes


def _linear(weights: Weights, name: str, x: Float32) -> Float32:
    out: Float32 = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return out


def _encode(weights: Weights, x: Float32) -> Float32:
    return _linear(weights, "encoder.4", np.maximum(_linear(weights, "encoder.1", x), 0))


def _head(weights: Weights, h: Float32) -> NDArray[np.float64]:
    hidden = np.maximum(_linear(weights, "head.1", h), 0)
    return _linear(weights, "head.3", hidden)[:, 0].astype(np.float64)


def _listen(weights: Weights, number: int, h: Float32, layer: Layer, tie: Float32, n_gates: int) -> Float32:
    """One round of layers.GatedTies. Shapes: h float32[n_nodes, width], tie float32[n_ties, n_attributes]."""
    name = f"rounds.{number}"
    own = h[: layer.n_listeners]
    width = own.shape[1]
    z = _linear(weights, f"{name}.listener", own)[layer.listener]
    z += (h @ weights[f"{name}.speaker.weight"].T)[layer.speaker]
    z += tie @ weights[f"{name}.tie.weight"].T
    np.maximum(z, 0, out=z)
    gate = expit(_linear(weights, f"{name}.gate", z))
    value = _linear(weights, f"{name}.value", z).reshape(len(z), n_gates, width // n_gates) * gate[:, :, None]
    heard = layer.sums(np.hstack([gate, value.reshape(len(z), width)]))
    count = heard[:, :n_gates]
    mean = heard[:, n_gates:].reshape(-1, n_gates, width // n_gates) / (count[:, :, None] + MEAN_EPSILON)
    hidden = np.hstack([own, np.log1p(count), mean.reshape(-1, width)]).astype(np.float32, copy=False)
    out = own + np.maximum(_linear(weights, f"{name}.combine", hidden), 0)
    centred = out - out.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + np.float32(NORM_EPSILON))
    refined: Float32 = centred / spread * weights[f"{name}.norm.weight"] + weights[f"{name}.norm.bias"]
    return refined
