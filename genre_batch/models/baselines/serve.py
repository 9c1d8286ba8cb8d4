"""A fitted baseline as bytes and back: skops, which builds only the types named here, and never unpickles."""

import sys
from types import ModuleType
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from genre_batch.errors import UsageError
from genre_batch.models.baselines.select import shares
from genre_batch.signal import statistics

# skops imports every module of scikit-learn, and one of them torch: half a gigabyte that a worker need not pay.
_TORCH = "sklearn.externals.array_api_compat.torch"
_stub = ModuleType(_TORCH)
sys.modules.setdefault(_TORCH, _stub)
from skops import io  # noqa: E402

if sys.modules[_TORCH] is _stub:
    del sys.modules[_TORCH]

TRUSTED = [
    "genre_batch.models.baselines.neural_net.NeuralNet",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]
"""Beyond what skops trusts by itself: scikit-learn's estimators and numpy's arrays."""

LEAST = 0.01
"""No genre is less probable for a segment: a vote of one neighbour is no proof, and its logarithm must be finite."""


def dump(fitted: Pipeline) -> bytes:
    return bytes(io.dumps(fitted))


def load(data: bytes) -> Pipeline:
    """Raises UsageError for types that are not trusted, and for what skops did not write."""
    try:
        unknown = sorted(set(io.get_untrusted_types(data=data)) - set(TRUSTED))
        if unknown:
            raise UsageError(f"the bundle's model is refused: it holds {', '.join(unknown)}, which no baseline of ours needs")
        return io.loads(data, trusted=TRUSTED)
    except (BadZipFile, ValueError) as error:
        raise UsageError(f"the bundle's model is refused: it cannot be read ({error})") from error


def logits(known: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Of shares [shape=(n, n_genres)], as calibration pools them."""
    return np.log(np.maximum(known, LEAST)).astype(np.float32)


class BaselineScorer:
    """Runs a fitted pipeline on descriptors, or on the statistics of spectrograms."""

    def __init__(self, data: bytes, inputs: tuple[str, ...]) -> None:
        self.fitted, self.inputs = load(data), inputs

    def __call__(
        self, spectrograms: npt.NDArray[np.uint8] | None, descriptors: npt.NDArray[np.float64] | None = None
    ) -> npt.NDArray[np.float32]:
        if self.inputs == ("statistics",):
            assert spectrograms is not None
            seen = statistics.describe(spectrograms)
        else:
            assert descriptors is not None
            seen = descriptors
        return logits(shares(self.fitted, seen, len(self.fitted.classes_)))
