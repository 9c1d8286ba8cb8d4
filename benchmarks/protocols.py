"""Four baselines on GTZAN's published 10 s table: what others measured on one split, we on the same split, and we on five folds.

The figures of the first column were measured elsewhere with scikit-learn 1.9: segment accuracy, and accuracy of a track by majority of
its segments. Their splits by track and artist hold out a fifth of the groups, not stratified (GroupShuffleSplit, random state 0). That
is one draw, and an unlucky one for artists: it holds out some who made a large part of a genre. Ours are five stratified folds.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks import report
from genre_batch import splits
from genre_batch.choices import Protocol
from genre_batch.splits import Fold
from genre_batch.tables import features
from genre_batch.tables.features import FeatureTable

MODELS = {
    "kNN, k = 1": KNeighborsClassifier(1),
    "logistic regression": LogisticRegression(max_iter=2000),
    "SVM, RBF, C = 10": SVC(C=10),
    "random forest, 200": RandomForestClassifier(200, random_state=0),
}

ELSEWHERE = {
    "kNN, k = 1": ((0.906, 0.918), (0.644, 0.667), (0.375, 0.402), (0.398, 0.417)),
    "logistic regression": ((0.737, 0.745), (0.684, 0.727), (0.468, 0.515), (0.512, 0.555)),
    "SVM, RBF, C = 10": ((0.902, 0.903), (0.677, 0.720), (0.454, 0.464), (0.480, 0.503)),
    "random forest, 200": ((0.857, 0.866), (0.655, 0.687), (0.455, 0.494), (0.456, 0.472)),
}


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--table", required=True, help="features_10_sec.csv")
    options.add_argument("--artists", required=True, help="CSV with columns track and artist")
    asked: argparse.Namespace = options.parse_args()
    table = features.read_published(asked.table, asked.artists)
    rows = []
    for place, protocol in enumerate(Protocol):
        draw, folds = one_draw(table, protocol), splits.folds(table.rows, protocol, seed=0)
        for name, model in MODELS.items():
            theirs = ELSEWHERE[name][place]
            drawn = judge(model, table, draw)
            found = np.array([judge(model, table, fold) for fold in folds])
            rows.append(
                {
                    "protocol": protocol.value,
                    "model": name,
                    "elsewhere": f"{theirs[0]:.3f} / {theirs[1]:.3f}",
                    "same draw": f"{drawn[0]:.3f} / {drawn[1]:.3f}",
                    "points apart": f"{100 * abs(theirs[0] - drawn[0]):.1f} / {100 * abs(theirs[1] - drawn[1]):.1f}",
                    "folds": f"{found[:, 0].mean():.3f} / {found[:, 1].mean():.3f}",
                    "± folds": float(found[:, 0].std(ddof=1)) if len(folds) > 1 else 0.0,
                }
            )
    report.show(f"{Path(asked.table).name}: segment / track accuracy", rows, asked.json)


def one_draw(table: FeatureTable, protocol: Protocol) -> Fold:
    """A fifth of the groups, not stratified; of the fault-filtered lists train → test."""
    if protocol is Protocol.FAULT_FILTERED:
        return splits.folds(table.rows, protocol, seed=0)[0]
    groups = splits.groups_of(table.rows, protocol)
    train, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(groups, groups=groups))
    return Fold(train, np.zeros(0, np.int64), test)


def judge(model: BaseEstimator, table: FeatureTable, fold: Fold) -> tuple[float, float]:
    """Share of segments, and of tracks by majority, that are right."""
    genres, tracks = (np.array(table.rows[name].to_pylist()) for name in ("genre", "track_id"))
    fitted = make_pipeline(StandardScaler(), clone(model)).fit(table.values[fold.train], genres[fold.train])
    heard = fitted.predict(table.values[fold.test])
    votes = {track: majority(heard[tracks[fold.test] == track]) for track in np.unique(tracks[fold.test])}
    truth = dict(zip(tracks, genres, strict=True))
    return float((heard == genres[fold.test]).mean()), float(np.mean([truth[track] == vote for track, vote in votes.items()]))


def majority(heard: np.ndarray) -> str:
    """Of equals the first by name."""
    genres, counts = np.unique(heard, return_counts=True)
    return str(genres[counts.argmax()])


if __name__ == "__main__":
    main()
