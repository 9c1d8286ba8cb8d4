"""`train-network`: shards to a bundle, on Ray Train."""

import dataclasses
import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

import genre_batch
from genre_batch import progress, splits
from genre_batch.choices import Protocol
from genre_batch.cluster import segments, session, tally, train_loop
from genre_batch.cluster.segments import Shards
from genre_batch.errors import UsageError
from genre_batch.evaluation import metrics
from genre_batch.models import calibrate, export, networks
from genre_batch.models.bundle import ONNX, WEIGHTS, Bundle, Served
from genre_batch.models.calibrate import Calibration
from genre_batch.splits import Part
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy

MAX_FAILURES = 3


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What `train-network` can be told; all that decides the weights, so its digest names the run that may be resumed."""

    network: str
    split: Protocol
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    workers: int


@dataclass(frozen=True)
class Trained:
    """Where the bundle is, its id and its metrics (`valid`, `test`), and how many epochs were run."""

    bundle_url: str
    bundle_id: str
    metrics: dict[str, Any]
    epochs: int


def train_network(*, shards_url: str, bundle_url: str, checkpoints: str, options: TrainOptions) -> Trained:
    """Train, calibrate, measure, write the bundle. A run that was interrupted goes on where its last checkpoint was.

    Raises JobError.
    """
    networks.known(options.network)
    with session.session():
        shards = segments.open_shards(shards_url)
        if not shards.front_end.spectrograms:
            raise UsageError(
                f"the shards at {shards.url} hold no spectrograms: build others, or train a baseline with tune-baselines"
            )
        split = splits.split(shards.tracks, options.split, seed=options.seed)
        taxonomy = Taxonomy.of(shards.tracks["genre"].to_pylist())
        result = _fit(shards, split, taxonomy, storage.normal(checkpoints), options)
        with result.checkpoint.as_directory() as folder:
            state = train_loop.load(folder)
        network = networks.build(options.network, shards.front_end.spectrogram_shape[0], len(taxonomy))
        network.load_state_dict(state.best_weights)
        onnx = export.to_onnx(network, shards.front_end.spectrogram_shape)
        front_end = dataclasses.replace(shards.front_end, descriptors=None)
        figures, calibration = _measure(shards, split, taxonomy, Served(ONNX, onnx, front_end))
        bundle = Bundle.assemble(
            name=options.network,
            model={ONNX: onnx, WEIGHTS: export.weights(network)},
            front_end=front_end,
            taxonomy=taxonomy,
            calibration=calibration,
            split=split,
            provenance=_provenance(shards, split, options, state.epoch),
            metrics=figures,
        )
        bundle.write(bundle_url)
        return Trained(storage.normal(bundle_url), bundle.bundle_id, figures, state.epoch)


def _fit(shards: Shards, split: pa.Table, taxonomy: Taxonomy, checkpoints: str, options: TrainOptions) -> "ray.train.Result":
    facts = {**asdict(options), "shards": shards.url, "version": shards.version, "parts": splits.digest(split)}
    name = f"{options.network}-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]}"
    system, path = storage.arrow_filesystem(checkpoints)
    gpu = session.gpus() >= options.workers
    config = train_loop.Config(
        **{key: value for key, value in asdict(options).items() if key not in ("workers", "split")},
        spectrogram_shape=shards.front_end.spectrogram_shape,
        genres=taxonomy.genres,
        tensorboard=storage.join(checkpoints, name, "tensorboard"),
    )
    latest = ray.remote(num_cpus=0)(tally.Latest).remote()
    trainer = TorchTrainer(
        train_loop.train_worker,
        train_loop_config={"config": asdict(config), "latest": latest},
        scaling_config=ScalingConfig(
            num_workers=options.workers,
            use_gpu=gpu,
            resources_per_worker={"CPU": _cpus_per_worker(options.workers)} | ({"GPU": 1} if gpu else {}),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=path,
            storage_filesystem=system,
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
        datasets={part.value: _examples(shards, split, part, options.seed) for part in (Part.TRAIN, Part.VALID)},
    )
    progress.say(f"training {name}: {options.workers} worker(s){' on GPU' if gpu else ''}, checkpoints in {checkpoints}")
    with progress.watching("train-network", options.epochs, lambda: ray.get(latest.seen.remote())):
        return trainer.fit()


def _cpus_per_worker(workers: int) -> float:
    """A core stays free for reading shards where there is more than one; a lone core is shared."""
    free = session.cpus() - 1
    return max(1, free // workers) if free >= workers else 0.5 * session.cpus() / workers


def _examples(shards: Shards, split: pa.Table, part: Part, seed: int) -> "ray.data.Dataset":
    mine = split.filter(pc.equal(split["part"], part.value))["track_id"].to_pylist()
    return shards.stream(mine, seed=seed if part is Part.TRAIN else None)


def _measure(shards: Shards, split: pa.Table, taxonomy: Taxonomy, served: Served) -> tuple[dict[str, Any], Calibration]:
    """Calibrate on the validation part, then measure it and the test part."""
    parts = dict(zip(split["track_id"].to_pylist(), split["part"].to_pylist(), strict=True))
    chosen = {track_id for track_id, part in parts.items() if part != Part.TRAIN}
    scored = segments.score(shards, served, chosen)
    by_part = {}
    for part in (Part.VALID, Part.TEST):
        rows = scored.filter(pa.array([parts[t] == part for t in scored["track_id"].to_pylist()]))
        by_part[part.value] = segments.arrays(rows, taxonomy)
    valid = by_part[Part.VALID]
    calibration = calibrate.fit(calibrate.pool(valid.logits, valid.tracks), valid.labels)
    return {part: metrics.evaluate(*rows, taxonomy, calibration) for part, rows in by_part.items()}, calibration


def _provenance(shards: Shards, split: pa.Table, options: TrainOptions, epochs: int) -> dict[str, Any]:
    packages = ("torch", "ray", "numpy", "onnxruntime")
    return {
        "shards": shards.url,
        "shards_version": shards.version,
        "split_digest": splits.digest(split),
        "options": asdict(options),
        "seed": options.seed,
        "epochs_run": epochs,
        "code_version": genre_batch.__version__,
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
