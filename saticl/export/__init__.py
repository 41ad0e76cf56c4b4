"""Trained steps as files that other programs can run, with all that those programs have to know."""
