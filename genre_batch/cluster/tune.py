"""`tune-baselines`: what descriptors are worth, told under every protocol, and the best baseline as a bundle."""

from dataclasses import dataclass
from typing import Any

import ray

from genre_batch import progress
from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.cluster import session, trials
from genre_batch.errors import UsageError
from genre_batch.evaluation import baselines, best_baseline, grid
from genre_batch.evaluation.baselines import Cell
from genre_batch.tables import features, storage
from genre_batch.tables.features import FeatureTable


@dataclass(frozen=True)
class Asked:
    """Which cells; protocols None: all that the table allows."""

    profiles: list[Profile]
    protocols: list[Protocol] | None
    models: list[Model]
    maps: list[Map]


@dataclass(frozen=True)
class Tuned:
    """Rows of schemas.trials; where the bundle is and its id, None where no sound baseline was tried."""

    rows: list[dict[str, Any]]
    bundle_url: str
    bundle_id: str | None


def tune_baselines(
    *, table_url: str | None, shards_url: str | None, artists: str | None, out: str, bundle_url: str, asked: Asked, seed: int
) -> Tuned:
    """Writes grid.csv, grid.md, grid.png and table `trials` to `out`, and the bundle. Raises JobError."""
    table = _read(table_url, shards_url, artists)
    out = storage.normal(out)
    cells = _cells(asked, table, seed)
    with session.session():
        return _tune(table, cells, out, bundle_url, seed, with_deck=table_url is not None)


def _tune(table: FeatureTable, cells: list[Cell], out: str, bundle_url: str, seed: int, *, with_deck: bool) -> Tuned:
    rows = trials.try_all(table, cells, out, seed=seed)
    text = grid.as_markdown(rows, table.source.rsplit("/", 1)[1], seed=seed, with_deck=with_deck)
    for name, data in (("grid.csv", grid.as_csv(rows).encode()), ("grid.md", text.encode()), ("grid.png", grid.picture(rows))):
        storage.write_bytes(storage.join(out, name), data)
    best = best_baseline.choose(rows)
    if best is None:
        return Tuned(rows, bundle_url, None)
    progress.say(f"fitting {best['model']} on map {best['map']}, the best by {best['protocol']}, on all rows for the bundle")
    # As a task, because a driver's libraries would work on all cores at once, thirty times slower.
    bundle = ray.get(ray.remote(best_baseline.bundle).remote(table, best, seed=seed))
    bundle.write(bundle_url)
    return Tuned(rows, storage.normal(bundle_url), bundle.bundle_id)


def bests(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best baseline by track of each profile and protocol."""
    found = (grid.best(rows, protocol, profile) for profile in Profile for protocol in Protocol)
    return [row for row in found if row]


def _read(table_url: str | None, shards_url: str | None, artists: str | None) -> FeatureTable:
    if (table_url is None) == (shards_url is None):
        raise UsageError("give either --table FILE or --shards URL")
    if table_url is not None:
        return features.read_published(table_url, artists)
    if artists is not None:
        raise UsageError("--artists goes with --table: shards carry the artists that build-shards was told")
    assert shards_url is not None
    return features.read_shards(shards_url)


def _cells(asked: Asked, table: FeatureTable, seed: int) -> list[Cell]:
    """The maps that cost most come first, so that no long trial is left for the end.

    Raises UsageError for a protocol that was asked for and cannot split the table; one that was not asked for is left out then.
    """
    found = []
    profiles = list(dict.fromkeys(asked.profiles))
    dear_first = [each for each in (Map.POLYNOMIAL, Map.RBF, Map.PCA, Map.NONE) if each in asked.maps]
    for protocol in dict.fromkeys(asked.protocols or Protocol):
        try:
            for profile in profiles:
                baselines.folds_of(profile, protocol, table, seed=seed)
        except UsageError as error:
            if asked.protocols:
                raise
            progress.say(f"protocol {protocol} is left out: {error}")
            continue
        models = [model for model in Model if model in asked.models]
        found += [Cell(profile, protocol, model, chosen) for profile in profiles for chosen in dear_first for model in models]
    if not found:
        raise UsageError("no protocol can split this table: see above")
    return found
