"""Tracks of an audit without any sound: fingerprints of noise, in which each test puts what it is about."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from genre_batch.audit import facts
from genre_batch.audit.facts import Row as Row
from genre_batch.audit.facts import Tracks
from genre_batch.audit.fingerprint import N_BANDS, SIZE
from genre_batch.audit.fingerprint import Fingerprint as Fingerprint

STEP_S, SIGN_STEP_S = 0.05, 0.025
N = 400
"""Columns of levels: 20 s."""


def print_of(seed: int, *, start: int = 0, digest: str | None = None) -> Fingerprint:
    """Noise of its own for each seed; start: columns of levels that are cut off its beginning."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(-60, 60, (N_BANDS, N)).astype(np.int8)[:, start:]
    signs = rng.integers(-1, 2, (20, 2 * N)).astype(np.int8)[:, 2 * start :]
    moments = rng.normal(size=(12, SIZE))
    moments /= np.linalg.norm(moments, axis=1, keepdims=True)
    return Fingerprint(
        digest=(digest or f"{seed} from {start}").encode(),
        levels=levels,
        step_s=STEP_S,
        signs=signs,
        sign_step_s=SIGN_STEP_S,
        moments=np.rint(127 * moments).astype(np.int8),
        summary=rng.normal(size=(2, 3 * N_BANDS)).astype(np.float32),
    )


def row(track_id: str, print_: Fingerprint | None = None, *, artist: str | None = None, **more: Any) -> Row:
    """`genre/name`; a track of 20 s that was heard, unless more says otherwise."""
    told = facts.stored(print_ or print_of(sum(track_id.encode()) + len(track_id)))
    return facts.row(track_id, track_id.split("/")[0], artist) | {"duration_s": 20.0, "silent": 0.0} | told | more


def refused(track_id: str, reason: str = "undecodable", detail: str = "no audio in it") -> Row:
    return facts.row(track_id, track_id.split("/")[0], None, refused=reason, detail=detail)


def tracks(rows: Sequence[Row]) -> Tracks:
    return Tracks.of(pa.Table.from_pylist(list(rows), facts.ARROW))
