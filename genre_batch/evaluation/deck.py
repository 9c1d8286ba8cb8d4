"""The main table of the original project "Genre Guesser": test accuracy on segments of 3 s, drawn at random.

All 32 are k / 1,499: segments of one track stood on both sides of its split.
"""

from genre_batch.choices import Map, Model

_ROWS = {
    Model.LOGISTIC_REGRESSION: (0.7131, 0.6865, 0.6111, 0.8853),
    Model.SVM: (0.7532, 0.7265, 0.6284, 0.8846),
    Model.PERCEPTRON: (0.6418, 0.5677, 0.2175, 0.6364),
    Model.RIDGE: (0.6264, 0.5657, 0.5777, 0.8779),
    Model.DECISION_TREE: (0.6384, 0.6037, 0.6144, 0.6731),
    Model.RANDOM_FOREST: (0.8699, 0.8626, 0.7545, 0.8466),
    Model.KNN: (0.9313, 0.9159, 0.7799, 0.9293),
    Model.NEURAL_NET: (0.9053, 0.8746, 0.2141, 0.8859),
}

DECK = {
    (model, chosen): accuracy
    for model, row in _ROWS.items()
    for chosen, accuracy in zip((Map.NONE, Map.PCA, Map.RBF, Map.POLYNOMIAL), row, strict=True)
}
