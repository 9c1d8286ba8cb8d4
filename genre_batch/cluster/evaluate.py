"""`evaluate`: what a bundle is worth on recordings it was not trained on."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from genre_batch import progress
from genre_batch.cluster import known_tracks, segments, session
from genre_batch.cluster.recordings import measure, of_library, of_shards
from genre_batch.cluster.segments import Scored, Shards
from genre_batch.errors import UsageError
from genre_batch.evaluation import metrics, plots, written
from genre_batch.models import bundle as bundles
from genre_batch.models.bundle import Bundle
from genre_batch.models.calibrate import pool
from genre_batch.report import evaluation as report
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy


@dataclass(frozen=True)
class Evaluation:
    """`figures` is evaluation.json; `files` are the names of all that was written, this first."""

    figures: dict[str, Any]
    files: list[str]


def evaluate(
    *,
    bundle_url: str,
    shards_url: str,
    out: str,
    leave_out: bool = False,
    include_training: bool = False,
    stability: bool = True,
    recordings: str | None = None,
) -> Evaluation:
    """Score tracks that the bundle never heard, and write evaluation.json, evaluation.md and pictures to `out`.

    Refuses shards with tracks of the training and validation parts, or by artists of them; leave_out: judges the others,
    include_training: judges all, and marks the result. stability: whether labels survive alterations of the recordings, where there are
    any; recordings: a library that holds those that the shards do not name. Raises JobError.
    """
    if leave_out and include_training:
        raise UsageError("training tracks are left out or included: take one of --leave-out and --include-training")
    if recordings and not stability:
        raise UsageError("--recordings is for measuring stability: leave out --no-stability")
    bundle = bundles.load(bundle_url)
    # Before Ray starts, so that what is refused is told at once.
    shards = segments.open_shards(shards_url)
    _refuse_others(shards, bundle)
    chosen, choice = known_tracks.choose(shards, bundle.split, leave_out=leave_out, include_training=include_training)
    places = _recordings(shards, chosen, recordings) if stability else {}
    with session.session():
        scored = segments.score(shards, bundle.served, chosen)
        flips, from_audio = measure(bundle, places) if places else ({}, {})
    arrays = segments.arrays(scored, bundle.taxonomy)
    figures = metrics.evaluate(*arrays, bundle.taxonomy, bundle.calibration) | {"bundle_id": bundle.bundle_id} | choice
    remarks = [
        f"Bundle `{bundle.bundle_id}`, shards `{shards.url}` version {shards.version}.",
        known_tracks.told(shards.tracks, bundle.split, chosen),
    ]
    if flips:
        figures["stability"] = flips
    if recordings and from_audio:
        figures |= _beside(scored, arrays, bundle.taxonomy, from_audio)
        remarks.append(
            f"Of {figures['n_recordings']} of these tracks the recordings themselves were labelled too: "
            f"{figures['audio_track_accuracy']:.1%} right, from the spectrograms of the shards {figures['published_track_accuracy']:.1%}."
        )
    facts = bundle.facts
    history = facts["provenance"].get("history", [])
    return publish(out, figures, bundle.taxonomy, title=f"Evaluation of {facts['model']}", remarks=remarks, history=history)


def publish(
    out: str, figures: dict[str, Any], taxonomy: Taxonomy, *, title: str, remarks: list[str], history: list[dict[str, Any]]
) -> Evaluation:
    """Figures, page and pictures. history: of the training, for learning curves; none if empty. Raises StoreUnreachable."""
    mark = "\nLEAKY: training tracks included" if figures["includes_training_tracks"] else ""
    caption = f"{figures['n_tracks']} tracks, accuracy {figures['track_accuracy']:.3f}{mark}"
    pictures = {
        "confusion.png": plots.confusion(figures["confusion"], taxonomy, caption),
        "reliability.png": plots.reliability(figures, caption),
        "coverage.png": plots.coverage(figures, caption),
    }
    if history:
        pictures["learning_curves.png"] = plots.learning_curves(history, f"{title}: how it was trained")
    page = written.markdown(figures, taxonomy, title=title, pictures=list(pictures), remarks=remarks)
    html = report.page(figures, taxonomy, title=title, remarks=remarks, history=history)
    files = {
        "evaluation.json": json.dumps(figures, indent=2).encode(),
        "evaluation.md": page.encode(),
        "evaluation.html": html.encode(),
        **pictures,
    }
    for name, data in files.items():
        storage.write_bytes(storage.join(storage.normal(out), name), data)
    return Evaluation(figures, list(files))


def _recordings(shards: Shards, chosen: set[str], url: str | None) -> dict[str, str]:
    found = of_library(url, chosen) if url else of_shards(shards, chosen)
    if not found:
        progress.say("stability is not measured: the shards name no recordings; --recordings URL says where they are")
    return found


def _beside(scored: pa.Table, arrays: Scored, taxonomy: Taxonomy, from_audio: dict[str, str]) -> dict[str, Any]:
    """Accuracy from the recordings, and from the shards on the same tracks."""
    names = np.unique(np.array(scored["track_id"].to_pylist())).tolist()
    guesses = pool(arrays.logits, arrays.tracks).argmax(axis=1)
    rows = [
        (from_audio[n], int(g), int(label))
        for n, g, label in zip(names, guesses, arrays.labels, strict=True)
        if n in from_audio
    ]
    return {
        "n_recordings": len(rows),
        "audio_track_accuracy": float(np.mean([heard == taxonomy.genres[label] for heard, _, label in rows])),
        "published_track_accuracy": float(np.mean([guess == label for _, guess, label in rows])),
    }


def _refuse_others(shards: Shards, bundle: Bundle) -> None:
    if not shards.front_end.includes(bundle.front_end):
        raise UsageError(
            f"the shards at {shards.url} were built with front end {shards.front_end.digest}, the bundle needs "
            f"{bundle.front_end.digest} ({bundle.front_end.name})"
        )
    strangers = set(shards.tracks["genre"].to_pylist()) - set(bundle.taxonomy.genres)
    if strangers:
        raise UsageError(
            f"the bundle knows no {', '.join(sorted(strangers))}; it tells apart {', '.join(bundle.taxonomy.genres)}"
        )
