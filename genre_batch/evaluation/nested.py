"""Figures of a cross-validation in which nothing that judges a track was fitted on its fold: no network, no calibration, no stacking.

A temperature fitted on the very answers that it is then judged by makes calibration look better than it is. So the temperature and the
threshold of a fold come from the other folds, and where members are stacked, so do the weights of the stacking, which for the tracks
that calibrate leave out the fold of these too (nested cross-validation; Varma and Simon 2006).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genre_batch.errors import UsageError
from genre_batch.evaluation import metrics
from genre_batch.models import calibrate, join
from genre_batch.models.calibrate import Calibration
from genre_batch.taxonomy import Taxonomy

Logits = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LEAST, LEAST_STACKED = 2, 3
"""Folds: of the two that are not judged, one calibrates what was stacked on the other."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What networks said of tracks that they had not heard.

    members: of each its logits [shape=(n_segments, n_genres)]; tracks [shape=(n_segments,)], each segment's track 0..n_tracks - 1; labels,
    folds [shape=(n_tracks,)]. Several members are joined by mean log-probability, or by stacking. Raises UsageError for too few folds.
    """

    members: list[Logits]
    tracks: Ints
    labels: Ints
    folds: Ints
    taxonomy: Taxonomy
    stacking: bool = False

    def __post_init__(self) -> None:
        least = LEAST_STACKED if self.stacking else LEAST
        if (n := len(np.unique(self.folds))) < least:
            what = "stacking and calibration are" if self.stacking else "calibration is"
            raise UsageError(f"--folds {n}: {what} fitted on other folds than the one that is judged, so take at least {least}")

    def joined(self, among: Flags) -> Logits:
        """[shape=(n_segments, n_genres)] of the tracks `among` [shape=(n_tracks,)], without meaning for others. Stacking is fitted on these
        tracks alone, less the fold that it is asked about; raises UsageError where a genre is missing there."""
        if len(self.members) == 1:
            return self.members[0]
        if not self.stacking:
            return join.mean(len(self.members), len(self.taxonomy))(list(self.members))
        logits = np.zeros_like(self.members[0])
        for fold in np.unique(self.folds[among]):
            mine = (among & (self.folds == fold))[self.tracks]
            logits[mine] = self._stacked(among & (self.folds != fold))([each[mine] for each in self.members])
        return logits

    def calibrations(self) -> dict[int, Calibration]:
        """Of each fold, by the others."""
        found = {}
        for fold in np.unique(self.folds).tolist():
            others = self.folds != fold
            pooled = calibrate.pool(self.joined(others), self.tracks)[others]
            found[fold] = calibrate.fit(pooled, self.labels[others])
        return found

    def _stacked(self, known: Flags) -> join.Join:
        if lacking := set(range(len(self.taxonomy))) - set(self.labels[known].tolist()):
            genre = self.taxonomy.genres[min(lacking)]
            raise UsageError(f"the folds that stacking would be fitted on hold no track of genre {genre!r}: take more --folds")
        pooled = [calibrate.pool(each, self.tracks)[known] for each in self.members]
        return join.stacked(list(pooled), self.labels[known], len(self.taxonomy))


def evaluate(answers: Answers) -> dict[str, Any]:
    """As metrics.evaluate, each track by the calibration of its fold. Raises UsageError."""
    calibrations = answers.calibrations()
    everyone = np.ones(len(answers.labels), np.bool_)
    of_track = [calibrations[fold] for fold in answers.folds.tolist()]
    return metrics.evaluate(answers.joined(everyone), answers.tracks, answers.labels, answers.taxonomy, of_track)
