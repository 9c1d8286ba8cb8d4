"""All that an audit found, as figures for audit.json and rows for duplicates.csv."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from genre_batch.audit import balance, duplicates, faults, leakage
from genre_batch.audit.checks import Check, Kind
from genre_batch.audit.duplicates import Pair
from genre_batch.audit.facts import Tracks
from genre_batch.audit.leakage import Split

DUPLICATES = pa.schema(
    [
        ("kind", pa.string()),
        ("track_a", pa.string()),
        ("track_b", pa.string()),
        ("genre_a", pa.string()),
        ("genre_b", pa.string()),
        ("similarity", pa.float64()),
    ]
)


def judge(
    tracks: Tracks, *, source: str, url: str, version: int | None, split: Split | None
) -> tuple[dict[str, Any], pa.Table]:
    """Figures and the table of duplicates. source: `shards` or `library`; version: of the shards."""
    pairs = duplicates.find(tracks)
    table = _table(tracks, pairs)
    rows = table.to_pylist()
    disagreeing = [row for row in rows if None not in (row["genre_a"], row["genre_b"]) and row["genre_a"] != row["genre_b"]]
    torn = leakage.torn(tracks, pairs, split)
    wrong = faults.faults(tracks, from_recordings=source == "library")
    balanced = balance.balance(tracks)
    groups = duplicates.groups(pairs)
    counts: dict[str, int | None] = {check.value: None for check in Check}
    counts |= {check.value: len(found) for check, found in wrong.items()}
    counts |= {
        Check.DUPLICATES.value: len(pairs),
        Check.LABELS.value: len(disagreeing),
        Check.LEAKAGE.value: len(torn["pairs"]) + len(torn["artists"] or ()),
        Check.BALANCE.value: len(balanced["remarks"]),
    }
    track_ids = tracks.column("track_id")
    figures = {
        "source": source,
        "url": url,
        "version": version,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tracks": len(tracks),
        "seconds": sum(each for each in tracks.column("duration_s") if each is not None),
        "usual_seconds": faults.usual_length(tracks),
        "findings": counts,
        "duplicates": {
            "exact": sum(pair.kind is Kind.EXACT for pair in pairs),
            "near": sum(pair.kind is Kind.NEAR for pair in pairs),
            "pairs": [row | {"offset_s": round(pair.offset_s, 2)} for row, pair in zip(rows, pairs, strict=True)],
            "groups": [[track_ids[number] for number in group] for group in groups],
        },
        "labels": disagreeing,
        "leakage": {
            "split": split.url if split else None,
            "tracks_in_split": split.tracks_in(track_ids) if split else None,
            "pairs": [rows[i] for i in torn["pairs"]],
            "artists": torn["artists"],
            "tracks_by_artists_of_several": torn["shared"],
        },
        "faults": {check.value: found for check, found in wrong.items()},
        "balance": balanced,
        "nearest_neighbour": leakage.nearest_neighbour(tracks),
    }
    return figures, table


def as_csv(table: pa.Table) -> bytes:
    """The table of duplicates, similarities with four digits."""
    told = [f"{each:.4f}" for each in table["similarity"].to_pylist()]
    table = table.set_column(table.schema.get_field_index("similarity"), "similarity", pa.array(told, pa.string()))
    buffer = io.BytesIO()
    pacsv.write_csv(table, buffer, pacsv.WriteOptions(quoting_style="needed", quoting_header="none"))
    return buffer.getvalue()


def _table(tracks: Tracks, pairs: Sequence[Pair]) -> pa.Table:
    """Schema DUPLICATES, in the order of the pairs."""
    track_ids, genres = tracks.column("track_id"), tracks.column("genre")
    rows = [
        (
            pair.kind.value,
            track_ids[pair.first],
            track_ids[pair.second],
            genres[pair.first],
            genres[pair.second],
            pair.similarity,
        )
        for pair in pairs
    ]
    return pa.Table.from_pylist([dict(zip(DUPLICATES.names, row, strict=True)) for row in rows], DUPLICATES)
