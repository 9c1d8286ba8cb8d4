"""What is said of a stream while it plays, and when it ends."""

from dataclasses import dataclass
from enum import StrEnum

from genre_batch.errors import TrackError
from genre_batch.models.verdict import Verdict

TOP = 3


class State(StrEnum):
    """Warming: too little was heard since the beginning, or since a pause, to rely on. Stable: the genre is what the bundle would label.
    Unknown: it would not label it, or there is silence."""

    WARMING = "warming"
    STABLE = "stable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """At `time_s` of the stream: `genre` is `unknown` in that state, `best_genre` the label that is held nevertheless, None where nothing
    was heard; `confidence` that of the label held, calibrated; `top`: the likeliest genres with their probabilities, at most TOP."""

    time_s: float
    state: State
    genre: str
    best_genre: str | None
    confidence: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream as a track: `verdict` is what label-catalog says of it, None where it would refuse it, for the reason in `refused`.

    exact: whether all segments were drawn relative to the loudest of all, as label-catalog does; of a very long stream only the last ones
    can be (see whole.py).
    """

    duration_s: float
    verdict: Verdict | None
    refused: TrackError | None = None
    exact: bool = True
