"""Trained steps at work: tiles scored, rasters of any size mapped."""
