"""The trained heterogeneous network: predict, embed, save, load."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from graphdet.clustering.centres import NormalScores
from graphdet.errors import GraphdetError, UsageError
from graphdet.evaluation.fold_models import NO_FOLD, own_fold_or_mean
from graphdet.files import write_tensors, write_text
from graphdet.gnn.inputs import heard_from_partners, partner_count_input, propagate
from graphdet.gnn.layers import RingNet
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.sampling import TieIndex
from graphdet.gnn.settings import GNN_FILES, GnnSettings

GNN_FORMAT = 1
PARTNERS_FORMAT = 2  # of a network that hears sums over partners, which nothing but this module can use
_WEIGHTS, _DOCUMENT = GNN_FILES
_CHUNK = 16_384  # listeners per step of inference: bounds memory and stays in cache


@dataclass(frozen=True)
class TrainedGnn:
    """Networks trained on the folds of one graph, with the scaling of their inputs.

    Shapes: user_scores, item_scores, session_scores map the raw node features; tie_mean, tie_std
    float32[n_attributes]; out_of_fold float64[n_users of the training graph], each user's logit from the
    network that was trained without them (empty after load); history one row per evaluation: fold, step,
    loss, and average_precision where early stopping watched anybody. hears_partners: the inputs are a user's own beside
    sums over its partners (inputs.heard_from_partners), and not means along sessions and items.
    """

    settings: GnnSettings
    members: tuple[RingNet, ...]
    user_scores: NormalScores
    item_scores: NormalScores
    session_scores: NormalScores
    tie_mean: NDArray[np.float32]
    tie_std: NDArray[np.float32]
    out_of_fold: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    history: tuple[Mapping[str, float], ...] = ()
    hears_partners: bool = False

    def predict(
        self, data: HeteroData, device: str | None = None, fold: NDArray[np.integer] | None = None
    ) -> NDArray[np.float64]:
        """Give every user a logit: the networks' mean, or with `fold` that of the one which held it out.

        Shapes: fold int[n_users] in 0 … n_folds − 1, −1 for the mean; returns float64[n_users].

        Raises:
            GraphdetError: the graph's features or ties are not of the kind the model was trained on.
            ValueError: a user is of a fold that no network held out.
        """
        inputs, ties = self.prepare(data)
        chosen = pick_device(device)
        logits = [infer(net, inputs, ties, chosen)[0] for net in self.members]
        return own_fold_or_mean(
            np.array(logits), np.full(len(inputs), NO_FOLD) if fold is None else np.asarray(fold)
        )

    def embed(self, data: HeteroData, device: str | None = None) -> NDArray[np.float32]:
        """Give every user the networks' last hidden layers: float32[n_users, n_folds × width].

        Raises:
            GraphdetError: as predict.
        """
        inputs, ties = self.prepare(data)
        return np.hstack([infer(net, inputs, ties, pick_device(device))[1] for net in self.members])

    def prepare(self, data: HeteroData) -> tuple[NDArray[np.float32], TieIndex]:
        """Scale and propagate a graph's node features and scale its ties.

        Raises:
            GraphdetError: as predict.
        """
        users = self.user_scores.transform(data["user"].x.cpu().numpy())
        if self.hears_partners:
            tie = ties_of(data)[0].numpy()
            return heard_from_partners(users, tie), TieIndex(*_no_ties(), len(users))
        inputs = propagate(
            *walked(data),
            users,
            self.item_scores.transform(data["item"].x.cpu().numpy()),
            self.session_scores.transform(data["session"].x.cpu().numpy()),
        )
        inputs = with_partner_counts(inputs, data)
        index, attributes = ties_of(data)
        if attributes.shape[1] != len(self.tie_mean):
            raise GraphdetError(
                f"the model was trained on {len(self.tie_mean)} tie attributes, the graph has "
                f"{attributes.shape[1]}: use the same co-action windows or train again"
            )
        scaled = (attributes - torch.from_numpy(self.tie_mean)) / torch.from_numpy(self.tie_std)
        return inputs, TieIndex(index, scaled, len(inputs))

    def save(self, directory: Path) -> None:
        """Write gnn.safetensors and gnn.json.

        Raises:
            GraphdetError: the folder cannot be written.
        """
        tensors = {
            f"{k}.{name}": value.detach().cpu().contiguous().numpy()
            for k, net in enumerate(self.members)
            for name, value in net.state_dict().items()
        }
        document = {
            "format": PARTNERS_FORMAT if self.hears_partners else GNN_FORMAT,
            "settings": asdict(self.settings),
            "n_members": len(self.members),
            "n_inputs": self.members[0].encoder[1].in_features,
            "user_scores": self.user_scores.to_json(),
            "item_scores": self.item_scores.to_json(),
            "session_scores": self.session_scores.to_json(),
            "tie_mean": self.tie_mean.tolist(),
            "tie_std": self.tie_std.tolist(),
            "history": [dict(row) for row in self.history],
        }
        try:
            directory.mkdir(parents=True, exist_ok=True)
            write_tensors(directory / _WEIGHTS, tensors)
            write_text(directory / _DOCUMENT, json.dumps(document, sort_keys=True))
        except OSError as error:
            raise GraphdetError(f"cannot write the model to {directory}: {error}") from error


def load_gnn(directory: Path) -> TrainedGnn:
    """Read what TrainedGnn.save wrote.

    Raises:
        GraphdetError: a file is missing or damaged, of another version, or its weights do not fit its
        description.
    """
    try:
        document = json.loads((directory / _DOCUMENT).read_text(encoding="utf-8"))
        tensors = load_file(directory / _WEIGHTS)
    except FileNotFoundError as error:
        raise GraphdetError(
            f"no trained model in {directory}: {error.filename} is missing; run train"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise GraphdetError(f"the model in {directory} cannot be read ({error}): train again") from error
    if not isinstance(document, dict) or document.get("format") not in (GNN_FORMAT, PARTNERS_FORMAT):
        raise GraphdetError(f"the model in {directory} has another format than {GNN_FORMAT}: train again")
    try:
        return _assemble(document, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GraphdetError(
            f"the model in {directory} does not fit its description ({reason}): train again"
        ) from error


def _assemble(document: dict[str, Any], tensors: dict[str, torch.Tensor]) -> TrainedGnn:
    given = document["settings"]
    settings = GnnSettings(**{**given, "fan_outs": tuple(given["fan_outs"])})
    members = []
    for k in range(document["n_members"]):
        net = build(settings, document["n_inputs"], len(document["tie_mean"]))
        mine = {name.split(".", 1)[1]: value for name, value in tensors.items() if name.startswith(f"{k}.")}
        net.load_state_dict(mine)
        members.append(net.eval())
    return TrainedGnn(
        settings,
        tuple(members),
        NormalScores.from_json(document["user_scores"]),
        NormalScores.from_json(document["item_scores"]),
        NormalScores.from_json(document["session_scores"]),
        np.asarray(document["tie_mean"], np.float32),
        np.asarray(document["tie_std"], np.float32),
        history=tuple(document["history"]),
        hears_partners=document["format"] == PARTNERS_FORMAT,
    )


def build(settings: GnnSettings, n_inputs: int, n_attributes: int) -> RingNet:
    """Make an untrained network; without tie attributes there is nothing to listen to and no round."""
    return RingNet(
        n_inputs,
        n_attributes,
        settings.width,
        settings.n_gates,
        settings.n_rounds if n_attributes else 0,
        settings.dropout,
        settings.input_dropout,
    )


def infer(
    net: RingNet, inputs: NDArray[np.float32], ties: TieIndex, device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Run a network over all users, round by round in chunks of listeners: (logits, last hidden layer).

    Shapes: inputs float32[n_users, n_inputs]; returns float64[n_users] and float32[n_users, width].
    """
    net = net.to(device).eval()
    rng = np.random.default_rng(0)  # never drawn from: no fan-out
    chunks = [np.arange(k, min(k + _CHUNK, len(inputs))) for k in range(0, len(inputs), _CHUNK)]
    with torch.no_grad():
        x = torch.from_numpy(inputs).to(device)
        h = torch.cat([net.encoder(x[chunk]) for chunk in chunks])
        for layer in net.rounds:
            parts = []
            for chunk in chunks:
                block = ties.block(chunk, None, rng, device)
                parts.append(
                    layer(h[block.nodes], block.n_dst, block.edge_index, block.edge_attr, block.scale)
                )
            h = torch.cat(parts)
        logits = net.head(h)[:, 0]
    net.to("cpu")
    return logits.cpu().numpy().astype(np.float64), h.cpu().numpy()


