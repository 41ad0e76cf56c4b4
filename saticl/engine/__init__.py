"""The training loop and all that keeps a run reproducible; accelerate lives here."""
