"""What a report tells of a night, asked of the tables: each a small answer, however many tracks there are."""

from dataclasses import dataclass
from typing import Any

from genre_batch.evaluation import drift, reference
from genre_batch.evaluation.drift import Against, Quantity
from genre_batch.evaluation.profile import Profile
from genre_batch.report.source import JOB, Source
from genre_batch.tables import store
from genre_batch.taxonomy import UNKNOWN
from schemas import runs

RUNS, EXAMPLES, CHANGED, BINS = 30, 5, 8, 20
"""Runs that are told of, rejects a reason and changed tracks that are shown, and bins of the histogram of confidence."""

Row = dict[str, Any]
_TIME = "strftime(started_at, '%Y-%m-%d %H:%M')"


@dataclass(frozen=True)
class Facts:
    """run: the newest of label-catalog, a row of `runs` with `started`, `day` and `took_s`; runs: it and those before it, the newest first;
    genres and genres_before: tracks by genre, of the labels that are there; `before` None where it is not known."""

    run: Row
    runs: list[Row]
    genres: dict[str, int]
    genres_before: dict[str, int] | None
    given: list[int]
    withheld: list[int]
    by_genre: list[Row]
    """A row a best guess: `genre`, `tracks`, `confidence` (mean), `unknown` (how many of them were not given it)."""
    shifts: list[Row]
    """A row a quantity: `quantity`, `psi`, `by_chance`, `level`, and `bundle`, its PSI against the bundle, or None."""
    reasons: list[Row]
    """A row a reason: `reason`, `tracks`, `new` (of them by this run), `examples`."""
    relabelled: int | None
    """Tracks that had a label before and were labelled again by this run; None where the labels of before are not kept."""
    flows: list[Row]
    """A row a pair of labels: `was`, `now`, `tracks`; the most frequent first."""
    changed: list[Row]
    """Some of these tracks: `track_id`, `uri`, `was`, `now`, `confidence`, the surest first."""

    @property
    def tracks(self) -> int:
        return sum(self.genres.values())

    @property
    def unknown(self) -> int:
        return self.genres.get(UNKNOWN, 0)

    @property
    def rejected(self) -> int:
        return sum(row["tracks"] for row in self.reasons)

    @property
    def n_changed(self) -> int:
        return sum(row["tracks"] for row in self.flows)


def gather(source: Source, url: str) -> Facts:
    """Raises StoreUnreachable."""
    told = source.rows(
        f"SELECT * EXCLUDE (started_at, finished_at), {_TIME} AS started, epoch(finished_at - started_at) AS took_s FROM runs "
        "WHERE job = $job ORDER BY started_at DESC, run_id DESC LIMIT $n",
        job=JOB,
        n=RUNS,
    )
    given, withheld = _histogram(source)
    return Facts(
        run=told[0],
        runs=told,
        genres=_by_genre(source, "labels"),
        genres_before=_by_genre(source, "labels_before") if source.compared else None,
        given=given,
        withheld=withheld,
        by_genre=source.rows(
            "SELECT best_genre AS genre, count(*) AS tracks, avg(confidence) AS confidence, count(*) FILTER (genre = $unknown) AS unknown "
            "FROM labels WHERE deleted_at IS NULL GROUP BY 1 ORDER BY tracks DESC, 1",
            unknown=UNKNOWN,
        ),
        shifts=_shifts(told[0], url),
        reasons=_reasons(source),
        relabelled=_relabelled(source),
        flows=source.rows(
            f"SELECT was, now, count(*) AS tracks FROM ({_CHANGED}) GROUP BY 1, 2 ORDER BY tracks DESC, 1, 2",
        ),
        changed=source.rows(f"FROM ({_CHANGED}) ORDER BY confidence DESC, track_id LIMIT $n", n=CHANGED),
    )


_CHANGED = (
    "SELECT now.track_id, now.uri, before.genre AS was, now.genre AS now, now.confidence FROM labels_new AS now "
    "JOIN labels_old AS before USING (track_id) WHERE now.genre <> before.genre AND now.deleted_at IS NULL"
)
"""Only of files that one of the two versions has alone: a night that labels little reads little."""


def _by_genre(source: Source, view: str) -> dict[str, int]:
    found = source.rows(f"SELECT genre, count(*) AS n FROM {view} WHERE deleted_at IS NULL GROUP BY 1 ORDER BY n DESC, 1")
    return {row["genre"]: row["n"] for row in found}


def _histogram(source: Source) -> tuple[list[int], list[int]]:
    """Tracks with a genre, and without one, in each of BINS bins of confidence."""
    counts = {True: [0] * BINS, False: [0] * BINS}
    for row in source.rows(
        "SELECT genre <> $unknown AS given, least(floor(confidence * $bins), $bins - 1)::INT AS bin, count(*) AS n "
        "FROM labels WHERE deleted_at IS NULL GROUP BY 1, 2",
        unknown=UNKNOWN,
        bins=BINS,
    ):
        counts[row["given"]][row["bin"]] = row["n"]
    return counts[True], counts[False]


def _shifts(run: Row, url: str) -> list[Row]:
    """With what chance makes, which the runs table does not hold: the comparison is made again from the profiles that it holds."""
    if not run["drift"]:
        return []
    told = store.read(url, runs.NAME, runs.ARROW, reference.NEEDED)
    before = reference.before(told, run_id=run["run_id"], job=JOB, library=run["library"], bundle_id=run["bundle_id"])
    again = drift.compare(before.continued + Profile.from_row(run), before.previous) if before.previous else {}
    rows = []
    for quantity in Quantity:
        psi, far = (run["drift"].get(f"{quantity}, {against}") for against in (Against.PREVIOUS_RUN, Against.BUNDLE))
        shift = again.get(quantity)
        if psi is None and far is None:
            continue
        known = psi is not None and shift is not None
        rows.append(
            {
                "quantity": quantity.value,
                "psi": psi,
                "by_chance": shift.by_chance if known and shift else None,
                "level": shift.level.value if known and shift else None,
                "bundle": far,
            }
        )
    return rows


def _reasons(source: Source) -> list[Row]:
    counts = source.rows(
        "SELECT reason, count(*) AS tracks, count(*) FILTER (run_id = $run) AS new FROM rejects WHERE deleted_at IS NULL "
        "GROUP BY 1 ORDER BY tracks DESC, 1",
        run=source.run_id,
    )
    examples = source.rows(
        "SELECT reason, track_id, uri, stage, detail, strftime(rejected_at, '%Y-%m-%d') AS day FROM rejects "
        "WHERE deleted_at IS NULL QUALIFY row_number() OVER (PARTITION BY reason ORDER BY rejected_at DESC, track_id) <= $n "
        "ORDER BY rejected_at DESC, track_id",
        n=EXAMPLES,
    )
    return [row | {"examples": [each for each in examples if each["reason"] == row["reason"]]} for row in counts]


def _relabelled(source: Source) -> int | None:
    if not source.compared:
        return None
    return int(
        source.rows(
            "SELECT count(*) AS n FROM labels_new AS now JOIN labels_old AS before USING (track_id) WHERE now.run_id = $run",
            run=source.run_id,
        )[0]["n"]
    )
