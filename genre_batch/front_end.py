"""`FrontEnd`: every number between the bytes of a recording and the features a model sees.

It is chosen once, by the person who builds shards; the shards table carries it, training copies it into the bundle, and
labelling reads it from there. Units are part of the names. Sizes that follow from others are computed, never typed in.
"""

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from genre_batch import kinds
from genre_batch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoise:
    """Spectral subtraction (Boll 1979) with over-subtraction and a spectral floor (Berouti et al. 1979).

    noise: where the noise magnitude comes from: the mean over the first `first_s` seconds, or the minimum of the smoothed
    spectrum over the last `minimum_s` seconds (after Martin 2001), which needs no take of noise alone.
    """

    noise: Literal["first-seconds", "minimum-statistics"]
    first_s: float = 1.0
    minimum_s: float = 1.5
    smoothing_s: float = 0.1
    minimum_bias: float = 2.0
    over_subtraction: float = 1.5
    floor: float = 0.05
    n_fft: int = 1024
    hop_length: int = 256

    def __post_init__(self) -> None:
        kinds.check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """How the 57 descriptors of GTZAN's tables are computed; the defaults are librosa's, which made those tables."""

    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    power_floor: float = 1e-10
    top_db: float = 80.0
    n_chroma: int = 12
    tuning_resolution: float = 0.01
    """Of a semitone; tuning is estimated from the peaks of the spectrum between the two frequencies below."""
    pitch_fmin_hz: float = 150.0
    pitch_fmax_hz: float = 4000.0
    pitch_threshold: float = 0.1
    """Peaks below this share of a frame's maximum are no pitches."""
    roll_percent: float = 0.85
    zero_threshold: float = 1e-10
    """Samples no louder than this count as zero where zero crossings are counted."""
    median_size: int = 31
    """Frames, and bins, of the two medians that part harmonic from percussive sound."""
    mask_power: float = 2.0
    tempo_window_s: float = 8.0
    start_bpm: float = 120.0
    bpm_octaves: float = 1.0
    """Deviation of the prior for tempo around `start_bpm`."""
    max_bpm: float = 320.0

    def __post_init__(self) -> None:
        kinds.check(self)
        if self.median_size < 3 or self.median_size % 2 == 0:
            raise UsageError(f"median_size is {self.median_size}: it must be odd, and at least 3")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """From audio to what models see: one spectrogram a segment, uint8 [shape=spectrogram_shape], or 57 descriptors, or both."""

    name: str
    sample_rate_hz: int
    segment_s: float
    segment_hop_s: float
    min_track_s: float
    """Shorter tracks are refused; from here to `segment_s` a track is one segment, filled up with silence."""
    silence_dbfs: float
    """Segments whose loudness (RMS) lies below are left out; a track with no other is refused."""
    n_fft: int
    hop_length: int
    frame_offset: int = 0
    """Centre of the first frame in samples after the segment's start."""
    scale: Literal["mel", "linear"]
    n_bands: int
    """Mel bands, or for `linear` the lowest bins of the STFT."""
    fmin_hz: float = 0.0
    fmax_hz: float | None = None
    """Upper edge of the mel bands; half the sample rate if None."""
    reference: Literal["segment", "track"]
    """Whose maximum is 0 dB."""
    power_floor: float
    top_db: float
    levels: Literal["fixed", "min-max"]
    """`fixed`: 0..255 is -top_db..0 dB, rounded. `min-max`: 0..255 is the segment's own range, truncated."""
    pad_columns: int = 0
    resize_to: tuple[int, int] | None = None
    """Rows and columns of the finished picture."""
    rotate_180: bool = False
    denoise: Denoise | None = None
    spectrograms: bool = True
    """Whether spectrograms are drawn at all: a model that sees descriptors alone needs none."""
    descriptors: Descriptors | None = None
    block_s: float = 10.0
    """Audio is decoded and resampled this much at a time; the resampler's result depends on it in the last bit."""
    resample_quality: Literal["HQ", "VHQ", "MQ", "LQ"] = "HQ"

    def __post_init__(self) -> None:
        kinds.check(self)
        if not 0 <= self.frame_offset < self.segment_samples or self.n_bands < 1:
            raise UsageError(f"front end {self.name!r}: frame_offset must lie in a segment, and n_bands be at least 1")
        if self.segment_samples < self.n_fft // 2:
            raise UsageError(f"front end {self.name!r}: a segment of {self.segment_s} s is shorter than half an STFT window")
        if self.segment_hop_s <= 0 or self.hop_length <= 0:
            raise UsageError(f"front end {self.name!r}: hops must be positive")
        if self.scale == "linear" and self.n_bands > self.n_fft // 2 + 1:
            raise UsageError(f"front end {self.name!r}: an STFT of {self.n_fft} has only {self.n_fft // 2 + 1} bins")
        if not self.spectrograms and self.descriptors is None:
            raise UsageError(f"front end {self.name!r}: neither spectrograms nor descriptors are left to compute")
        if self.min_track_s > self.segment_s:
            raise UsageError(f"front end {self.name!r}: min_track_s is longer than a segment")

    @property
    def segment_samples(self) -> int:
        return round(self.segment_s * self.sample_rate_hz)

    @property
    def segment_hop_samples(self) -> int:
        return round(self.segment_hop_s * self.sample_rate_hz)

    @property
    def n_frames(self) -> int:
        """Frames whose centre lies in the segment, both ends included (librosa's count for an offset of 0)."""
        return 1 + (self.segment_samples - self.frame_offset) // self.hop_length

    @property
    def spectrogram_shape(self) -> tuple[int, int]:
        """Rows (row 0 the lowest band, unless rotated) and columns of one finished spectrogram."""
        return self.resize_to or (self.n_bands, self.n_frames + 2 * self.pad_columns)

    def includes(self, other: "FrontEnd") -> bool:
        """Whether all that `other` computes is computed here too, and alike."""
        if (other.spectrograms and not self.spectrograms) or (other.descriptors and not self.descriptors):
            return False
        mine = dataclasses.asdict(self) | {"spectrograms": other.spectrograms}
        theirs = dataclasses.asdict(other)
        ignored = ["name", *([] if other.descriptors else ["descriptors"]), *([] if other.spectrograms else _OF_SPECTROGRAMS)]
        return all(mine[key] == theirs[key] for key in mine if key not in ignored)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with any parameter."""
        values = {key: value for key, value in dataclasses.asdict(self).items() if (key, value) not in _AS_EVER}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises UsageError on a misspelt key, naming the nearest right one."""
        values = dict(values)
        if isinstance(values.get("denoise"), dict):
            if "noise" not in values["denoise"]:
                raise UsageError("[denoise] needs noise: first-seconds or minimum-statistics")
            values["denoise"] = Denoise(**kinds.known(Denoise, values["denoise"]))
        if isinstance(values.get("descriptors"), dict):
            values["descriptors"] = Descriptors(**kinds.known(Descriptors, values["descriptors"]))
        if isinstance(values.get("resize_to"), list):
            values["resize_to"] = tuple(values["resize_to"])
        try:
            return cls(**kinds.known(cls, values))
        except TypeError as error:
            raise UsageError(f"a front end needs more: {error}") from error


