"""The eight baselines and the values tried for them, as pipelines of scikit-learn: scale → map → rescale → model."""

from typing import Any

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from genre_batch.choices import Map, Model, Profile
from genre_batch.models.baselines import maps
from genre_batch.models.baselines.neural_net import NeuralNet

Grid = dict[str, list[Any]]
"""Values to try by parameter, named as Pipeline.set_params takes them; all combinations are tried."""

_CS = [0.01, 0.1, 1.0, 10.0, 100.0]

_SEED: dict[Model, list[Grid]] = {
    Model.LOGISTIC_REGRESSION: [{"model__C": _CS}],
    Model.SVM: [{"model__C": _CS}],
    Model.PERCEPTRON: [{"model__eta0": [1e-4, 1e-3, 1e-2, 0.1, 1.0]}],
    Model.RIDGE: [{"model__alpha": [100.0, 10.0, 1.0, 0.1, 0.01]}],
    Model.DECISION_TREE: [{"model__max_depth": [1, 3, 5, 10, 20, None]}],
    Model.RANDOM_FOREST: [{"model__n_estimators": [10, 50, 100, 200], "model__max_depth": [3, 5, 10, None]}],
    Model.KNN: [{"model__n_neighbors": [1, 3, 5, 7, 10], "model__weights": ["uniform", "distance"]}],
    Model.NEURAL_NET: [{}],
}

_SOUND: dict[Model, list[Grid]] = {
    Model.LOGISTIC_REGRESSION: [{"model__C": [0.001, 0.01, 0.1, 1.0]}],
    Model.SVM: [
        {"model__kernel": ["linear"], "model__C": [0.001, 0.01, 0.1]},
        {"model__kernel": ["rbf"], "model__C": [1.0, 10.0]},
    ],
    Model.PERCEPTRON: [{"model__alpha": [1e-5, 1e-4, 1e-3, 1e-2]}],
    Model.RIDGE: [{"model__alpha": [1.0, 10.0, 100.0, 1000.0, 10000.0]}],
    Model.DECISION_TREE: [{"model__min_samples_leaf": [1, 5, 20]}],
    Model.RANDOM_FOREST: [{"model__min_samples_leaf": [1, 3]}],
    Model.KNN: [{"model__n_neighbors": [1, 3, 5, 10, 20], "model__weights": ["uniform", "distance"]}],
    Model.NEURAL_NET: [{"model__weight_decay": [1e-2, 1.0]}],
}

_WIDTHS: Grid = {"map__gamma": [0.001, 0.003, 0.01]}
"""Of the Nyström approximation; 57 standardised descriptors lie some 114 apart, squared."""


def grids(profile: Profile, model: Model, chosen: Map, *, n_rows: int) -> tuple[Grid, list[Grid]]:
    """What is tried of the map, and of the model; no more neighbours than the `n_rows` it is fitted on."""
    of_model = [dict(grid) for grid in (_SEED if profile is Profile.SEED else _SOUND)[model]]
    for grid in of_model:
        if "model__n_neighbors" in grid:
            grid["model__n_neighbors"] = [k for k in grid["model__n_neighbors"] if k <= n_rows]
    return _WIDTHS if profile is Profile.SOUND and chosen is Map.RBF else {}, of_model


def pipeline(profile: Profile, model: Model, chosen: Map, *, n_rows: int, seed: int) -> Pipeline:
    """An unfitted baseline for `n_rows` rows. The original has columns that are scaled already, and 42 for `seed`."""
    mapped = maps.build(profile, chosen, n_rows, seed)
    if profile is Profile.SEED:
        return Pipeline([("map", mapped), ("model", _seed_model(model, seed))])
    rescale = StandardScaler() if chosen is not Map.NONE else "passthrough"
    return Pipeline([("scale", StandardScaler()), ("map", mapped), ("rescale", rescale), ("model", _sound_model(model, seed))])


def _seed_model(model: Model, seed: int) -> Any:
    match model:
        case Model.LOGISTIC_REGRESSION:
            return LogisticRegression(max_iter=2000)
        case Model.SVM:
            return SVC(kernel="linear")
        case Model.PERCEPTRON:
            return Perceptron(max_iter=1000, tol=1e-3)
        case Model.RIDGE:
            return RidgeClassifier()
        case Model.DECISION_TREE:
            return DecisionTreeClassifier(random_state=seed)
        case Model.RANDOM_FOREST:
            return RandomForestClassifier(random_state=seed)
        case Model.KNN:
            return KNeighborsClassifier()
        case Model.NEURAL_NET:
            return NeuralNet("plateau", epochs=30, batch_size=32, learning_rate=1e-3, weight_decay=1e-5, random_state=seed)


def _sound_model(model: Model, seed: int) -> Any:
    match model:
        case Model.LOGISTIC_REGRESSION:
            return LogisticRegression(max_iter=500, tol=1e-3)
        case Model.SVM:
            # Otherwise the label goes by votes of pairs, whose ties the first genre wins, and differs from the largest share.
            return SVC(break_ties=True)
        case Model.PERCEPTRON:
            return Perceptron(penalty="l2", random_state=seed)
        case Model.RIDGE:
            return RidgeClassifier()
        case Model.DECISION_TREE:
            return DecisionTreeClassifier(random_state=seed)
        case Model.RANDOM_FOREST:
            return RandomForestClassifier(100, random_state=seed)
        case Model.KNN:
            return KNeighborsClassifier()
        case Model.NEURAL_NET:
            return NeuralNet(random_state=seed)
