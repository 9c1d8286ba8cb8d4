"""ensemble: several bundles become one."""

from typing import Annotated

import typer

from genre_batch.choices import Joining
from jobs.config import Config


def ensemble(
    bundle: Annotated[
        list[str], typer.Option(help="A bundle that was cross-validated; once for each.", metavar="URL", show_default=False)
    ],
    out: Annotated[str, typer.Option(help="Where the joined bundle goes.", metavar="URL", show_default=False)],
    join: Annotated[
        Joining, typer.Option(help="mean log-probability, or a regression that weighs who is good at what.")
    ] = Joining.MEAN,
    remark: Annotated[list[str] | None, typer.Option(help="A sentence for the model card; may be given again.")] = None,
    config: Config = None,
) -> None:
    """Join bundles into one that labels like any other, and tell what it is worth and what it costs.

    They must have been cross-validated by artist on the same tracks: by train-network --folds 5, or by tune-baselines.

    Example: genre-batch ensemble --bundle bundles/compact --bundle baselines/bundle --out bundles/both
    """
    from genre_batch.evaluation import ensemble as job
    from genre_batch.models import bundle as bundles
    from genre_batch.tables import storage

    joined = job.ensemble({url: bundles.load(url) for url in bundle}, join, remark or [])
    joined.write(out)
    facts = joined.facts
    figures, provenance = facts["metrics"]["folds"], facts["provenance"]
    for url, each in zip(bundle, provenance["joined"], strict=True):
        print(f"{each['model']} alone ({url}): track accuracy {each['track_accuracy']:.3f}")
    print(
        f"bundle {joined.bundle_id} in {storage.normal(out)}, by {facts['join']['method']}; on {figures['n_tracks']} left-out tracks: "
        f"track accuracy {figures['track_accuracy']:.3f} ± {figures['track_accuracy_deviation']:.3f} between folds, macro-F1 "
        f"{figures['macro_f1']:.3f}, ECE {figures['ece']:.3f}"
    )
    cost = provenance["cost"]
    each_costs = ", ".join(f"{member['model']} {member['milliseconds']:.1f}" for member in cost["members"])
    print(
        f"costs {cost['milliseconds']:.1f} ms a segment on one core ({each_costs}) and {cost['bytes'] / 1e6:.1f} MB, besides what it takes "
        "to decode a recording and to compute what the models see"
    )
