"""Tracks that something is wrong with, beyond being there twice: by what was heard, or as far as spectrograms tell."""

from collections.abc import Callable
from typing import Any

import numpy as np

from genre_batch.audit.checks import Check
from genre_batch.audit.facts import Tracks

CLIPPED = 0.001
"""Share of samples. A master that is merely loud has fewer in runs at full scale."""
SILENT = 0.5
"""Share of the time."""
CUT_S = 0.5
"""So much less than the header promises."""
SHORT_S = 5.0
CLIP_SHARE, CLIP_NEAR = 0.5, 0.02
"""Where half of all tracks last about the same, this is a collection of clips of one length: shorter ones are truncated."""
CLIP_LEAST = 0.9

Fault = dict[str, Any]


def faults(tracks: Tracks, *, from_recordings: bool) -> dict[Check, list[Fault]]:
    """By check, the tracks that fail it, in their order: `track`, `genre` and what was found, for people. What cannot be told is absent."""
    usual_s = usual_length(tracks)

    def cut(row: Fault) -> str | None:
        if row["promised_s"] is not None and row["promised_s"] - row["duration_s"] > CUT_S:
            return f"{row['duration_s']:.1f} s of the {row['promised_s']:.1f} s that its header promises"
        if usual_s and row["duration_s"] < CLIP_LEAST * usual_s:
            return f"{row['duration_s']:.1f} s, where most last {usual_s:.1f} s"
        return None

    checks: dict[Check, Callable[[Fault], str | None]] = {
        Check.CLIPPED: lambda row: f"{row['clipped']:.2%} of its samples" if (row["clipped"] or 0) > CLIPPED else None,
        Check.SILENT: lambda row: f"{row['silent']:.0%} of its time" if (row["silent"] or 0) > SILENT else None,
        Check.TRUNCATED: cut,
        Check.SHORT: lambda row: f"{row['duration_s']:.1f} s" if row["duration_s"] < SHORT_S else None,
    }
    if not from_recordings:
        del checks[Check.CLIPPED]
    rows = tracks.table.select(["track_id", "genre", "duration_s", "promised_s", "clipped", "silent", "refused", "detail"])
    found: dict[Check, list[Fault]] = {check: [] for check in (Check.UNREADABLE, *checks)}
    for row in rows.to_pylist():
        if row["refused"]:
            _add(found, _check_of(row["refused"]), row, row["detail"])
            continue
        for check, failing in checks.items():
            if (what := failing(row)) is not None:
                _add(found, check, row, what)
    return found


def usual_length(tracks: Tracks) -> float | None:
    """Seconds that at least CLIP_SHARE of all tracks last, give or take CLIP_NEAR; None if there is no such length."""
    durations = np.sort([each for each in tracks.column("duration_s") if each is not None])
    if not len(durations):
        return None
    # The longest stretch of the ordered lengths that differ by no more than that.
    ends = np.searchsorted(durations, durations * (1 + 2 * CLIP_NEAR), side="right")
    n = ends - np.arange(len(durations))
    start = int(n.argmax())
    stretch = durations[start : start + n[start]]
    return float(np.median(stretch)) if len(stretch) >= max(2, CLIP_SHARE * len(durations)) else None


def _check_of(reason: str) -> Check:
    """What a refused track failed: silence and shortness are told as such."""
    return {"silent": Check.SILENT, "too_short": Check.SHORT}.get(reason, Check.UNREADABLE)


def _add(found: dict[Check, list[Fault]], check: Check, row: Fault, what: str) -> None:
    found[check].append({"track": row["track_id"], "genre": row["genre"], "found": what})
