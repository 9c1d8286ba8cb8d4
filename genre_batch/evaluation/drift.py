"""Whether a run found what runs find: the population stability index of each quantity of its profile against another profile.

    PSI = sum over bins of (p - q) ln(p / q),  p and q the two shares of a bin

It is Jeffreys' divergence (1946). By custom, 0.1 is worth a look and 0.25 a change (Siddiqi, "Credit risk scorecards", 2006), but of
few tracks chance alone makes more: where nothing changed, PSI is distributed as (1/n + 1/m) chi-square with one degree of freedom
fewer than bins, n and m the two numbers of tracks (Yurdakul and Naranjo, "Statistical properties of the population stability index",
2020). So a level needs both: the customary bound, and more than chance makes once in a thousand times.

An empty bin would make PSI infinite: half a track is added to each bin (Krichevsky and Trofimov 1981; Jeffreys' prior). Bins empty on
both sides are no bins. The level comes from the previous run alone; docs/drift.md says why.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from genre_batch.evaluation.profile import Profile

WATCH_AT, ALARM_AT = 0.1, 0.25
ONCE_IN = 1000
"""Times that nothing changed, chance makes a level once (of one quantity)."""
SMOOTHING = 0.5
LEAST_TRACKS = 30
"""On either side, or nothing is compared: tracks come by albums and artists, which the distribution above knows nothing of."""


class Level(StrEnum):
    """How far a quantity moved; in the order of their severity."""

    STABLE = "stable"
    WATCH = "watch"
    ALARM = "alarm"


class Quantity(StrEnum):
    GENRES = "genres"
    CONFIDENCE = "confidence"
    DURATION = "duration"
    LOUDNESS = "loudness"
    # Tracks by reason of rejection, the labelled ones as one more reason.
    REJECTS = "rejects"


class Against(StrEnum):
    """What a run is compared with."""

    PREVIOUS_RUN = "previous run"
    BUNDLE = "bundle"


OF_BUNDLE = (Quantity.GENRES, Quantity.CONFIDENCE)
"""All that is known of the tracks of a cross-validation."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one quantity moved: its PSI, and what chance alone exceeds once in ONCE_IN times."""

    psi: float
    by_chance: float

    @property
    def level(self) -> Level:
        if self.psi <= self.by_chance or self.psi < WATCH_AT:
            return Level.STABLE
        return Level.ALARM if self.psi >= ALARM_AT else Level.WATCH


@dataclass(frozen=True)
class Drift:
    """Of each pair of profiles the quantities that both have enough tracks of."""

    previous_run: dict[Quantity, Shift]
    bundle: dict[Quantity, Shift]

    @property
    def level(self) -> Level | None:
        """Of what moved most against the previous run; None if there is none to compare with. The bundle has no say in it."""
        levels = [shift.level for shift in self.previous_run.values()]
        return max(levels, key=list(Level).index) if levels else None

    @property
    def is_alarm(self) -> bool:
        return self.level is Level.ALARM

    def to_row(self) -> dict[str, Any]:
        """The columns `drift`, PSI by names such as `genres, previous run`, and `drift_level` of the runs table."""
        pairs = ((Against.PREVIOUS_RUN, self.previous_run), (Against.BUNDLE, self.bundle))
        named = [(f"{quantity}, {against}", shift.psi) for against, shifts in pairs for quantity, shift in shifts.items()]
        return {"drift": named, "drift_level": self.level.value if self.level else None}

    @property
    def told(self) -> str:
        """One sentence for people, which names the quantities."""
        if not self.previous_run:
            said = f"nothing to compare with: fewer than {LEAST_TRACKS} tracks, or no earlier finished run of this library and bundle"
        elif moved := {q: s for q, s in self.previous_run.items() if s.level is not Level.STABLE}:
            said = f"{_list(moved, levels=True)} moved against the previous run"
        else:
            most = max(self.previous_run, key=lambda quantity: self.previous_run[quantity].psi)
            said = f"nothing moved against the previous run (most: {most}, {self.previous_run[most].psi:.2f})"
        far = {quantity: shift for quantity, shift in self.bundle.items() if shift.level is not Level.STABLE}
        return said + (f"; unlike the bundle's own tracks, as catalogues are: {_list(far, levels=False)}" if far else "")


def judge(found: Profile, *, previous: Profile | None, bundle: Profile | None) -> Drift:
    """What a finished run found against earlier ones (reference.before) and against its bundle's cross-validation (reference.of)."""
    return Drift(
        compare(found, previous) if previous else {},
        compare(found, bundle, OF_BUNDLE) if bundle else {},
    )


def compare(found: Profile, other: Profile, quantities: Iterable[Quantity] = Quantity) -> dict[Quantity, Shift]:
    """Of each quantity that at least LEAST_TRACKS tracks of either profile are counted in."""
    shifts = {}
    for quantity in quantities:
        one, another = _bins(found, quantity), _bins(other, quantity)
        if min(sum(one.values()), sum(another.values())) >= LEAST_TRACKS:
            names = sorted(name for name in one.keys() | another.keys() if one.get(name) or another.get(name))
            shifts[quantity] = shift([one.get(name, 0) for name in names], [another.get(name, 0) for name in names])
    return shifts


def shift(found: list[int], other: list[int]) -> Shift:
    """Of tracks by bin, [shape=(n_bins,)] each; no bin may be empty on both sides, and neither side may be without tracks."""
    from scipy.special import chdtri

    n, m, bins = sum(found), sum(other), len(found)
    p = (np.array(found) + SMOOTHING) / (n + SMOOTHING * bins)
    q = (np.array(other) + SMOOTHING) / (m + SMOOTHING * bins)
    by_chance = float(chdtri(bins - 1, 1 / ONCE_IN)) * (1 / n + 1 / m) if bins > 1 else 0.0
    return Shift(float(((p - q) * np.log(p / q)).sum()), by_chance)


def _list(shifts: dict[Quantity, Shift], *, levels: bool) -> str:
    most_first = sorted(shifts.items(), key=lambda item: -item[1].psi)
    each = [f"{quantity} ({shift.psi:.2f}{f', {shift.level}' if levels else ''})" for quantity, shift in most_first]
    return " and ".join(filter(None, [", ".join(each[:-1]), each[-1]]))


def _bins(profile: Profile, quantity: Quantity) -> dict[str, int]:
    match quantity:
        case Quantity.GENRES:
            return profile.genres
        case Quantity.REJECTS:
            return profile.reasons | {"labelled": profile.labelled}
        case Quantity.CONFIDENCE | Quantity.DURATION | Quantity.LOUDNESS:
            histogram: tuple[int, ...] = getattr(profile, quantity.value)
            return {f"bin {n:02}": count for n, count in enumerate(histogram)}
