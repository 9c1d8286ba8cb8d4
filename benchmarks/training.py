"""The same training twice: by a plain loop over segments in this process's memory, and by one Ray Train worker that streams shards."""

import glob
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ray
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from genre_batch.choices import Protocol
from genre_batch.cluster import folds, segments, train
from genre_batch.cluster.examples import Examples
from genre_batch.cluster.segments import Shards
from genre_batch.models import recipes
from genre_batch.models.network import Network
from genre_batch.models.recipe import Recipe
from genre_batch.taxonomy import Taxonomy


@dataclass(frozen=True)
class Plain:
    """A network trained by the plain loop, what it was trained on, and seconds of each epoch but the first."""

    name: str
    network: Network
    examples: Examples
    recipe: Recipe
    epoch_s: list[float]
    threads: int


def plain(shards: Shards, name: str, epochs: int) -> Plain:
    """Within a session: on as many threads as Ray gives a Ray Train worker."""
    threads = int(ray.get(ray.remote(num_cpus=train._cpus_per_worker(1))(lambda: torch.get_num_threads()).remote()))
    torch.set_num_threads(threads)
    front_end = folds.front_end_of(shards, name)
    genres = Taxonomy.of(shards.tracks["genre"].to_pylist()).genres
    rows = shards.read(shards.tracks["track_id"].to_pylist(), segments.columns_for(front_end))
    recipe = replace(recipes.of(name), epochs=epochs, patience=epochs)
    ended: list[float] = []
    network = folds.fit_in_memory(rows, front_end, genres, name, recipe, 0, lambda _: ended.append(time.perf_counter()))
    return Plain(name, network, Examples.of(rows, front_end, genres), recipe, np.diff(ended).tolist(), threads)


def compare(shards: Shards, made: Plain, folder: str) -> dict[str, Any]:
    """Within a session. Segments a second in the median epoch, the first left out; the plain loop runs before and after Ray Train, so that
    a machine which grows busy is unfair to neither."""
    options = train.TrainOptions(network=made.name, split=Protocol.ARTIST, recipe=made.recipe, seed=0, workers=1)
    taxonomy = Taxonomy.of(shards.tracks["genre"].to_pylist())
    front_end = folds.front_end_of(shards, made.name)
    train._fit(shards, train.everything(shards.tracks), front_end, taxonomy, f"{folder}/ray", options)
    streamed = np.diff(ended(f"{folder}/ray"))
    looped = [*made.epoch_s, *plain(shards, made.name, made.recipe.epochs).epoch_s]
    n = len(made.examples.labels)
    rates = {"plain": n / np.median(looped), "ray": n / np.median(streamed)}
    return {
        "network": made.name,
        "segments": n,
        "threads": made.threads,
        "plain loop, segments a s": float(rates["plain"]),
        "Ray Train, segments a s": float(rates["ray"]),
        "Ray Train / plain": float(rates["ray"] / rates["plain"]),
        "epochs, plain s": " ".join(f"{s:.1f}" for s in looped),
        "epochs, Ray Train s": " ".join(f"{s:.1f}" for s in streamed),
    }


def ended(place: str) -> list[float]:
    """When each epoch of the one training at `place` ended, by its TensorBoard files, in seconds."""
    (folder,) = glob.glob(f"{place}/*/tensorboard")
    events = EventAccumulator(folder)
    events.Reload()
    return [each.wall_time for each in events.Scalars("train_loss")]
