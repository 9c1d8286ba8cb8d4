"""An evaluation as people read it: what the figures mean and do not mean, then the figures, in Markdown."""

from collections.abc import Sequence
from typing import Any

from genre_batch.taxonomy import Taxonomy

NAMED_CONFUSIONS = 5
REPEATED = {
    "track_accuracy": "track accuracy",
    "segment_accuracy": "segment accuracy",
    "macro_f1": "macro-F1 of tracks",
    "ece": "expected calibration error",
    "accuracy_at_80": "accuracy of the surest 80 % of tracks",
}
EVERY = 2
"""Of the points of the coverage curve, 5 % apart, one row in this many."""


def markdown(figures: dict[str, Any], taxonomy: Taxonomy, *, title: str, pictures: list[str], remarks: list[str]) -> str:
    """A page. figures: as metrics.evaluate gives them for this taxonomy; if they are there also

    - `includes_training_tracks` and `tracks_left_out`, as cluster.evaluate adds them: who was heard in training;
    - `stability`: by the name of an alteration, `flip_rate` (share of tracks that change their label, None where no track was judged)
      with its interval `low` to `high`, of `n` tracks, how many were `unusable` once altered, and `flip_rate_with_unknown`;
    - `folds`, their number, and `repeats`, as metrics.repeated gives them, as cluster.cross adds them: who judged whom.

    pictures: paths of PNG files, relative to the page; remarks: sentences for its end.
    """
    lines = [f"# {title}", "", *_paragraph(figures, taxonomy), *_headline(figures), *_genres(figures, taxonomy)]
    lines += [*_calibration(figures), *_coverage(figures), *_repeats(figures.get("repeats"))]
    lines += _stability(figures.get("stability", {}))
    if pictures:
        lines += ["## Pictures", "", *(f"![{path.rpartition('/')[2].rpartition('.')[0]}](<{path}>)" for path in pictures), ""]
    if remarks:
        lines += ["## Remarks", "", *(f"- {remark}" for remark in remarks), ""]
    return "\n".join(lines)


def _paragraph(figures: dict[str, Any], taxonomy: Taxonomy) -> list[str]:
    commonest = max(figures["per_genre"].values(), key=lambda genre: genre["n"])["n"] / figures["n_tracks"]
    flattered = [
        "**LEAKY: tracks that the model was trained on, or others by their artists, are among those judged, so every figure here is "
        "flattered and says nothing about recordings it never heard.**",
        "",
    ]
    return [
        *(flattered if figures.get("includes_training_tracks") else []),
        f"**In one paragraph.** Of {_count(figures['n_tracks'], 'track')} in {_count(len(taxonomy), 'genre')}, "
        f"{figures['track_accuracy']:.1%} are given their true genre; to name the commonest genre every time would be right for "
        f"{commonest:.1%}. {_over_seeds(figures)}{_doubt(figures)} {_heard(figures)} The figures hold for recordings like these, "
        "labelled by the same hand; they do not say what the model is worth on another collection, nor do they tell the model's errors "
        "from wrong labels.",
        "",
    ]


def _over_seeds(figures: dict[str, Any]) -> str:
    repeats = figures.get("repeats")
    if not repeats or repeats["n_repeats"] == 1:
        return ""
    accuracy = repeats["track_accuracy"]
    return (
        f"That is the first of {repeats['n_repeats']} seeds; on average over them it is {accuracy['mean']:.1%}, with a deviation of "
        f"{accuracy['deviation']:.1%} between them. "
    )


def _doubt(figures: dict[str, Any]) -> str:
    n, accuracy, (low, high) = figures["n_tracks"], figures["track_accuracy"], figures["track_accuracy_interval"]
    if accuracy in (0, 1):
        # To draw anew from tracks that are all right shows no doubt, however few they are (Hanley and Lippman-Hand 1983).
        other, most = "wrong" if accuracy else "right", 1 - 0.05 ** (1 / n)
        return f"That no track is {other} leaves an interval without width, but not without doubt: up to {most:.1%} may be {other}."
    return (
        f"With other tracks of the same kind the figure could as well lie anywhere between {low:.1%} and {high:.1%} (95 % interval): "
        "by these figures alone, a model within that range is not told apart from this one."
    )


