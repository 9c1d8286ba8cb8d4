"""How a network is trained: all that decides its weights besides its data and its seed."""

import dataclasses
import math
import tomllib
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Self, TypeVar

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
        if self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0 or self.patience < 1:
            raise UsageError("a recipe needs at least one epoch, two segments a batch, a positive learning_rate, and patience")
        if not 0 <= self.averaging < 1 or not 0 <= self.label_smoothing < 1 or not 0 < self.warm_up < 1:
            raise UsageError("a recipe's averaging and label_smoothing lie in [0, 1), its warm_up in (0, 1)")
        if not 0 < self.strength.crop_share <= 1 or self.strength.mixup_alpha <= 0:
            raise UsageError("crop_share lies in (0, 1], mixup_alpha above 0")

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
        """Raises UsageError for a misspelt key or a part that there is not, naming the nearest right one."""
        given = dict(values)
        _refuse_unknown(cls, given)
        if isinstance(strength := given.get("strength"), dict):
            _refuse_unknown(Strength, strength)
            given["strength"] = Strength(**strength)
        try:
            if "schedule" in given:
                given["schedule"] = _one_of(Schedule, "schedule", given["schedule"])
            for name, kind in (("augment", Augmentation), ("waveform", WaveformPart)):
                if name in given:
                    given[name] = tuple(_one_of(kind, name, part) for part in given[name])
            return cls(**given)
        except (ValueError, TypeError) as error:
            raise UsageError(f"a recipe cannot be read: {error}") from error


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


def _one_of(kind: type[Choice], name: str, value: str) -> Choice:
    if value not in list(kind):
        near = get_close_matches(str(value), list(kind), n=1, cutoff=0)[0]
        raise UsageError(f"there is no {name} {value!r}: did you mean {str(near)!r}?")
    return kind(value)


def _refuse_unknown(kind: type, values: dict[str, Any]) -> None:
    names = [each.name for each in fields(kind)]
    for key in values:
        if key not in names:
            near = get_close_matches(key, names, n=1, cutoff=0)[0]
            raise UsageError(f"{kind.__name__} has no parameter {key!r}: did you mean {near!r}?")
