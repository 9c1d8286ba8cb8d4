"""Answers as people and programs read them: bars on a terminal, a line a second elsewhere, or JSON."""

import json
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from genre_batch.live.answer import Answer, Ended, State
from genre_batch.models.bundle import Bundle

BAR = 30
COLOURS = {State.WARMING: "yellow", State.STABLE: "green", State.UNKNOWN: "bright_black"}


class Show(Protocol):
    """Told of each answer, and of the end."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def __call__(self, answer: Answer) -> None: ...
    def end(self, ended: Ended) -> None: ...


class Lines:
    """One line an answer."""

    def __init__(self, bundle: Bundle) -> None:
        self.genres = bundle.taxonomy.genres

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def __call__(self, answer: Answer) -> None:
        print(_told(answer), flush=True)

    def end(self, ended: Ended) -> None:
        print(told_at_end(ended), flush=True)


class JsonLines(Lines):
    """One JSON object an answer; the last has the state `ended`."""

    def __call__(self, answer: Answer) -> None:
        top = [{"genre": genre, "probability": share} for genre, share in answer.top]
        self._print(
            t=answer.time_s,
            state=answer.state.value,
            genre=answer.genre,
            best_genre=answer.best_genre,
            confidence=answer.confidence,
            top=top,
        )

    def end(self, ended: Ended) -> None:
        said: dict[str, Any] = {"t": ended.duration_s, "state": "ended"}
        if ended.verdict is None:
            assert ended.refused is not None
            self._print(**said, genre=None, reason=ended.refused.reason.value, detail=str(ended.refused))
            return
        verdict = ended.verdict
        self._print(
            **said,
            genre=verdict.genre,
            best_genre=verdict.best_genre,
            confidence=verdict.confidence,
            runner_up=verdict.runner_up,
            probabilities=dict(zip(self.genres, verdict.probabilities, strict=True)),
            exact=ended.exact,
        )

    def _print(self, **said: Any) -> None:
        print(json.dumps(said), flush=True)


class Bars(Lines):
    """A few lines that change in place, for a terminal."""

    def __init__(self, bundle: Bundle, console: Console) -> None:
        super().__init__(bundle)
        self.live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def __call__(self, answer: Answer) -> None:
        self.live.update(picture(answer), refresh=True)

    def end(self, ended: Ended) -> None:
        self.live.stop()
        super().end(ended)


def picture(answer: Answer) -> Group:
    """State and label, and a bar for each of the likeliest genres."""
    colour = COLOURS[answer.state]
    head = Text.assemble(f"{_clock(answer.time_s)}  ", (f"{answer.state.value:8}", colour), (_label(answer), "bold"))
    bars = Table.grid(padding=(0, 1))
    for genre, share in answer.top:
        bars.add_row(genre, ProgressBar(total=1, completed=share, width=BAR, complete_style=colour), f"{share:.2f}")
    return Group(head, bars)


def told_at_end(ended: Ended) -> str:
    """One sentence."""
    heard = f"{_clock(ended.duration_s)} heard"
    if ended.verdict is None:
        assert ended.refused is not None
        return f"{heard}: no label ({ended.refused.reason.value}: {ended.refused})"
    verdict = ended.verdict
    best = "" if verdict.genre == verdict.best_genre else f", most likely {verdict.best_genre}"
    about = "" if ended.exact else "; about: it was too long to be drawn as one"
    return f"{heard}: {verdict.genre}{best}, confidence {verdict.confidence:.2f}{about}"


def _told(answer: Answer) -> str:
    top = ", ".join(f"{genre} {share:.2f}" for genre, share in answer.top)
    return f"{_clock(answer.time_s)}  {answer.state.value:8}{_label(answer)}" + (f"  ({top})" if top else "")


def _label(answer: Answer) -> str:
    return answer.genre if answer.best_genre is None else f"{answer.genre} {answer.confidence:.2f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