_AS_EVER = (("spectrograms", True), ("descriptors", None))
"""Parameters that came later, where they change nothing: they must not change a digest either, or tables would be done again."""

_OF_SPECTROGRAMS = (
    *("n_fft", "hop_length", "frame_offset", "scale", "n_bands", "fmin_hz", "fmax_hz", "reference", "power_floor", "top_db"),
    *("levels", "pad_columns", "resize_to", "rotate_180"),
)


MEL = FrontEnd(
    name="mel",
    sample_rate_hz=22_050,
    segment_s=5.0,
    segment_hop_s=5.0,
    min_track_s=1.0,
    silence_dbfs=-60.0,
    n_fft=2048,
    hop_length=512,
    scale="mel",
    n_bands=128,
    # Below 30 Hz GTZAN's labels can be told from recording artefacts alone (Rodriguez-Algarra et al., ISMIR 2016).
    fmin_hz=30.0,
    reference="segment",
    power_floor=1e-10,
    top_db=80.0,
    levels="fixed",
)

GTZAN_PUBLISHED = dataclasses.replace(
    MEL,
    name="gtzan-published",
    segment_s=10.0,
    segment_hop_s=10.0,
    hop_length=1708,
    frame_offset=617,
    fmin_hz=0.0,
    reference="track",
)

SEED_10S = FrontEnd(
    name="seed-10s",
    sample_rate_hz=22_050,
    segment_s=10.0,
    segment_hop_s=5.0,
    min_track_s=10.0,
    silence_dbfs=-120.0,
    n_fft=2048,
    hop_length=512,
    scale="linear",
    n_bands=1025,
    reference="segment",
    power_floor=1e-10,
    top_db=80.0,
    levels="min-max",
    resize_to=(480, 640),
    rotate_180=True,
)

SEED_3S = FrontEnd(
    name="seed-3s",
    sample_rate_hz=12_000,
    segment_s=3.0,
    segment_hop_s=3.0,
    min_track_s=3.0,
    silence_dbfs=-120.0,
    n_fft=1024,
    hop_length=71,
    scale="linear",
    n_bands=512,
    reference="segment",
    power_floor=1e-10,
    top_db=80.0,
    levels="min-max",
    pad_columns=2,
)

PRESETS = {preset.name: preset for preset in (MEL, GTZAN_PUBLISHED, SEED_10S, SEED_3S)}


def load(name_or_file: str) -> FrontEnd:
    """A preset by name, or a TOML file with `preset = "mel"` and the parameters that differ (and `[denoise]`, `[descriptors]`).

    Raises UsageError for an unknown preset, a missing file or a misspelt parameter.
    """
    if name_or_file in PRESETS:
        return PRESETS[name_or_file]
    path = Path(name_or_file)
    if not path.is_file():
        raise UsageError(f"no front end {name_or_file!r}: it is one of {', '.join(PRESETS)}, or the path of a TOML file")
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    preset = values.pop("preset", MEL.name)
    if preset not in PRESETS:
        raise UsageError(f"{path}: no preset {preset!r}: it is one of {', '.join(PRESETS)}")
    values = {"name": path.stem} | values
    return FrontEnd.from_dict(dataclasses.asdict(PRESETS[preset]) | values)