def _heard(figures: dict[str, Any]) -> str:
    if "includes_training_tracks" not in figures:
        return "These figures do not tell which of the tracks took part in training."
    if figures["includes_training_tracks"]:
        return "The model was trained on some of these very tracks, or on others by their artists."
    if folds := figures.get("folds"):
        return (
            f"Each track is judged by a network that had heard neither it nor anything by its artist, one of {folds} that were trained "
            "without a fold each; where the artist is unknown, by one that had not heard the track."
        )
    left_out = figures.get("tracks_left_out", 0)
    others = f"; {_count(left_out, 'track')} that did, or whose artist did, {_are(left_out)} left out" if left_out else ""
    return (
        f"None of these tracks took part in training or validation{others}. Whether training heard other recordings by the artists of "
        "its own test part depends on the split, which the model card tells."
    )


def _headline(figures: dict[str, Any]) -> list[str]:
    def interval(name: str) -> str:
        low, high = figures[f"{name}_interval"]
        return f"{low:.3f} to {high:.3f}"

    return [
        "## Figures",
        "",
        *_table(
            ("", "figure", "95 % interval"),
            [
                ("track accuracy", f"{figures['track_accuracy']:.3f}", interval("track_accuracy")),
                ("segment accuracy", f"{figures['segment_accuracy']:.3f}", interval("segment_accuracy")),
                ("macro-F1 of tracks", f"{figures['macro_f1']:.3f}", ""),
                ("expected calibration error", f"{figures['ece']:.3f}", ""),
                ("accuracy of the surest 80 % of tracks", f"{figures['accuracy_at_80']:.3f}", ""),
                ("share of tracks given a genre", f"{figures['coverage']:.3f}", ""),
                ("accuracy where a genre is given", f"{figures['selective_accuracy']:.3f}", ""),
            ],
        ),
        f"{_count(figures['n_tracks'], 'track')}, {_count(figures['n_segments'], 'segment')}. Intervals are a bootstrap over whole tracks.",
        "",
    ]


def _genres(figures: dict[str, Any], taxonomy: Taxonomy) -> list[str]:
    labelled = [sum(column) for column in zip(*figures["confusion"], strict=True)]
    rows = []
    for genre, n_labelled in zip(taxonomy.genres, labelled, strict=True):
        found = figures["per_genre"][genre]
        # What was never named has no precision, what is not there no recall: zeros would look like failures.
        precision = f"{found['precision']:.3f}" if n_labelled else "–"
        recall = (f"{found['recall']:.3f}", f"{found['f1']:.3f}") if found["n"] else ("–", "–")
        rows.append((genre, precision, *recall, str(found["n"])))
    return [
        "## Genres",
        "",
        *_table(("genre", "precision", "recall", "F1", "tracks"), rows),
        *(f"- {sentence}" for sentence in _confusions(figures["confusion"], taxonomy)),
        "",
    ]


def _confusions(counts: list[list[int]], taxonomy: Taxonomy) -> list[str]:
    """Each genre's commonest error, the most frequent errors first."""
    found = []
    for i, row in enumerate(counts):
        wrong = [0 if i == j else n for j, n in enumerate(row)]
        if most := max(wrong):
            found.append((most, most / sum(row), i, wrong.index(most)))
    found.sort(key=lambda each: (-each[0], -each[1]))
    names = taxonomy.genres
    told = [
        f"{names[i]} is most often taken for {names[j]}: {n} of {sum(counts[i])}." for n, _, i, j in found[:NAMED_CONFUSIONS]
    ]
    return told or ["No track is taken for another genre."]


