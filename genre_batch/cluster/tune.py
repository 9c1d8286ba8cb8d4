"""`tune-baselines`: what descriptors or statistics are worth, told under every protocol, and the best baseline as a bundle."""

from dataclasses import dataclass
from typing import Any

import ray

from genre_batch import progress
from genre_batch.choices import Features, Map, Model, Profile, Protocol
from genre_batch.cluster import session, trials
from genre_batch.errors import UsageError
from genre_batch.evaluation import baselines, best_baseline, grid
from genre_batch.evaluation.baselines import Cell
from genre_batch.report import grid as report
from genre_batch.signal import statistics
from genre_batch.tables import features, storage
from genre_batch.tables.features import FeatureTable

MOST_COLUMNS = 100
"""That the polynomial map may multiply with each other: 57 become 1,710, the 384 of 128 bands would become 74,304."""


@dataclass(frozen=True)
class Asked:
    """Which cells; protocols or maps None: all that the table allows."""

    profiles: list[Profile]
    protocols: list[Protocol] | None
    models: list[Model]
    maps: list[Map] | None


@dataclass(frozen=True)
class Tuned:
    """Rows of schemas.trials; where the bundle is and its id, None where no sound baseline was tried."""

    rows: list[dict[str, Any]]
    bundle_url: str
    bundle_id: str | None


def tune_baselines(
    *,
    table_url: str | None,
    shards_url: str | None,
    artists: str | None,
    looked_at: Features,
    out: str,
    bundle_url: str,
    asked: Asked,
    seed: int,
) -> Tuned:
    """Writes grid.csv, grid.md, grid.png and table `trials` to `out`, and the bundle. Raises JobError."""
    table = _read(table_url, shards_url, artists, looked_at)
    out = storage.normal(out)
    cells = _cells(asked, table, seed)
    with session.session():
        return _tune(table, cells, out, bundle_url, seed, with_deck=table_url is not None)


def _tune(table: FeatureTable, cells: list[Cell], out: str, bundle_url: str, seed: int, *, with_deck: bool) -> Tuned:
    rows = trials.try_all(table, cells, out, seed=seed)
    source = ("statistics of " if table.inputs == ("statistics",) else "") + table.source.rsplit("/", 1)[1]
    text = grid.as_markdown(rows, source, seed=seed, with_deck=with_deck)
    files = {
        "grid.csv": grid.as_csv(rows).encode(),
        "grid.md": text.encode(),
        "grid.html": report.page(rows, source, seed=seed, with_deck=with_deck).encode(),
        "grid.png": grid.picture(rows),
    }
    for name, data in files.items():
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


def _read(table_url: str | None, shards_url: str | None, artists: str | None, looked_at: Features) -> FeatureTable:
    if (table_url is None) == (shards_url is None):
        raise UsageError("give either --table FILE or --shards URL")
    if table_url is not None:
        if looked_at is not Features.DESCRIPTORS:
            raise UsageError(f"--features {looked_at} goes with --shards: a table holds descriptors")
        return features.read_published(table_url, artists)
    if artists is not None:
        raise UsageError("--artists goes with --table: shards carry the artists that build-shards was told")
    assert shards_url is not None
    if looked_at is Features.STATISTICS:
        return features.read_spectrograms(shards_url, statistics.describe)
    return features.read_shards(shards_url)


def _cells(asked: Asked, table: FeatureTable, seed: int) -> list[Cell]:
    """The maps that cost most come first, so that no long trial is left for the end.

    Raises UsageError for a protocol that was asked for and cannot split the table, and for a map that would make too many columns
    of it; what was not asked for is left out then.
    """
    found = []
    profiles = list(dict.fromkeys(asked.profiles))
    maps = _maps(asked, table.values.shape[1])
    dear_first = [each for each in (Map.POLYNOMIAL, Map.RBF, Map.PCA, Map.NONE) if each in maps]
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


def _maps(asked: Asked, n_columns: int) -> list[Map]:
    maps = list(Map) if asked.maps is None else asked.maps
    if n_columns <= MOST_COLUMNS or Map.POLYNOMIAL not in maps:
        return maps
    others: list[Map] = [each for each in Map if each is not Map.POLYNOMIAL]
    why = f"it would make {n_columns * (n_columns + 3) // 2:,} columns of {n_columns}"
    if asked.maps is not None:
        raise UsageError(f"--map polynomial is refused: {why}; take {', '.join(others[:-1])} or {others[-1]}")
    progress.say(f"map polynomial is left out: {why}")
    return others
