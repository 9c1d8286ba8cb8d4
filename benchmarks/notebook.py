"""What a notebook does with a recording that `label-catalog` labels: librosa for the signal, the same network in eager PyTorch.

librosa.load to mono, spectral subtraction between librosa.stft and istft where the front end says so, a melspectrogram of each
segment with the front end's numbers, one librosa call for each descriptor, pooled probabilities in numpy, and rows into a Parquet
file. Nothing is checked, and a bad file ends it.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy import ndimage, signal, special

from benchmarks.descriptors import with_librosa
from genre_batch.front_end import Denoise, FrontEnd
from genre_batch.models import scorer
from genre_batch.models.bundle import Bundle
from genre_batch.models.export import TorchScorer
from schemas.descriptors import NAMES

Samples = npt.NDArray[np.float32]
Levels = npt.NDArray[np.float32]


class Notebook:
    """Files to labels in one Parquet file, on one thread."""

    def __init__(self, bundle: Bundle, out: Path) -> None:
        torch.set_num_threads(1)
        self.front_end, self.genres, self.temperature = bundle.front_end, bundle.taxonomy.genres, bundle.calibration.temperature
        self.network = scorer.joined([TorchScorer(bundle, n, "cpu") for n in range(len(bundle.members))], bundle.join)
        self.out = out

    def __call__(self, files: list[str]) -> None:
        pq.write_table(pa.Table.from_pylist([self.label(file) for file in files]), self.out, compression="zstd")

    def label(self, file: str) -> dict[str, Any]:
        samples, rate_hz = librosa.load(file, sr=self.front_end.sample_rate_hz)
        logits = self.network(*features(samples, self.front_end))
        mean = special.log_softmax(logits.astype(np.float64), axis=1).mean(axis=0)
        shares = special.softmax(mean / self.temperature)
        return {
            "file": file,
            "genre": self.genres[int(shares.argmax())],
            "confidence": float(shares.max()),
            "probabilities": shares.tolist(),
            "duration_s": len(samples) / rate_hz,
            "labelled_at": datetime.now(UTC),
        }


def features(samples: Samples, front_end: FrontEnd) -> tuple[Levels, npt.NDArray[np.float64] | None]:
    """Levels 0..255 [shape=(n, rows, columns)], and the descriptors [shape=(n, 57)] where the front end has them."""
    if front_end.denoise:
        samples = subtracted(samples, front_end.sample_rate_hz, front_end.denoise)
    size, hop = front_end.segment_samples, front_end.segment_hop_samples
    segments = [samples[start : start + size] for start in range(0, len(samples) - size + 1, hop)]
    energies = [energy(segment, front_end) for segment in segments]
    loudest = max(each.max() for each in energies)
    decibels = [
        librosa.power_to_db(
            each, ref=loudest if front_end.reference == "track" else np.max, amin=front_end.power_floor, top_db=None
        )
        for each in energies
    ]
    levels = 255 * (1 + np.maximum(np.stack(decibels), -front_end.top_db) / front_end.top_db)
    described = [with_librosa(segment, front_end.sample_rate_hz) for segment in segments] if front_end.descriptors else None
    return levels.astype(np.float32), None if described is None else np.stack(described).reshape(-1, len(NAMES))


def energy(segment: Samples, front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Power of each mel band, [shape=(n_bands, n_frames)]."""
    # Padded here, because librosa's own centring knows no offset of the first frame.
    padded = np.pad(segment, front_end.n_fft // 2)[front_end.frame_offset :]
    found: npt.NDArray[np.float32] = librosa.feature.melspectrogram(
        y=padded,
        sr=front_end.sample_rate_hz,
        n_fft=front_end.n_fft,
        hop_length=front_end.hop_length,
        n_mels=front_end.n_bands,
        fmin=front_end.fmin_hz,
        fmax=front_end.fmax_hz,
        center=False,
    )
    return found


def subtracted(samples: Samples, rate_hz: int, denoise: Denoise) -> Samples:
    """As genre_batch.signal.denoise with the minimum of the smoothed power for noise, but of a whole track at once."""
    assert denoise.noise == "minimum-statistics"
    spectrum = librosa.stft(samples, n_fft=denoise.n_fft, hop_length=denoise.hop_length)
    magnitude = np.abs(spectrum)
    frames_per_s = rate_hz / denoise.hop_length
    alpha = np.exp(-1 / (denoise.smoothing_s * frames_per_s))
    power = magnitude**2
    smooth, _ = signal.lfilter([1 - alpha], [1, -alpha], power, axis=1, zi=alpha * power[:, :1])
    span = round(denoise.minimum_s * frames_per_s)
    lowest = ndimage.minimum_filter1d(smooth, span, axis=1, origin=(span - 1) // 2, mode="constant", cval=np.inf)
    noise = np.sqrt(denoise.minimum_bias * lowest)
    clean = np.maximum(magnitude - denoise.over_subtraction * noise, np.minimum(denoise.floor * noise, magnitude))
    gain = np.where(magnitude > 0, clean / np.maximum(magnitude, 1e-12), 0)
    return librosa.istft(spectrum * gain, n_fft=denoise.n_fft, hop_length=denoise.hop_length, length=len(samples)).astype(
        np.float32
    )
