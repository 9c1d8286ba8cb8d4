"""The four feature maps: none, PCA, RBF, polynomial; as the original project had them, and as they should be."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import PolynomialFeatures

from genre_batch.choices import Map, Profile

Floats = npt.NDArray[np.float64]

KEPT_VARIANCE = 0.95
N_CENTRES = 200
"""Of k-means, as the original had, and landmarks of the Nyström approximation (Williams and Seeger 2001)."""


class Centres(TransformerMixin, BaseEstimator):
    """exp(-beta ‖x - c‖²) for the centres c of k-means: the first layer of an RBF network (Broomhead and Lowe 1988).

    With the original's beta of 0.025 on columns scaled to 0..1, all values lie between .8 and 1: nearly nothing is left to learn from.
    """

    def __init__(self, n_centres: int = N_CENTRES, beta: float = 0.025, random_state: int | None = None) -> None:
        self.n_centres, self.beta, self.random_state = n_centres, beta, random_state

    def fit(self, x: Floats, y: Any = None) -> Self:
        """x: [shape=(n, n_features)]. Raises ValueError for fewer rows than centres."""
        self.centres_ = KMeans(self.n_centres, random_state=self.random_state).fit(x).cluster_centers_
        return self

    def transform(self, x: Floats) -> Floats:
        """[shape=(n, n_centres)]."""
        distances = np.square(x).sum(1)[:, None] - 2 * x @ self.centres_.T + np.square(self.centres_).sum(1)
        return np.asarray(np.exp(-self.beta * np.maximum(distances, 0)))


def build(profile: Profile, chosen: Map, n_rows: int, seed: int) -> Any:
    """A transformer, or `passthrough`; `n_rows` it will be fitted on, for none needs more centres than rows."""
    match chosen:
        case Map.NONE:
            return "passthrough"
        case Map.PCA:
            return PCA(n_components=KEPT_VARIANCE)
        case Map.RBF if profile is Profile.SEED:
            return Centres(min(N_CENTRES, n_rows), random_state=seed)
        case Map.RBF:
            return Nystroem(n_components=min(N_CENTRES, n_rows), random_state=seed)
        case Map.POLYNOMIAL:
            return PolynomialFeatures(degree=2, include_bias=profile is Profile.SEED)
