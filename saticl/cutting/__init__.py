"""From raw scenes to tiles on disk: blocks of rows, strips of pixels, files, parts, and how processes share them."""
