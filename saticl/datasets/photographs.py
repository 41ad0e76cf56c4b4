"""What Pascal VOC, ADE20K and Cityscapes share: photographs with masks of numbers, found under official names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from saticl.datasets.base import Request, Scene
from saticl.errors import MissingRawData
from saticl.geo.palette import IndexPalette
from saticl.geo.raster import parse_crs
from saticl.labels import Split
from saticl.sentences import some_of
from saticl.views import Views

BANDS = ("red", "green", "blue")

VIEWS = Views(symmetries="mirror", crop="scale")
"""Photographs have an up and a down; made half to twice as large, then cut, as in the published experiments."""


@dataclass(frozen=True)
class Pair:
    """A photograph and its mask, as they should be."""

    id: str
    group: str
    split: Split
    image: Path
    mask: Path
    palette: IndexPalette

    @property
    def lacking(self) -> list[str]:
        """Which of the two is not there."""
        return [kind for kind, path in (("image", self.image), ("mask", self.mask)) if not path.is_file()]

    def scene(self, crs: str | None) -> Scene:
        """The scene; values of no class in its mask are an error, and a grey image is one of three equal bands."""
        return Scene(
            id=self.id,
            group=self.group,
            split=self.split,
            image=str(self.image),
            mask=str(self.mask),
            dsm=None,
            bands=BANDS,
            palette=self.palette,
            is_strict=True,
            crs=crs,
            may_be_grey=True,
        )


@dataclass(frozen=True)
class Layout:
    """Where a dataset lies, and how it should look there."""

    title: str
    root: Path
    tree: str
    """For people."""

    def first(self, folders: Iterable[str], what: str) -> Path:
        """The first of these folders that is there; raises MissingRawData showing the tree where none is."""
        for folder in folders:
            if (self.root / folder).is_dir():
                return self.root / folder
        if not self.root.is_dir():
            raise MissingRawData(f"The folder {self.root} does not exist. Expected for {self.title}:\n{self.tree}")
        raise MissingRawData(f"{self.root} has no {what} of {self.title}. Expected there:\n{self.tree}")

    def scenes(self, pairs: Sequence[Pair], request: Request) -> list[Scene]:
        """The scenes whose two files are there; raises MissingRawData where some lack one, unless that is allowed."""
        if request.crs is not None:
            parse_crs(request.crs)
        lacking = {pair.id: kinds for pair in pairs if (kinds := pair.lacking)}
        complete = [pair.scene(request.crs) for pair in pairs if pair.id not in lacking]
        if not complete or (lacking and not request.allow_missing):
            raise MissingRawData(self._what_lacks(lacking, len(complete)), lacking)
        return complete

    def _what_lacks(self, lacking: dict[str, list[str]], complete: int) -> str:
        if not lacking:
            return f"{self.root} holds no image of {self.title}. Expected there:\n{self.tree}"
        parts = (
            f"{kind} of {some_of([name for name, kinds in lacking.items() if kind in kinds])}"
            for kind in ("image", "mask")
            if any(kind in kinds for kinds in lacking.values())
        )
        sentence = f"The download of {self.title} in {self.root} is incomplete. Missing: {'; '.join(parts)}."
        if complete:
            return f"{sentence} Download these files, or add --allow-missing to use the {complete:,} complete images."
        return f"{sentence} No image is complete. Expected there:\n{self.tree}"
