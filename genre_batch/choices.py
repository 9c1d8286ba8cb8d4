"""What a user chooses between; apart from the modules that act on it, so that a command line starts at once."""

from enum import StrEnum


class Layout(StrEnum):
    """How a library says what it holds: the first folder is the genre, nothing is said, or a table says it."""

    GENRE_FOLDERS = "genre-folders"
    TREE = "tree"
    MANIFEST = "manifest"


class Redo(StrEnum):
    """What is done again although it is in the tables: nothing, the rejected tracks, or all."""

    NOTHING = "nothing"
    REJECTED = "rejected"
    ALL = "all"


class Relabel(StrEnum):
    """What is labelled again although it is in the tables: all, what an older bundle refused, or all that was refused."""

    ALL = "all"
    OLDER_BUNDLE = "older-bundle"
    REJECTED = "rejected"


class Protocol(StrEnum):
    """Who may stand on both sides of a split: anybody (segments of one track, which flatters), no track, no artist (no track where
    the artist is unknown), or who GTZAN's fault-filtered lists say."""

    RANDOM = "random"
    TRACK = "track"
    ARTIST = "artist"
    FAULT_FILTERED = "fault-filtered"


class Profile(StrEnum):
    """The baselines as the original project had them, mistakes included, or as they should be."""

    SEED = "seed"
    SOUND = "sound"


class Model(StrEnum):
    """The classical baselines."""

    LOGISTIC_REGRESSION = "logistic_regression"
    SVM = "svm"
    PERCEPTRON = "perceptron"
    RIDGE = "ridge"
    DECISION_TREE = "decision_tree"
    RANDOM_FOREST = "random_forest"
    KNN = "knn"
    NEURAL_NET = "neural_net"


class Map(StrEnum):
    """What is done to the descriptors before a baseline sees them."""

    NONE = "none"
    PCA = "pca"
    RBF = "rbf"
    POLYNOMIAL = "polynomial"


class WaveformPart(StrEnum):
    """What training may do to audio, anew each time: change its level, add noise, code and decode it, play it faster or slower."""

    GAIN = "gain"
    NOISE = "noise"
    CODEC = "codec"
    PITCH = "pitch"


class Augmentation(StrEnum):
    """What is done to spectrograms while a network is trained."""

    CROP = "crop"
    STRETCH = "stretch"
    SHIFT = "shift"
    GAIN = "gain"
    EQUALISER = "equaliser"
    SPECAUGMENT = "specaugment"
    MIXUP = "mixup"


class Schedule(StrEnum):
    """How the learning rate goes over a training."""

    ONE_CYCLE = "one-cycle"
    COSINE = "cosine"
    CONSTANT = "constant"


class Features(StrEnum):
    """What baselines look at: the 57 descriptors, or statistics of each band of the spectrogram."""

    DESCRIPTORS = "descriptors"
    STATISTICS = "statistics"


class Joining(StrEnum):
    """How the answers of several bundles become one: all count the same, or a regression learns what each is good at."""

    MEAN = "mean"
    STACKING = "stacking"
