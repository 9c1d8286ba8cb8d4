"""The list of labels as a page carries it: columns, compressed, in text; decoded in the browser when the page is there to be read.

Two blocks. Labels are JSON: a list a column, genres by their number, shares in thousandths, what is rare by row. Timelines are
little-endian numbers, read only when somebody opens a track: uint32 n, then for each track uint32 how many of its segments are
here, then of all segments uint32 the start in tenths of a second, uint8 the genre, uint8 the confidence in hundredths, then for
each track uint8 1 where its segments were left out.
"""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from genre_batch.report.source import Source
from genre_batch.report.text import link, shown

Row = dict[str, Any]

_FIRST = "was IS NULL, NOT fresh, gone, confidence, track_id"
"""Where there is no room for all: labels that the newest run changed, then those that it gave, then the others that are there, of
each the least sure."""
_LISTED = """
    SELECT labels.track_id, labels.uri, labels.genre, labels.best_genre, labels.runner_up, labels.confidence,
        coalesce(labels.probabilities[labels.runner_up], 0) AS next, labels.duration_s, labels.segments_used,
        strftime(labels.labelled_at, '%Y-%m-%d') AS day, labels.run_id, labels.run_id = $run AS fresh,
        labels.deleted_at IS NOT NULL AS gone, changed.was
    FROM labels LEFT JOIN (
        SELECT now.track_id, before.genre AS was FROM labels_new AS now JOIN labels_old AS before USING (track_id)
        WHERE now.genre <> before.genre
    ) AS changed USING (track_id)
"""
_ROWS = pa.schema([("i", pa.int64()), ("track_id", pa.string()), ("run_id", pa.string()), ("place", pa.int64())])


def listed(source: Source, most: int) -> list[Row]:
    """The labels that the page lists, at most `most`, in the order of their track ids; `place`: of each in the order of _FIRST."""
    first = f"FROM ({_LISTED}) ORDER BY {_FIRST} LIMIT $most"
    return source.rows(
        f"SELECT *, row_number() OVER (ORDER BY {_FIRST}) AS place FROM ({first}) ORDER BY track_id",
        run=source.run_id,
        most=most,
    )


def labels(rows: list[Row], pictures: Mapping[int, str]) -> str:
    """Base64 of gzip of JSON. rows: as `listed` gives them; pictures: data URIs by row."""
    names = _names(rows)
    place = {name: i for i, name in enumerate(names)}
    days = sorted({row["day"] for row in rows})
    base = _base(rows)
    told = {
        "genres": [shown(name) for name in names],
        "days": days,
        "base": shown(base),
        "track": [shown(row["track_id"]) for row in rows],
        "genre": [place[row["genre"]] for row in rows],
        "best": [place[row["best_genre"]] for row in rows],
        "second": [place.get(row["runner_up"], -1) for row in rows],
        "sure": [round(1000 * row["confidence"]) for row in rows],
        "next": [round(1000 * row["next"]) for row in rows],
        "seconds": [round(row["duration_s"]) for row in rows],
        "day": [days.index(row["day"]) for row in rows] if len(days) > 1 else [],
        "fresh": _runs([bool(row["fresh"]) for row in rows]),
        "gone": [i for i, row in enumerate(rows) if row["gone"]],
        "was": {i: place[row["was"]] for i, row in enumerate(rows) if row["was"]},
        # Where a row's address is not simply the base and its track id.
        "uris": {
            i: [shown(row["uri"]), link(row["uri"])]
            for i, row in enumerate(rows)
            if row["uri"] != base + row["track_id"] or shown(row["uri"]) != row["uri"]
        },
        "pictures": dict(pictures),
    }
    return _packed(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True)
class Timelines:
    """text: base64 of gzip of the numbers above; tracks: how many have theirs in it; left_out: how many have one that is not."""

    text: str
    tracks: int
    left_out: int


def timelines(source: Source, rows: list[Row], most: int) -> Timelines:
    """Of the segments of the run that gave the label: where a track was labelled again without, the table still holds older ones.

    Where there are more than `most`, tracks in the order of _FIRST, each whole, until one does not fit. Genres by their place in
    the names that `labels` lists, 255 for one that is not there.
    """
    names = _names(rows)
    numbered = [{"i": i, **{name: row[name] for name in ("track_id", "run_id", "place")}} for i, row in enumerate(rows)]
    source.connection.register("listed", pa.Table.from_pylist(numbered, _ROWS))
    source.connection.register("named", pa.table({"best_genre": pa.array(names, pa.string()), "g": np.arange(len(names))}))
    counted = source.table(
        "SELECT i, count(*) AS n FROM segments JOIN listed USING (track_id, run_id) GROUP BY i, place ORDER BY place"
    )
    kept = counted.filter(pa.array(np.cumsum(counted["n"].to_numpy()) <= most))
    source.connection.register("kept", kept.select(["i"]))
    found = source.table(
        """
        SELECT i, round(10 * start_s)::UINTEGER AS start, coalesce(g, 255)::UTINYINT AS genre, round(100 * confidence)::UTINYINT AS sure
        FROM segments JOIN listed USING (track_id, run_id) JOIN kept USING (i) LEFT JOIN named USING (best_genre)
        ORDER BY i, segment
        """
    )
    counts = np.bincount(found["i"].to_numpy(), minlength=len(rows)).astype("<u4")
    left_out = np.zeros(len(rows), "u1")
    left_out[counted["i"].to_numpy()] = 1
    left_out[kept["i"].to_numpy()] = 0
    numbers = [np.array([len(rows)], "<u4"), counts, found["start"].to_numpy().astype("<u4")]
    numbers += [found[name].to_numpy().astype("u1") for name in ("genre", "sure")]
    text = _packed(b"".join(each.tobytes() for each in [*numbers, left_out]))
    return Timelines(text, kept.num_rows, counted.num_rows - kept.num_rows)


def _names(rows: list[Row]) -> list[str]:
    return sorted({name for row in rows for name in (row["genre"], row["best_genre"], row["runner_up"], row["was"]) if name})


def _base(rows: list[Row]) -> str:
    """What most addresses begin with, before the track id."""
    begun = Counter(row["uri"].removesuffix(row["track_id"]) for row in rows if row["uri"].endswith(row["track_id"]))
    return begun.most_common(1)[0][0] if begun else ""


def _runs(flags: list[bool]) -> list[int]:
    """Lengths of runs of equal flags, the first of False."""
    edges = np.flatnonzero(np.diff(np.array([False, *flags], np.int8)))
    found: list[int] = np.diff([0, *edges.tolist(), len(flags)]).tolist()
    return found


def _packed(data: bytes) -> str:
    # Without a time in it, so that the same tables give the same page.
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
