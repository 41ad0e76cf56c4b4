"""Halve the resolution of photographs and their masks, for a benchmark that a machine without a GPU can run.

    python scripts/halve_images.py --src dubai --dst dubai-half

Every JPEG file below the source is averaged over squares of 2 x 2 pixels; of every PNG file, whose colours are
classes, the upper left pixel of each square stays. Folders and names stay, a last odd row or column is cut off.
"""

import argparse
import sys
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from saticl.files import write_atomically


def halve(file: Path) -> bytes:
    """The file's new content."""
    image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if image is None:
        sys.exit(f"{file} cannot be read as an image.")
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    if file.suffix == ".png":
        smaller = even[::2, ::2]
    else:
        smaller = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if file.suffix == ".jpg" else []
    return bytes(cv2.imencode(file.suffix, smaller, quality)[1])


def main() -> None:
    """Write a smaller copy of every image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, required=True, help="folder of .jpg and .png files, at any depth")
    parser.add_argument("--dst", type=Path, required=True, help="folder to write to")
    arguments = parser.parse_args()
    files = sorted(file for file in arguments.src.rglob("*") if file.suffix in {".jpg", ".png"})
    if not files:
        sys.exit(f"{arguments.src} holds no .jpg and no .png file.")
    for file in files:
        copy = arguments.dst / file.relative_to(arguments.src)
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(copy, halve(file))
    print(f"{len(files)} files in {arguments.dst}")


if __name__ == "__main__":
    main()
