"""The four maps as the original had them and as they should be; the original's own one against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import PolynomialFeatures

from genre_batch.choices import Map, Profile
from genre_batch.models.baselines import maps
from genre_batch.models.baselines.maps import Centres


def rows(n: int, n_features: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(n, n_features))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(1, 8), st.sampled_from([0.025, 1.0, 7.5]), st.integers(0, 2**31))
def test_centres_are_a_gaussian_of_the_distance(n: int, n_features: int, beta: float, seed: int):
    x, other = rows(n, n_features, seed), 10 * rows(5, n_features, seed + 1)
    fitted = Centres(2, beta, random_state=0).fit(x)
    for each in (x, other):
        found = fitted.transform(each)
        assert found.shape == (len(each), 2)
        np.testing.assert_allclose(found, np.exp(-beta * cdist(each, fitted.centres_) ** 2), rtol=1e-9, atol=1e-12)


def test_a_row_on_a_centre_is_worth_one():
    """Not more: rounding could make a squared distance negative."""
    x = 1e4 + rows(6, 50)
    found = Centres(6, random_state=0).fit(x).transform(x)
    assert found.max() <= 1.0
    np.testing.assert_allclose(found.max(axis=1), 1.0, rtol=0, atol=1e-6)


def test_centres_are_those_of_k_means():
    x = rows(40)
    expected = KMeans(5, random_state=3).fit(x).cluster_centers_
    np.testing.assert_array_equal(Centres(5, random_state=3).fit(x).centres_, expected)


def test_more_centres_than_rows_are_refused():
    with pytest.raises(ValueError, match="n_samples=4 should be >= n_clusters=5"):
        Centres(5).fit(rows(4))


def test_centres_are_copied_unfitted():
    copied = clone(Centres(7, 0.5, random_state=1).fit(rows(10)))
    assert copied.get_params() == {"n_centres": 7, "beta": 0.5, "random_state": 1}
    assert not hasattr(copied, "centres_")


@pytest.mark.parametrize("profile", Profile)
def test_no_map_passes_through(profile: Profile):
    assert maps.build(profile, Map.NONE, 100, 0) == "passthrough"


@pytest.mark.parametrize("profile", Profile)
def test_pca_keeps_95_percent_of_the_variance(profile: Profile):
    x = rows(200, 6) * [10, 5, 2, 1, 0.1, 0.01]
    variances = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    kept = np.cumsum(variances) / variances.sum()
    built = maps.build(profile, Map.PCA, 200, 0)
    assert isinstance(built, PCA)
    assert built.fit_transform(x).shape[1] == np.searchsorted(kept, 0.95) + 1 == 2


def test_rbf_of_the_original_is_200_centres_of_its_random_state():
    built = maps.build(Profile.SEED, Map.RBF, 6_993, 42)
    assert isinstance(built, Centres)
    assert built.get_params() == {"n_centres": 200, "beta": 0.025, "random_state": 42}


def test_rbf_as_it_should_be_is_nystroem():
    built = maps.build(Profile.SOUND, Map.RBF, 6_993, 7)
    assert isinstance(built, Nystroem)
    assert (built.kernel, built.n_components, built.random_state) == ("rbf", 200, 7)


@pytest.mark.parametrize(("profile", "column"), [(Profile.SEED, "n_centres"), (Profile.SOUND, "n_components")])
def test_there_are_no_more_centres_than_rows(profile: Profile, column: str):
    x = rows(30)
    built = maps.build(profile, Map.RBF, 30, 0)
    assert built.get_params()[column] == 30
    assert built.fit_transform(x).shape == (30, 30)
    assert maps.build(profile, Map.RBF, 200, 0).get_params()[column] == 200
    assert maps.build(profile, Map.RBF, 201, 0).get_params()[column] == 200


@pytest.mark.parametrize(
    ("profile", "n_features", "n_columns"), [(Profile.SEED, 58, 1_770), (Profile.SEED, 57, 1_711), (Profile.SOUND, 57, 1_710)]
)
def test_the_original_had_a_column_of_ones_among_its_products(profile: Profile, n_features: int, n_columns: int):
    built = maps.build(profile, Map.POLYNOMIAL, 3, 0)
    assert isinstance(built, PolynomialFeatures)
    found = built.fit_transform(rows(3, n_features))
    assert found.shape == (3, n_columns)
    assert bool((found[:, 0] == 1).all()) is (profile is Profile.SEED)


def test_all_products_of_two():
    found = maps.build(Profile.SOUND, Map.POLYNOMIAL, 1, 0).fit_transform([[2.0, 3.0, 5.0]])
    assert found.tolist() == [[2, 3, 5, 4, 6, 10, 9, 15, 25]]