def ties_of(data: HeteroData) -> tuple[torch.Tensor, torch.Tensor]:
    """Edge index and attributes of (user, co_acted, user); both empty when the graph has none."""
    if ("user", "co_acted", "user") not in data.edge_types:
        return _no_ties()
    store = data["user", "co_acted", "user"]
    return store.edge_index.cpu(), store.edge_attr.cpu()


def _no_ties() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, 0)


def walked(data: HeteroData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users and the sessions they started, sessions and the items acted on: int64[2, n] each."""
    acted = [
        data[edge_type].edge_index.cpu().numpy()
        for edge_type in data.edge_types
        if edge_type[0] == "session" and edge_type[2] == "item" and not edge_type[1].startswith("rev_")
    ]
    edges = np.concatenate(acted, axis=1) if acted else np.zeros((2, 0), np.int64)
    return data["user", "started", "session"].edge_index.cpu().numpy(), edges


def with_partner_counts(inputs: NDArray[np.float32], data: HeteroData) -> NDArray[np.float32]:
    """Append ln(1 + partners before the cut) ÷ 3 where the graph has ties."""
    if "n_partners" not in data["user"]:
        return inputs
    return np.hstack([inputs, partner_count_input(data["user"].n_partners.cpu().numpy())])


def pick_device(name: str | None = None) -> torch.device:
    """Choose where to run: what is asked for, else CUDA when there is one, else the CPU.

    Raises:
        UsageError: CUDA is asked for and there is none, or the name is no device.
    """
    if name in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(str(name))
    except RuntimeError as error:
        raise UsageError(f"device {name!r} is unknown: use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda is asked for and this machine has none: use --device cpu or auto")
    return device
