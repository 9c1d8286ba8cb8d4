"""What is playing now: a look at the last seconds, once a second.

A network that was trained on ten seconds is shown the last five twice: right as often as with ten, and a new song fills the window in half
the time. Silence instead would be half of what it sees: of the first three seconds of GTZAN's recordings it is then right about a third,
and shown them over and over about nine in ten (docs/live.md).
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import log_softmax

from genre_batch.front_end import Denoise
from genre_batch.live import chain
from genre_batch.live.answer import TOP, Answer, State
from genre_batch.live.carried import Carried
from genre_batch.live.resampler import Resampler
from genre_batch.live.running import Running
from genre_batch.live.window import Window
from genre_batch.models.bundle import Bundle
from genre_batch.models.scorer import Descriptions, Spectrograms
from genre_batch.signal.decode import Samples
from genre_batch.taxonomy import UNKNOWN

LOOK_S = 5.0
"""What one look sees, or a segment of the bundle where that is shorter."""
FIRST_S = 3
EVERY_S = 1
LAG_S = 0.2
"""A look at second t ends so long before: resampling and denoising hold samples back, and by then all are there."""
WARM_S = 10.0
PAUSE_S = 2
"""After so much silence what was heard is forgotten: another song will begin."""


class Now:
    """Samples in, however many at a time; answers out, the same ones for any number at a time."""

    def __init__(self, bundle: Bundle, denoise: Denoise | None = None) -> None:
        """denoise: by what the stream is denoised where the bundle's front end does not do it already."""
        self.bundle, self.front_end = bundle, bundle.front_end
        self.rate_hz = self.front_end.sample_rate_hz
        self.resampler = Resampler(self.rate_hz, self.front_end.resample_quality)
        self.subtraction = chain.subtraction(self.front_end, denoise)
        self.window = Window(round(min(LOOK_S, self.front_end.segment_s) * self.rate_hz))
        self.models = Carried(bundle)
        self.running = Running(bundle.calibration.temperature)
        self.state_every = max(1, math.ceil(self.front_end.segment_hop_s / EVERY_S))
        self.time_s = EVERY_S
        """Of the next look."""
        self.passed = 0
        self.heard = 0
        """Samples that came out of the chain in all, and since what was heard was last forgotten."""
        self.looks = self.silent = 0

    def hear(self, samples: Samples, rate_hz: int, *, gap: bool = False) -> Iterator[Answer]:
        """The next samples [shape=(n,), float32, mono]; gap: whether some are missing before them. Raises Undecodable for a rate that
        cannot be resampled."""
        if gap:
            for rest in self.resampler.end():
                yield from self._pass(rest)
            # Both sides must not meet in one picture; the song most likely goes on.
            self.window.forget()
            self.models.forget()
        for piece in self.resampler.push(samples, rate_hz):
            yield from self._pass(piece)

    def _pass(self, samples: Samples) -> Iterator[Answer]:
        for part in self.subtraction.push(samples) if self.subtraction else [samples]:
            while len(part):
                n = min(len(part), self._due - self.passed)
                self.window.push(part[:n])
                self.passed, self.heard, part = self.passed + n, self.heard + n, part[n:]
                if self.passed == self._due:
                    answer = self._look()
                    if self.time_s >= FIRST_S:
                        yield answer
                    self.time_s += EVERY_S

    @property
    def _due(self) -> int:
        """Samples that must have passed before the next look."""
        return round((self.time_s - LAG_S) * self.rate_hz)

    def _look(self) -> Answer:
        self.silent = self.silent + 1 if self._is_silent() else 0
        if self.silent * EVERY_S >= PAUSE_S:
            self.window.forget()
            self.models.forget()
            self.running.forget()
            self.heard = self.looks = 0
            return self._answer(State.UNKNOWN)
        if not self.silent and self.window.length >= round(min(FIRST_S - LAG_S, self.front_end.segment_s) * self.rate_hz):
            logits = self.models(*self._seen(), keep=self.looks % self.state_every == 0)
            self.looks += 1
            if self.running.hear(log_softmax(logits[0].astype(np.float64))):
                # Another song: what a recurrent model knows of the one before is no help.
                self.models.forget()
        return self._answer(State.WARMING if self.heard < round((WARM_S - LAG_S) * self.rate_hz) else State.STABLE)

    def _seen(self) -> tuple[Spectrograms | None, Descriptions | None]:
        samples = self.window.filling(self.front_end.segment_samples)
        energy = chain.energy(samples, self.front_end)
        drawn = None if energy is None else chain.drawn([energy], self.front_end, float(energy.max()))
        return drawn, chain.described(samples, self.front_end)

    def _is_silent(self) -> bool:
        return self.window.loudness_dbfs(EVERY_S * self.rate_hz) < self.front_end.silence_dbfs

    def _answer(self, state: State) -> Answer:
        if self.running.held is None:
            return Answer(float(self.time_s), state, UNKNOWN, None, 0.0, ())
        genres, shares = self.bundle.taxonomy.genres, self.running.shares
        best, confidence = genres[self.running.held], float(shares[self.running.held])
        if state is State.STABLE and confidence < self.bundle.calibration.unknown_below:
            state = State.UNKNOWN
        top = tuple((genres[i], float(shares[i])) for i in np.argsort(-shares, kind="stable")[:TOP])
        return Answer(float(self.time_s), state, UNKNOWN if state is State.UNKNOWN else best, best, confidence, top)
