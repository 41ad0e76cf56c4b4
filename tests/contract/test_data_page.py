"""docs/data.md: its example is a valid description, and no key and no column is missing from it."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from saticl.datasets.description import Description, ProtocolPart, SplitPart
from saticl.protocol_files import load_protocols
from saticl.tiles.index import read_index, tile_to_dict
from saticl.views import Views

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_description() -> None:
    Description.model_validate(yaml.safe_load(EXAMPLES[0]))


def test_the_learning_orders_fit_the_example(tmp_path: Path) -> None:
    (example,) = (text for text in EXAMPLES if "2s: {" in text and "images:" not in text)
    (tmp_path / "tasks.yaml").write_text(example)

    assert set(load_protocols(tmp_path / "tasks.yaml", list(yaml.safe_load(EXAMPLES[0])["classes"]))) == {"2s", "1s"}


@pytest.mark.parametrize("part", [Description, SplitPart, ProtocolPart, Views], ids=lambda part: part.__name__)
def test_every_key_of_a_description_is_explained(part: type[BaseModel]) -> None:
    for key in part.model_fields:
        assert re.search(rf"^ *{key}:|\b{key}: |`{key}`", PAGE, re.MULTILINE), key


def test_every_column_of_the_index_is_explained_in_order(tiny_tiles: Path) -> None:
    table = PAGE.split("| column | holds |")[1].split("\n\n")[0]
    explained = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]

    assert explained == list(tile_to_dict(read_index(tiny_tiles)[0]))


def test_windows_and_cores_are_what_the_page_says(tiny_tiles: Path) -> None:
    scene = [tile_to_dict(tile) for tile in read_index(tiny_tiles) if tile.scene == "a_1"]
    pixels: list[tuple[int, int]] = []
    for row in scene:
        top, left, _, _ = row["window"]
        inner_top, inner_left, height, width = row["core"]
        corner = top + inner_top, left + inner_left
        pixels += [(corner[0] + y, corner[1] + x) for y in range(height) for x in range(width)]

    assert len(pixels) == len(set(pixels)) == 96 * 80
    assert (min(pixels), max(pixels)) == ((0, 0), (95, 79))
