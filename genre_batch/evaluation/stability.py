"""How stable labels are when a recording is altered in ways that leave its genre as it was."""

from collections.abc import Mapping

import numpy as np

from genre_batch.errors import UsageError
from genre_batch.evaluation.judged import interval

MAX_FLIP_RATE = 0.05


def flip_rates(
    original: Mapping[str, str], altered: Mapping[str, Mapping[str, str]], *, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """For each alteration, the share of tracks whose label changed.

    original: track to label; altered: alteration to track to label. Give best genres to judge the model alone; with published
    genres, a change from or to `unknown` is a flip too.

    `flip_rate` is over the `n` tracks labelled both times; `low` and `high` bound 95 % of flip rates when tracks are drawn anew
    with replacement (Efron 1979); `passes` says whether the flip rate is at most MAX_FLIP_RATE. `unusable` counts the tracks that have
    a label, but none when altered: they are in no rate. Tracks that got a label only when altered have nothing to flip, and are not
    counted. Where none is labelled both times, as where every recording is too short for an offset, the rate and its bounds are None
    and nothing passes. Raises UsageError where there is no label at all.
    """
    if not original:
        raise UsageError("no track was labelled as it is: give recordings that can be labelled")
    return {name: _flips(original, labels, seed) for name, labels in altered.items()}


def _flips(original: Mapping[str, str], altered: Mapping[str, str], seed: int) -> dict[str, float | None]:
    # In one order: an interval that depended on who was labelled first would differ from run to run.
    tracks = sorted(original.keys() & altered.keys())
    if not tracks:
        return {"flip_rate": None, "low": None, "high": None, "n": 0, "unusable": len(original), "passes": False}
    flipped = np.array([original[track] != altered[track] for track in tracks])
    low, high = interval(flipped, np.arange(len(tracks)), seed=seed)
    rate = float(flipped.mean())
    return {
        "flip_rate": rate,
        "low": low,
        "high": high,
        "n": len(tracks),
        "unusable": len(original) - len(tracks),
        "passes": rate <= MAX_FLIP_RATE,
    }
