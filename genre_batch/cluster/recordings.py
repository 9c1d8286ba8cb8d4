"""What a bundle says of the recordings behind shards: as they are, and altered in ways that leave their genre as it was."""

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import ray

from genre_batch import progress
from genre_batch.choices import Layout
from genre_batch.cluster.segments import Shards
from genre_batch.errors import JobError, TrackError, UsageError
from genre_batch.evaluation import stability
from genre_batch.models import scorer
from genre_batch.models.bundle import Bundle
from genre_batch.models.recipe import Recipe
from genre_batch.models.verdict import judge
from genre_batch.signal.alter import ALTERATIONS
from genre_batch.signal.extract import extract
from genre_batch.tables import library, spectrograms, storage, store
from schemas import shards as contract

MOST = 1000
"""Recordings, drawn at random where there are more: each is decoded and altered once for every alteration, and a flip rate of 5 % is
known to within 1.4 points by so many."""

UNALTERED = "unaltered"
Labels = dict[str, tuple[str, str]]
"""Of one recording: by UNALTERED and by alteration, the best genre and the published one, which may be `unknown`."""


def of_shards(shards: Shards, track_ids: Collection[str]) -> dict[str, str]:
    """The recording of each of some tracks, as far as the shards name any: those of published spectrograms name an archive or a picture."""
    rows = (
        store.read(shards.url, contract.NAME, contract.ARROW, ["track_id", "uri"]).group_by(["track_id", "uri"]).aggregate([])
    )
    uris: dict[str, str] = dict(zip(rows["track_id"].to_pylist(), rows["uri"].to_pylist(), strict=True))
    drawn = (spectrograms.ARCHIVE, spectrograms.PICTURE)
    return {t: uri for t, uri in uris.items() if t in track_ids and not uri.lower().endswith(drawn)}


def refuse_imported(shards: Shards, recipe: Recipe) -> None:
    """Raises UsageError for a recipe that alters recordings, where the shards name none for some of their tracks."""
    if not recipe.waveform:
        return
    everyone = set(shards.tracks["track_id"].to_pylist())
    if lacking := everyone - of_shards(shards, everyone).keys():
        raise UsageError(
            f"{len(lacking)} of the {len(everyone)} tracks of {shards.url}, such as {min(lacking)}, were imported as spectrograms, and "
            f"--waveform {', '.join(recipe.waveform)} alters recordings: take shards that build-shards made, or --waveform none"
        )


def of_library(url: str, track_ids: Collection[str]) -> dict[str, str]:
    """The recording of each of some tracks in another library, by the same track id, or the same name with or without its ending.

    Raises UsageError where there is none, StoreUnreachable.
    """
    listed = library.read(url, Layout.TREE).tracks.to_pylist()
    places = {row["track_id"]: row["uri"] for row in listed if row["uri"]}
    # A name that two recordings share says nothing.
    named: dict[str, set[str]] = {}
    for track_id in places:
        path = PurePosixPath(track_id)
        for name in {str(path.with_suffix("")), path.name, path.stem}:
            named.setdefault(name, set()).add(track_id)
    found = {}
    for track_id in track_ids:
        near = named.get(track_id, set()) or named.get(PurePosixPath(track_id).name, set())
        if track_id in places:
            found[track_id] = places[track_id]
        elif len(near) == 1:
            found[track_id] = places[min(near)]
    if not found:
        raise UsageError(
            f"none of the {len(places)} recordings at {url} is one of the {len(track_ids)} judged tracks: their names must be the track "
            f"ids, such as {min(track_ids, default='')!r}, but for folder and ending"
        )
    return found


def measure(bundle: Bundle, recordings: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """How often an alteration changes the label of a track, as stability.flip_rates says it of best genres, with
    `flip_rate_with_unknown` of labels as they are published; and the best genre of each unaltered recording that can be labelled.

    recordings: URI by track. Nothing where none can be labelled. Raises StoreUnreachable.
    """
    chosen = sorted(recordings)
    if len(chosen) > MOST:
        progress.say(f"stability is measured on {MOST} of {len(chosen)} recordings, drawn at random")
        chosen = sorted(np.random.default_rng(0).choice(chosen, MOST, replace=False).tolist())
    labels = _labels(bundle, {track_id: recordings[track_id] for track_id in chosen})
    best, published = (_by_alteration(labels, place) for place in (0, 1))
    original, known = best.pop(UNALTERED), published.pop(UNALTERED)
    if not original:
        return {}, {}
    with_unknown = stability.flip_rates(known, published)
    return {
        name: rates | {"flip_rate_with_unknown": with_unknown[name]["flip_rate"]}
        for name, rates in stability.flip_rates(original, best).items()
    }, original


def _by_alteration(labels: dict[str, Labels], place: int) -> dict[str, dict[str, str]]:
    return {
        name: {track_id: found[name][place] for track_id, found in labels.items() if name in found}
        for name in (UNALTERED, *ALTERATIONS)
    }


def _labels(bundle: Bundle, recordings: dict[str, str]) -> dict[str, Labels]:
    ask = ray.remote(num_cpus=1, max_retries=3)(_ask)
    shared = ray.put(bundle)
    waiting = [ask.remote(shared, track_id, uri) for track_id, uri in recordings.items()]
    found: dict[str, Labels] = {}
    with progress.watching("stability", len(waiting), lambda: (len(found), "recordings")):
        while waiting:
            done, waiting = ray.wait(waiting)
            for answer in ray.get(done):
                if isinstance(answer, JobError):
                    for each in waiting:
                        ray.cancel(each, force=True)
                    raise answer
                found |= answer
    return found


def _ask(bundle: Bundle, track_id: str, uri: str) -> dict[str, Labels] | JobError:
    """Runs in a worker: the labels of one recording. A JobError is an answer, so that its sentence arrives whole."""
    labels: Labels = {}
    try:
        data = storage.read_bytes(uri)
        labels[UNALTERED] = _label(bundle, data)
        for name, alter in ALTERATIONS.items():
            try:
                labels[name] = _label(bundle, alter(data))
            except TrackError:
                continue
    except TrackError:
        return {track_id: labels}
    except JobError as error:
        return error
    return {track_id: labels}


def _label(bundle: Bundle, data: bytes) -> tuple[str, str]:
    features = extract(data, bundle.front_end)
    verdict = judge(bundle, scorer.of_served(bundle.served)(features.spectrograms, features.descriptors))
    return verdict.best_genre, verdict.genre
