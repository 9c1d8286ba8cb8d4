"""A bundle's models over the segments of a stream, one after the other: recurrent ones go on from where they stood."""

from genre_batch.models import scorer
from genre_batch.models.bundle import Bundle
from genre_batch.models.scorer import Descriptions, JointScorer, Logits, OnnxScorer, Spectrograms, State


class Carried:
    """As Scorer, but that what recurrent members have heard is kept from call to call."""

    def __init__(self, bundle: Bundle) -> None:
        found = scorer.of(bundle, "cpu")
        self.join = found.join if isinstance(found, JointScorer) else None
        self.members = found.members if isinstance(found, JointScorer) else [found]
        self.states: list[State | None] = [None] * len(self.members)

    def forget(self) -> None:
        self.states = [None] * len(self.members)

    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None, *, keep: bool = True) -> Logits:
        """The next segments, as Scorer takes them; with `keep` False as if they had never been heard."""
        logits: list[Logits] = []
        for n, member in enumerate(self.members):
            if isinstance(member, OnnxScorer):
                told, after = member.advance(spectrograms, descriptors, self.states[n])
                self.states[n] = after if keep else self.states[n]
            else:
                told = member(spectrograms, descriptors)
            logits.append(told)
        return self.join(logits) if self.join else logits[0]
