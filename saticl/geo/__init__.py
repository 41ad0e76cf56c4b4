"""Rasters and their grids: numpy and rasterio, no torch."""
