"""The stream as one track, for the verdict when it ends: that of label-catalog for the same recording.

Where a front end draws relative to the loudest of the whole track, no picture is final before the end. So segments wait as power, up to
`most_bytes` of them; the oldest of a longer stream are scored relative to the loudest by then, and only the sum of what was said of them is
kept. Memory is flat. The verdict is still exact if nothing louder came later.
"""

import numpy as np
from scipy.special import log_softmax

from genre_batch.errors import Silent
from genre_batch.live import chain
from genre_batch.live.carried import Carried
from genre_batch.models.bundle import Bundle
from genre_batch.models.calibrate import Floats
from genre_batch.models.scorer import BATCH, Descriptions
from genre_batch.models.verdict import Verdict, judge_pooled
from genre_batch.signal.decode import Samples
from genre_batch.signal.spectrogram import Floats as Energy

MOST_BYTES = 64 * 2**20
"""Of power that waits: forty minutes of segments of ten seconds that begin every 2.5 s."""


class Whole:
    """Segments in, in order; a verdict at the end."""

    def __init__(self, bundle: Bundle, most_bytes: int = MOST_BYTES) -> None:
        self.bundle, self.front_end = bundle, bundle.front_end
        self.by_track = self.front_end.reference == "track" and self.front_end.spectrograms
        self.models = Carried(bundle)
        self.energies: list[Energy] = []
        self.described: list[Descriptions] = []
        self.loudest = 0.0
        self.scored_for: set[float] = set()
        """What was the loudest when segments were scored; one number if all were drawn alike."""
        self.sum: Floats = np.zeros(len(bundle.taxonomy.genres))
        self.n = 0
        rows, columns = self.front_end.n_bands, self.front_end.n_frames
        # Scored as label-catalog scores: so many at a time, counted from the first.
        self.most = max(1, most_bytes // (4 * rows * columns) // BATCH) * BATCH if self.by_track else BATCH

    def add(self, samples: Samples) -> None:
        """The next segment [shape=(front_end.segment_samples,), float32]."""
        energy = chain.energy(samples, self.front_end)
        if energy is not None:
            self.energies.append(energy)
            self.loudest = max(self.loudest, float(energy.max()))
        described = chain.described(samples, self.front_end)
        if described is not None:
            self.described.append(described)
        if max(len(self.energies), len(self.described)) > self.most:
            self._score(BATCH)

    @property
    def exact(self) -> bool:
        """Whether all that was scored until now was drawn relative to what is the loudest now."""
        return not self.by_track or self.scored_for <= {self.loudest}

    def verdict(self) -> Verdict:
        """Of all segments together. Raises Silent if there was none."""
        while self.energies or self.described:
            self._score(BATCH)
        if not self.n:
            raise Silent("no segment was heard")
        return judge_pooled(self.bundle, self.sum / self.n)

    def _score(self, n: int) -> None:
        """The first n that wait."""
        drawn = chain.drawn(self.energies[:n], self.front_end, self.loudest if self.by_track else None)
        described = np.concatenate(self.described[:n]) if self.described else None
        logits = self.models(drawn, described)
        del self.energies[:n], self.described[:n]
        if self.by_track:
            self.scored_for = {*self.scored_for, self.loudest} if len(self.scored_for) < 2 else self.scored_for
        for told in log_softmax(np.asarray(logits, np.float64), axis=1):
            self.sum += told
        self.n += len(logits)
