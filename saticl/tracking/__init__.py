"""MLflow as a mirror of the journal. Imported when a tracker is opened."""
