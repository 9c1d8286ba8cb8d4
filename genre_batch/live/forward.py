"""Answers in the order of time, though a recording be heard twice."""

from collections.abc import Callable

from genre_batch.live.answer import Answer


class Forward:
    """Passes an answer on to `show` if it is later than the last that was.

    Where a decoder breaks off in the middle of a file, another begins from the start. What it says of the seconds that were told
    already is not told again; the clock is past them, so that they are caught up with at once.
    """

    def __init__(self, show: Callable[[Answer], None]) -> None:
        self.show = show
        self.told_s = 0.0
        """Time of the last answer that was passed on."""

    def __call__(self, answer: Answer) -> None:
        if answer.time_s > self.told_s:
            self.told_s = answer.time_s
            self.show(answer)
