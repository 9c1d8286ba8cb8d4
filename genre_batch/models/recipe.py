"""How a network is trained: all that decides its weights besides its data and its seed."""

import dataclasses
import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Self, TypeVar

from genre_batch import kinds
from genre_batch.choices import Augmentation, Schedule, WaveformPart
from genre_batch.errors import UsageError

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How far each augmentation of spectrograms goes; columns and bands are those of a spectrogram, dB those of its levels."""

    crop_share: float = 0.75
    """Of the columns of a segment, drawn anew each time it is seen."""
    stretch: float = 0.05
    """Most by which a segment is played faster or slower."""
    shift_bands: float = 1.0
    """Most by which bands move up or down."""
    gain_db: float = 2.0
    """Deviation of one gain for all bands."""
    equaliser_db: float = 1.0
    """Deviation of a gain at each of `equaliser_points` places between the lowest and the highest band."""
    equaliser_points: int = 6
    mask_bands: float = 12.0
    mask_columns: float = 12.0
    """Widest stripe that SpecAugment hides; as many stripes of each kind as `masks`."""
    masks: int = 1
    mixup_alpha: float = 0.2
    """Of the beta distribution that shares are drawn from (Zhang et al. 2018)."""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`augment` names the parts that are switched on, `waveform` those that act on recordings before they become spectrograms."""

    epochs: int = 16
    batch_size: int = 64
    """Segments; for a recurrent network tracks."""
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    schedule: Schedule = Schedule.ONE_CYCLE
    warm_up: float = 0.15
    """Share of a one-cycle schedule in which the rate rises."""
    label_smoothing: float = 0.0
    averaging: float = 0.99
    """Decay of the moving average of weights that is kept in the end; 0: the last weights are."""
    patience: int = 11
    """Stop after so many epochs without a better validation loss."""
    augment: tuple[Augmentation, ...] = (Augmentation.CROP, Augmentation.GAIN, Augmentation.MIXUP)
    waveform: tuple[WaveformPart, ...] = ()
    strength: Strength = field(default_factory=Strength)

    def __post_init__(self) -> None:
        _check(self)

    def rate(self, progress: float) -> float:
        """The learning rate after a share `progress` of all steps, 0..1; depends on nothing else, so training can be resumed anywhere.

        One-cycle: a cosine up from a 25th of the rate, and a cosine down to nothing (after Smith and Topin 2019).
        """
        if self.schedule is Schedule.CONSTANT:
            return self.learning_rate
        if self.schedule is Schedule.ONE_CYCLE and progress < self.warm_up:
            low = self.learning_rate / 25
            return low + (self.learning_rate - low) * 0.5 * (1 - math.cos(math.pi * progress / self.warm_up))
        start = self.warm_up if self.schedule is Schedule.ONE_CYCLE else 0.0
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - start) / (1 - start)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = dataclasses.asdict(self)
        return values | {name: [str(part) for part in values[name]] for name in ("augment", "waveform")}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises UsageError for a misspelt key or a part that there is not, naming the nearest right one, and for a value that does not
        fit."""
        given = kinds.known(cls, dict(values))
        if isinstance(strength := given.get("strength"), dict):
            given["strength"] = Strength(**kinds.known(Strength, strength))
        if "schedule" in given:
            given["schedule"] = _one_of(Schedule, "schedule", given["schedule"])
        for name, kind in (("augment", Augmentation), ("waveform", WaveformPart)):
            if name in given:
                given[name] = _all_of(kind, name, given[name])
        return cls(**given)


def read(text: str, where: str, base: Recipe) -> Recipe:
    """A recipe from TOML, over the values of `base`. Raises UsageError naming `where`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is no TOML: {error}") from error
    strength = values.pop("strength", {})
    merged = base.to_dict()
    if not isinstance(strength, dict):
        raise UsageError(f"{where}: strength is a table, [strength]")
    try:
        return Recipe.from_dict(merged | values | {"strength": merged["strength"] | strength})
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


Limit = tuple[Callable[[float], bool], str]
"""What holds for a value, and how that is said."""


def _at_least(least: int) -> Limit:
    return lambda value: value >= least, f"at least {least}"


_ABOVE_0: Limit = (lambda value: value > 0, "above 0")
_SHARE: Limit = (lambda value: 0 <= value < 1, "at least 0 and below 1")

_LIMITS: dict[str, Limit] = {
    "epochs": _at_least(1),
    # One alone has no batch statistics.
    "batch_size": _at_least(2),
    "learning_rate": _ABOVE_0,
    "weight_decay": _at_least(0),
    "warm_up": (lambda value: 0 < value < 1, "above 0 and below 1"),
    "label_smoothing": _SHARE,
    "averaging": _SHARE,
    "patience": _at_least(1),
    "crop_share": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "stretch": _SHARE,
    "shift_bands": _at_least(0),
    "gain_db": _at_least(0),
    "equaliser_db": _at_least(0),
    "equaliser_points": _at_least(1),
    "mask_bands": _at_least(0),
    "mask_columns": _at_least(0),
    "masks": _at_least(0),
    "mixup_alpha": _ABOVE_0,
}


def _check(values: Recipe | Strength) -> None:
    kinds.check(values)
    for each in fields(values):
        holds, said = _LIMITS.get(each.name, (None, ""))
        value = getattr(values, each.name)
        if holds and not holds(value):
            raise UsageError(f"{each.name} is {value}: it must be {said}")


def _one_of(kind: type[Choice], name: str, value: str) -> Choice:
    if value not in list(kind):
        near = get_close_matches(str(value), list(kind), n=1, cutoff=0)[0]
        raise UsageError(f"there is no {name} {value!r}: did you mean {str(near)!r}?")
    return kind(value)


def _all_of(kind: type[Choice], name: str, values: Any) -> tuple[Choice, ...]:
    if not isinstance(values, list | tuple):
        raise UsageError(f"{name} is {values!r}: it must be a list, such as [{str(next(iter(kind)))!r}]")
    return tuple(_one_of(kind, name, each) for each in values)