def _calibration(figures: dict[str, Any]) -> list[str]:
    said = sum(each["confidence"] * each["n"] for each in figures["reliability"]) / figures["n_tracks"]
    gap = said - figures["track_accuracy"]
    manner = "surer than it is right" if gap > 0 else "less sure than it is right"
    return [
        "## Is it as sure as it is right?",
        "",
        f"On average its labels claim {said:.1%} and {figures['track_accuracy']:.1%} are right: it is {abs(gap) * 100:.1f} points "
        f"{manner}. "
        "The calibration error is the mean gap between the two over bins of confidence; few tracks alone make it larger than 0. "
        + (
            f"Each fold's temperature was fitted on the other folds; their median is {figures['temperature']:.3f}."
            if figures.get("folds")
            else f"The temperature, {figures['temperature']:.3f}, was fitted when the model was made."
        ),
        "",
        *_table(
            ("", "before temperature", "after"),
            [("expected calibration error", f"{figures['ece_before_temperature']:.3f}", f"{figures['ece']:.3f}")],
        ),
    ]


def _coverage(figures: dict[str, Any]) -> list[str]:
    unknown, gain = figures["unknown"], figures["gain_at_80"]
    change = "neither more nor less" if not gain else f"{abs(gain) * 100:.1f} points {'more' if gain > 0 else 'less'}"
    withheld = (
        f"{_count(unknown['n_unknown'], 'track')} {_are(unknown['n_unknown'])} called unknown, "
        f"{unknown['n_unknown_right']} of which would have been right; of the others {figures['selective_accuracy']:.1%} are right."
        if 0 < unknown["n_unknown"] < figures["n_tracks"]
        else f"{'All' if unknown['n_unknown'] else 'None'} of the tracks are called unknown."
    )
    of_folds = "(the median of what was fitted on the other folds of each) " if figures.get("folds") else ""
    return [
        "## What is won by labelling fewer tracks",
        "",
        f"Below a confidence of {figures['unknown_below']:.3f} {of_folds}the bundle names no genre: {withheld} "
        f"Were only the surest 80 % labelled, {figures['accuracy_at_80']:.1%} of them would be right: {change} than of all.",
        "",
        *_table(
            ("surest tracks", "tracks", "accuracy", "least confidence"),
            [
                (f"{point['coverage']:.0%}", str(point["n"]), f"{point['accuracy']:.3f}", f"{point['confidence']:.3f}")
                for point in figures["selective"][::EVERY]
            ],
        ),
    ]


def _repeats(repeats: dict[str, Any] | None) -> list[str]:
    if not repeats or repeats["n_repeats"] == 1:
        return []
    rows = [(name, f"{repeats[key]['mean']:.3f}", f"{repeats[key]['deviation']:.3f}") for key, name in REPEATED.items()]
    return [
        "## What another seed changes",
        "",
        f"Everything else on this page is of the first seed. Of {repeats['n_repeats']} seeds, which draw other folds and train other "
        "networks:",
        "",
        *_table(("", "mean", "deviation between seeds"), rows),
    ]


def _stability(stability: dict[str, Any]) -> list[str]:
    if not stability:
        return []
    rows = [
        (
            name.replace("_", " "),
            *((f"{found['flip_rate']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}") if found["n"] else ("–", "–")),
            f"{found['flip_rate_with_unknown']:.1%}" if found["n"] else "–",
            str(found["n"]),
            str(found["unusable"]),
        )
        for name, found in stability.items()
    ]
    return [
        "## What changes a label that should not",
        "",
        "Each recording again, altered in a way that leaves its genre as it is. A label that changes was worth little. Counted are best "
        "genres; the column beside their interval also counts a change from or to unknown.",
        "",
        *_table(
            ("alteration", "labels that change", "95 % interval", "unknown counted", "tracks", "unusable once altered"), rows
        ),
    ]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    # A bar in a name would open a column of its own.
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in (head, *rows)]
    return [lines[0], f"| --- |{' --- |' * (len(head) - 1)}", *lines[1:], ""]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
