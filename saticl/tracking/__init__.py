"""What is kept of a run: `journal.jsonl`, which cannot fail; MLflow, which may; and figures.

`saticl.tracking.journal` and `saticl.tracking.mlflow_tracker` need no torch; MLflow and matplotlib are imported when
they are first used.
"""
