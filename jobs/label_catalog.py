"""label-catalog: every recording of a library gets a label, or a reason why not."""

from genre_batch.choices import Redo
from jobs import options
from jobs.config import Config
from jobs.summary import accounts


def label_catalog(
    library: options.Library,
    tables: options.Tables,
    bundle: options.Bundle = options.DEFAULT_BUNDLE,
    redo: options.RedoOption = Redo.NOTHING,
    max_reject_fraction: options.MaxRejects = options.DEFAULT_MAX_REJECTS,
    config: Config = None,
) -> None:
    """Label what is new or changed, into the tables labels, rejects and runs.

    Example: genre-batch label-catalog --library s3://music/catalog --bundle s3://music/bundles/first --tables s3://music/genres
    """
    from genre_batch.cluster import label as job

    summary = job.label_catalog(
        library_url=library, bundle_url=bundle, tables=tables, redo=redo, max_reject_fraction=max_reject_fraction
    )
    print(accounts("label-catalog", "labelled", summary, tables))
