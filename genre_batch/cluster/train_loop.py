"""What each Ray Train worker does: epochs over its share of the shards, and after each its state stored, in one piece.

Not as checkpoints of Ray Train: the driver hears of those when it next asks, so that several short epochs could be lost.
"""

import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray.data
import ray.train
import ray.train.torch
import torch
import torch.distributed
from torch.utils.tensorboard import SummaryWriter

from genre_batch.cluster import segments
from genre_batch.cluster.examples import Examples
from genre_batch.front_end import FrontEnd
from genre_batch.models import networks, state
from genre_batch.models.fit import Batch, Diverged, Fitting
from genre_batch.models.recipe import Recipe
from genre_batch.models.state import State
from genre_batch.tables import storage

SHUFFLED_SEGMENTS = 2048
"""Held in memory by each worker to draw batches from; the files themselves come in a new order each epoch."""
PREFETCHED = 2
"""Batches made ready while one is trained on."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """All that a worker needs besides its data. steps: batches an epoch in each worker."""

    network: str
    recipe: dict[str, Any]
    seed: int
    front_end: str
    genres: tuple[str, ...]
    steps: int
    tensorboard: str
    state: str


def train_worker(values: dict[str, Any]) -> Diverged | None:
    """The loop of one Ray Train worker. values: `config`, the fields of Config, and `latest`, the actor that hears of progress.

    That training diverged is an answer: raised, Ray Train would begin it again, to the same end.
    """
    config, latest = Config(**values["config"]), values["latest"]
    front_end, recipe = FrontEnd.from_json(config.front_end), Recipe.from_dict(config.recipe)
    device, rank = ray.train.torch.get_device(), ray.train.get_context().get_world_rank()
    torch.manual_seed(config.seed)
    network = networks.build(config.network, front_end.spectrogram_shape, len(config.genres))
    # A CPU convolves channels that lie together half as fast again.
    network = network.to(memory_format=torch.channels_last)
    model = ray.train.torch.prepare_model(network)
    standing = stored(config.state)
    if standing and standing.finished(recipe):
        return None

    def batches(part: str, epoch: int) -> Iterator[Batch]:
        return _batches(part, front_end, config, recipe, network.recurrent, epoch, device)

    def after(reached: State) -> None:
        if rank == 0:
            store(config.state, reached)
            _log(config.tensorboard, reached.history[-1], reached.epoch)
            latest.set.remote(reached.epoch, _remark(reached.history[-1]))
        ray.train.report(dict(reached.history[-1]))

    has_valid = "valid" in values["parts"]
    fitting = Fitting(
        network=network,
        model=model,
        recipe=recipe,
        n_genres=len(config.genres),
        top_db=front_end.top_db,
        steps=config.steps,
        seed=config.seed,
        rank=rank,
        reduce=_over_workers,
    )
    try:
        fitting.fit(
            standing, lambda epoch: batches("train", epoch), (lambda: batches("valid", 0)) if has_valid else None, after
        )
    except Diverged as error:
        return error
    return None


def store(url: str, reached: State) -> None:
    """Over the last one, whole or not at all. By way of the disk: of a large network it is several times its weights."""
    with tempfile.TemporaryDirectory() as folder:
        packed, parts = f"{folder}/state.tar", Path(folder) / "state"
        parts.mkdir()
        state.save(reached, str(parts))
        with tarfile.open(packed, "w") as archive:
            for part in sorted(parts.iterdir()):
                archive.add(part, arcname=part.name)
                part.unlink()
        storage.put(packed, url)


def stored(url: str) -> State | None:
    """None if nothing was stored yet."""
    if not storage.exists(url):
        return None
    with (
        tempfile.TemporaryDirectory() as folder,
        storage.reaching(url),
        storage.filesystem(url).open(url) as packed,
        tarfile.open(fileobj=packed, mode="r|") as archive,
    ):
        archive.extractall(folder, filter="data")
        return state.load(folder)


def _batches(
    part: str, front_end: FrontEnd, config: Config, recipe: Recipe, by_track: bool, epoch: int, device: torch.device
) -> Iterator[Batch]:
    """This worker's share; training shuffled alike for the same seed and epoch."""
    training = part == "train"
    share, seed = ray.train.get_dataset_shard(part), config.seed + epoch if training else None
    rows = tables(share, recipe.batch_size, by_track=by_track, seed=seed)
    for batch in made(rows, front_end, config.genres, by_track=by_track, training=training):
        yield batch.to(device)


def tables(share: "ray.data.DataIterator", size: int, *, by_track: bool, seed: int | None) -> Iterable[pa.Table]:
    """A worker's share, `size` rows at a time, shuffled by `seed` if there is one. Shares of as many rows come in as many tables."""
    # With fewer than two tables in hand Ray cuts smaller ones wherever its blocks end, so not as many in each worker.
    held = max(2 * size, SHUFFLED_SEGMENTS // (8 if by_track else 1))
    shuffle = {} if seed is None else {"local_shuffle_buffer_size": held, "local_shuffle_seed": seed}
    # Not iter_torch_batches: it would hand over columns of Python objects, or take a Batch for tensors of its own to move.
    found: Iterable[pa.Table] = share.iter_batches(
        batch_size=size, batch_format="pyarrow", prefetch_batches=PREFETCHED, **shuffle
    )
    return found


def made(
    rows: Iterable[pa.Table], front_end: FrontEnd, genres: tuple[str, ...], *, by_track: bool, training: bool
) -> Iterator[Batch]:
    """A batch of each table of segments, or of tracks as segments.by_tracks makes them. A row alone is not trained on: one segment has no
    batch statistics. Nor is a lone track of several, for workers wait for each other in each batch, and another's may have one."""
    for table in rows:
        if table.num_rows > 1 or not training:
            examples = Examples.of(segments.flat(table) if by_track else table, front_end, genres)
            yield examples.whole(by_track=by_track)


def _over_workers(sums: torch.Tensor) -> torch.Tensor:
    if torch.distributed.is_initialized():
        sums = sums.to(ray.train.torch.get_device())
        torch.distributed.all_reduce(sums)
    return sums.cpu()


def _remark(scores: dict[str, float]) -> str:
    part = "valid" if "valid_loss" in scores else "train"
    name = "validation" if part == "valid" else "training"
    return f"{name} loss {scores[f'{part}_loss']:.3f}, accuracy {scores[f'{part}_accuracy']:.3f}"


def _log(url: str, scores: dict[str, float], epoch: int) -> None:
    """One TensorBoard event file an epoch, written here and stored with the checkpoints."""
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            for name, value in scores.items():
                writer.add_scalar(name, value, epoch)
        for file in os.listdir(folder):
            storage.write_bytes(storage.join(url, file), (Path(folder) / file).read_bytes())
