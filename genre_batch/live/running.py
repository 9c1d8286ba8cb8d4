"""The label while a stream plays: log-probabilities with forgetting, and a label that is not given up at once."""

from dataclasses import dataclass, field

import numpy as np

from genre_batch.models.calibrate import Floats, probabilities

FORGET_S = 3.0
"""What was heard so long ago weighs 1/e of what is heard now."""
PERSIST = 3
"""Looks in a row that another genre must lead before it becomes the label."""


@dataclass
class Running:
    """Looks come once a second. Forgetting and PERSIST together take a new song for new some seven seconds after its beginning; less would
    let each solo change the label, more would come too late for a song that is like the one before (docs/live.md)."""

    temperature: float
    held: int | None = None
    """The label, as a place in the taxonomy."""
    mean: Floats | None = None
    """Of log-probabilities, later looks weighing more, [shape=(n_genres,)]."""
    _leads: list[int] = field(default_factory=list)

    def forget(self) -> None:
        self.held, self.mean, self._leads = None, None, []

    def hear(self, log_probabilities: Floats) -> bool:
        """Take in one look, [shape=(n_genres,)]; whether it changed a label that there was."""
        kept = np.exp(-1 / FORGET_S)
        self.mean = log_probabilities if self.mean is None else kept * self.mean + (1 - kept) * log_probabilities
        best = int(self.mean.argmax())
        if self.held is None:
            self.held = best
        self._leads = [*self._leads, best][-PERSIST:]
        changes = best != self.held and self._leads == [best] * PERSIST
        if changes:
            self.held = best
        return changes

    @property
    def shares(self) -> Floats:
        """Calibrated probabilities, [shape=(n_genres,)]; only after a look."""
        assert self.mean is not None
        return probabilities(self.mean[None], self.temperature)[0]
