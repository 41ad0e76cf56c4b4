"""From a raw scene to tiles on disk: strips of pixels, files, counts, and how scenes are shared by processes."""
