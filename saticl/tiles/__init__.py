"""The prepared world: manifest, index, selection, torch dataset and loaders."""
