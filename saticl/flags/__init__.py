"""The bridge from option trees to the command line: leaves, their settings, and the Typer flags."""
