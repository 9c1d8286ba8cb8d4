"""What one track may cost before it is refused: bytes, seconds of audio, seconds of work."""

from dataclasses import dataclass

from genre_batch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each is the most that is allowed; more is a reject: too_large, too_long, too_slow."""

    bytes: int = 2_000_000_000
    """Of the object as it is stored; more is not fetched."""
    audio_s: float = 6 * 3600.0
    """Seconds of audio as they are decoded, whatever a header says; nothing after that is decoded."""
    work_s: float = 600.0
    """Seconds on the clock, from the first byte that is asked for to the label."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise UsageError(f"the limit {name} is {getattr(self, name)}: it must be above 0")
