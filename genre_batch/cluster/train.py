"""`train-network`: shards to a bundle, on Ray Train."""

import hashlib
import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

import genre_batch
from genre_batch import progress, splits
from genre_batch.audit import notice
from genre_batch.choices import Protocol
from genre_batch.cluster import folds, segments, session, tally, train_loop
from genre_batch.cluster.recordings import refuse_imported
from genre_batch.cluster.segments import Shards
from genre_batch.cluster.waveforms import altered
from genre_batch.errors import UsageError
from genre_batch.evaluation import left_out, metrics
from genre_batch.front_end import FrontEnd
from genre_batch.models import bundle as bundles
from genre_batch.models import calibrate, cost, export, networks
from genre_batch.models.bundle import Bundle, Served
from genre_batch.models.calibrate import Calibration
from genre_batch.models.recipe import Recipe
from genre_batch.models.state import State
from genre_batch.splits import Part
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy

MAX_FAILURES = 3


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What `train-network` can be told; all that decides the weights, so its digest names the run that may be resumed.

    n_folds: 0 to keep a validation and a test part out; else all tracks are trained on, and what the network is worth is told by as many
    others, each trained without a fold.
    """

    network: str
    split: Protocol
    recipe: Recipe
    seed: int
    workers: int
    n_folds: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "network": self.network,
            "split": self.split.value,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "workers": self.workers,
            "folds": self.n_folds,
        }


@dataclass(frozen=True)
class Trained:
    """Where the bundle is, its id and its metrics (`valid` and `test`, or `folds`), and how many epochs were run."""

    bundle_url: str
    bundle_id: str
    metrics: dict[str, Any]
    epochs: int


def train_network(*, shards_url: str, bundle_url: str, checkpoints: str, options: TrainOptions) -> Trained:
    """Train, calibrate, measure, write the bundle. A run that was interrupted goes on where its last checkpoint was.

    Raises JobError.
    """
    networks.kind(options.network)
    if options.n_folds == 1:
        raise UsageError("--folds 1 would leave nothing to train on: take at least 2, or leave it out")
    if options.n_folds and options.split is Protocol.FAULT_FILTERED:
        raise UsageError("the fault-filtered lists have one test part, not several folds: leave out one of --folds and --split")
    if options.n_folds and options.split is Protocol.RANDOM:
        raise UsageError("--split random would put segments of one track on both sides: take artist or track")
    if found := notice.findings(shards_url):
        progress.warn(found)
    # Before Ray starts, so that what is refused is told at once.
    shards = segments.open_shards(shards_url)
    front_end = folds.front_end_of(shards, options.network)
    refuse_imported(shards, options.recipe)
    networks.refuse_crops(options.network, front_end.spectrogram_shape, options.recipe)
    taxonomy, place = shards.taxonomy, storage.normal(checkpoints)
    split = everything(shards.tracks) if options.n_folds else splits.split(shards.tracks, options.split, seed=options.seed)
    with session.session():
        found = _judged(shards, place, options) if options.n_folds else None
        reached = _fit(shards, split, front_end, taxonomy, place, options)
        network = networks.build(options.network, front_end.spectrogram_shape, len(taxonomy))
        network.load_state_dict(reached.best_weights)
        member = export.member(network, options.network, front_end.spectrogram_shape)
        if found is not None:
            judged, calibration = left_out.measure(left_out.answers([found], taxonomy))
            figures = {"folds": judged}
        else:
            figures, calibration = _measure(shards, split, taxonomy, Served((member.served,), None, front_end))
        bundle = Bundle.assemble(
            name=options.network,
            members=[member],
            front_end=front_end,
            taxonomy=taxonomy,
            calibration=calibration,
            split=split,
            provenance=_provenance(shards, split, options, reached) | {"cost": cost.measure([member], front_end)},
            metrics=figures,
            folds=found,
        )
        bundle_id = _write(bundle, bundle_url)
        return Trained(storage.normal(bundle_url), bundle_id, figures, reached.epoch)


def _judged(shards: Shards, place: str, options: TrainOptions) -> pa.Table:
    """What networks trained without a fold each say of it."""
    trial = folds.Trial(
        network=options.network, recipe=options.recipe, seed=options.seed, n_folds=options.n_folds, protocol=options.split
    )
    return folds.cross_validate(shards, [trial], place)[0]


def _write(made: Bundle, url: str) -> str:
    """The id of what is there afterwards: a bundle that labels like `made` is left as it is.

    An id depends on when its bundle was made too, and under another one a whole catalog would be labelled anew for nothing.
    """
    try:
        there = bundles.load(url)
    except UsageError:
        there = None
    if there and there.labels_like(made):
        progress.say(f"bundle {there.bundle_id} in {url} is of this training already, and left as it is")
        return there.bundle_id
    if there:
        progress.warn(f"bundle {there.bundle_id} in {url}, of another training, is replaced")
    made.write(url)
    return made.bundle_id


def everything(tracks: pa.Table) -> pa.Table:
    """A split in which all tracks are trained on."""
    tracks = tracks.select(["track_id", "genre", "artist"]).sort_by("track_id")
    return tracks.append_column("part", pa.array([Part.TRAIN.value] * tracks.num_rows, pa.string()))


def run_name(shards: Shards, split: pa.Table, options: TrainOptions) -> str:
    """Of a training: the same where it may go on from what an earlier one stored."""
    facts = {**options.to_dict(), **shards.facts, "parts": splits.digest(split)}
    return f"{options.network}-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]}"


class _Trainer(TorchTrainer):
    """Its own answer to Ctrl-C would end the job with 1; ours goes on where it was."""

    def _register_sigint_handler(self, controller: "ray.actor.ActorHandle") -> None:
        pass


def _fit(
    shards: Shards, split: pa.Table, front_end: FrontEnd, taxonomy: Taxonomy, checkpoints: str, options: TrainOptions
) -> State:
    name = run_name(shards, split, options)
    stored = storage.join(checkpoints, name, "state.tar")
    standing = train_loop.stored(stored)
    if standing and standing.finished(options.recipe):
        progress.say(f"training {name} was finished before: its weights are in {checkpoints}")
        return standing
    system, path = storage.arrow_filesystem(checkpoints)
    gpu = session.gpus() >= options.workers
    parts = {part: _track_ids(split, part) for part in (Part.TRAIN, Part.VALID) if _track_ids(split, part)}
    by_track = networks.kind(options.network).recurrent
    rows = {part: len(ids) if by_track else sum(shards.sizes(ids).values()) for part, ids in parts.items()}
    for part, (purpose, each) in {Part.TRAIN: ("train on", 2), Part.VALID: ("stop by", 1)}.items():
        if part in rows and rows[part] < each * options.workers:
            raise UsageError(
                f"{rows[part]} {'tracks' if by_track else 'segments'} to {purpose} are too few for {options.workers} worker(s), which need "
                f"{each} each"
            )
    config = {
        "network": options.network,
        "recipe": options.recipe.to_dict(),
        "seed": options.seed,
        "front_end": front_end.to_json(),
        "genres": taxonomy.genres,
        "steps": max(1, -(-rows[Part.TRAIN] // (options.recipe.batch_size * options.workers))),
        "tensorboard": storage.join(checkpoints, name, "tensorboard"),
        "state": stored,
    }
    latest = ray.remote(num_cpus=0)(tally.Latest).remote()
    trainer = _Trainer(
        train_loop.train_worker,
        train_loop_config={"config": config, "latest": latest, "parts": [part.value for part in parts]},
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
        ),
        datasets={part.value: _examples(shards, ids, part, front_end, by_track, options) for part, ids in parts.items()},
    )
    epochs = options.recipe.epochs
    begun = f", going on after epoch {standing.epoch}" if standing else ""
    progress.say(f"training {name}: {options.workers} worker(s){' on GPU' if gpu else ''}, checkpoints in {checkpoints}{begun}")
    with progress.watching("train-network", epochs, lambda: ray.get(latest.seen.remote())):
        diverged = trainer.fit().return_value
    if diverged is not None:
        raise diverged
    reached = train_loop.stored(stored)
    assert reached is not None
    return reached


def _cpus_per_worker(workers: int) -> float:
    """A core stays free for reading shards where there is more than one; a lone core is shared."""
    free = session.cpus() - 1
    return max(1, free // workers) if free >= workers else 0.5 * session.cpus() / workers


def _track_ids(split: pa.Table, part: Part) -> list[str]:
    ids: list[str] = split.filter(pc.equal(split["part"], part.value))["track_id"].to_pylist()
    return ids


def _examples(
    shards: Shards, track_ids: list[str], part: Part, front_end: FrontEnd, by_track: bool, options: TrainOptions
) -> "ray.data.Dataset":
    training = part is Part.TRAIN
    waveform = options.recipe.waveform if training else ()
    columns = (*segments.columns_for(front_end), *(("uri",) if waveform else ()))
    rows = shards.stream(
        track_ids, columns=columns, seed=options.seed if training else None, by_track=by_track or bool(waveform)
    )
    if waveform:

        def alter(batch: pa.Table) -> pa.Table:
            # Not seeded: the same task runs once an epoch, and must not do the same each time.
            return altered(batch, front_end, waveform, np.random.default_rng()) if batch.num_rows else batch

        rows = rows.map_batches(alter, batch_size=None, batch_format="pyarrow")
    return rows.map_batches(segments.by_tracks, batch_size=None, batch_format="pyarrow") if by_track else rows


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


def _provenance(shards: Shards, split: pa.Table, options: TrainOptions, reached: State) -> dict[str, Any]:
    packages = ("torch", "ray", "numpy", "onnxruntime")
    return {
        "members": [{"network": options.network, "recipe": options.recipe.to_dict(), "seed": options.seed}],
        "shards": storage.told(shards.url),
        "shards_version": shards.version,
        "split_digest": splits.digest(split),
        "options": options.to_dict(),
        "seed": options.seed,
        "epochs_run": reached.epoch,
        "history": list(reached.history),
        "code_version": genre_batch.__version__,
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
