"""What each Ray Train worker does: epochs over its share of the shards, a checkpoint after each."""

import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray.train
import ray.train.torch
import torch
import torch.distributed
from safetensors.torch import load_file, save_file
from torch.utils.tensorboard import SummaryWriter

from genre_batch.cluster.segments import pictures
from genre_batch.models import fit, networks
from genre_batch.tables import storage

SHUFFLED_SEGMENTS = 2048
"""Held in memory by each worker to draw batches from; the files themselves come in a new order each epoch."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """All that a worker needs besides its data."""

    network: str
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    spectrogram_shape: tuple[int, int]
    genres: tuple[str, ...]
    tensorboard: str


@dataclass(frozen=True)
class State:
    """Where training stands after `epoch` epochs; finished when all are run or `stale` has reached the patience."""

    epoch: int
    best_loss: float
    stale: int
    weights: dict[str, torch.Tensor]
    best_weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any] | None

    def finished(self, config: Config) -> bool:
        return self.epoch >= config.epochs or self.stale >= config.patience


def train_worker(values: dict[str, Any]) -> None:
    """The loop of one Ray Train worker. values: `config`, the fields of Config, and `latest`, the actor that hears of progress."""
    config, latest = Config(**values["config"]), values["latest"]
    torch.manual_seed(config.seed)
    network = networks.build(config.network, config.spectrogram_shape[0], len(config.genres))
    state = State(0, float("inf"), 0, network.state_dict(), network.state_dict(), None)
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            state = load(folder)
    network.load_state_dict(state.weights)
    context = ray.train.get_context()
    model = ray.train.torch.prepare_model(network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    if state.optimizer:
        optimizer.load_state_dict(state.optimizer)
    # The best state of a finished run is reported once more, so that a resumed run has a result.
    if state.finished(config):
        _report(state, {"epoch": state.epoch}, context.get_world_rank())
    while not state.finished(config):
        _schedule(optimizer, config, state.epoch)
        trained = fit.score(_over_workers(fit.train_epoch(model, _batches("train", config, state.epoch), optimizer)))
        valid = fit.score(_over_workers(fit.evaluate_epoch(model, _batches("valid", config, 0))))
        # Copies: a state_dict shares memory with the network, which goes on learning.
        weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        state = replace(state, epoch=state.epoch + 1, weights=weights, optimizer=optimizer.state_dict(), stale=state.stale + 1)
        if valid.loss < state.best_loss:
            state = replace(state, best_loss=valid.loss, best_weights=weights, stale=0)
        scores = {
            "train_loss": trained.loss,
            "train_accuracy": trained.accuracy,
            "valid_loss": valid.loss,
            "valid_accuracy": valid.accuracy,
        }
        if context.get_world_rank() == 0:
            _log(config.tensorboard, scores, state.epoch)
            latest.set.remote(state.epoch, f"validation loss {valid.loss:.3f}, accuracy {valid.accuracy:.3f}")
        _report(state, {"epoch": state.epoch} | scores, context.get_world_rank())


def save(state: State, folder: str) -> None:
    """Weights as safetensors; the optimizer as tensors that load without unpickling code."""
    save_file(state.weights, Path(folder) / "weights.safetensors")
    save_file(state.best_weights, Path(folder) / "best.safetensors")
    rest = {"epoch": state.epoch, "best_loss": state.best_loss, "stale": state.stale, "optimizer": state.optimizer}
    torch.save(rest, Path(folder) / "state.pt")


def load(folder: str) -> State:
    rest = torch.load(Path(folder) / "state.pt", weights_only=True, map_location="cpu")
    weights, best = load_file(Path(folder) / "weights.safetensors"), load_file(Path(folder) / "best.safetensors")
    return State(rest["epoch"], rest["best_loss"], rest["stale"], weights, best, rest["optimizer"])


def _report(state: State, scores: dict[str, float], rank: int) -> None:
    if rank:
        ray.train.report(scores)
        return
    with tempfile.TemporaryDirectory() as folder:
        save(state, folder)
        ray.train.report(scores, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _batches(part: str, config: Config, epoch: int) -> Iterator[fit.Batch]:
    """This worker's share; training shuffled alike for the same seed and epoch."""
    shuffle = (
        {"local_shuffle_buffer_size": SHUFFLED_SEGMENTS, "local_shuffle_seed": config.seed + epoch} if part == "train" else {}
    )
    device = ray.train.torch.get_device()

    def collate(batch: pa.Table) -> fit.Batch:
        spectrograms = torch.from_numpy(pictures(batch["spectrogram"], config.spectrogram_shape))
        labels = pc.index_in(batch["genre"], pa.array(config.genres)).to_numpy().astype(np.int64)
        return spectrograms.to(device), torch.from_numpy(labels).to(device)

    rows = ray.train.get_dataset_shard(part).iter_batches(batch_size=config.batch_size, batch_format="pyarrow", **shuffle)
    for batch in rows:
        # One lone segment has no batch statistics.
        if len(batch) > 1 or part != "train":
            yield collate(batch)


def _schedule(optimizer: torch.optim.Optimizer, config: Config, epoch: int) -> None:
    """Half a cosine from the learning rate to nearly nothing, an epoch a step: the same wherever a run was resumed."""
    rate = config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
    for group in optimizer.param_groups:
        group["lr"] = rate


def _over_workers(sums: torch.Tensor) -> torch.Tensor:
    if torch.distributed.is_initialized():
        sums = sums.to(ray.train.torch.get_device())
        torch.distributed.all_reduce(sums)
    return sums.cpu()


def _log(url: str, scores: dict[str, float], epoch: int) -> None:
    """One TensorBoard event file an epoch, written here and stored with the checkpoints."""
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            for name, value in scores.items():
                writer.add_scalar(name, value, epoch)
        for file in os.listdir(folder):
            storage.write_bytes(storage.join(url, file), (Path(folder) / file).read_bytes())
