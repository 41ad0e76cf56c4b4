"""ADE20K, the scene parsing benchmark with 150 classes.

Value 0 of the masks is "other": it is no class, and prepared masks call it unlabelled, so that index 0 is an
artificial background. Sources: MiB (arXiv:2002.00718) for `100-50`, `100-10`, `50` and the random orders b and c; PLOP
(arXiv:2011.11390) for `100-5`; SSUL for `50-20`, where `50` is called `50-50`. MiB's tables are means over the natural
order and one random order. The file `order-b.txt` of MiB's code holds the order c of its tasks.
"""

from saticl.protocols.ids import from_ids, in_order
from saticl.tasks import Protocol, offline

ADE20K_CLASSES = (
    "wall",
    "building",
    "sky",
    "floor",
    "tree",
    "ceiling",
    "road",
    "bed",
    "windowpane",
    "grass",
    "cabinet",
    "sidewalk",
    "person",
    "earth",
    "door",
    "table",
    "mountain",
    "plant",
    "curtain",
    "chair",
    "car",
    "water",
    "painting",
    "sofa",
    "shelf",
    "house",
    "sea",
    "mirror",
    "rug",
    "field",
    "armchair",
    "seat",
    "fence",
    "desk",
    "rock",
    "wardrobe",
    "lamp",
    "bathtub",
    "railing",
    "cushion",
    "base",
    "box",
    "column",
    "signboard",
    "chest_of_drawers",
    "counter",
    "sand",
    "sink",
    "skyscraper",
    "fireplace",
    "refrigerator",
    "grandstand",
    "path",
    "stairs",
    "runway",
    "case",
    "pool_table",
    "pillow",
    "screen_door",
    "stairway",
    "river",
    "bridge",
    "bookcase",
    "blind",
    "coffee_table",
    "toilet",
    "flower",
    "book",
    "hill",
    "bench",
    "countertop",
    "stove",
    "palm",
    "kitchen_island",
    "computer",
    "swivel_chair",
    "boat",
    "bar",
    "arcade_machine",
    "hovel",
    "bus",
    "towel",
    "light",
    "truck",
    "tower",
    "chandelier",
    "awning",
    "streetlight",
    "booth",
    "television_receiver",
    "airplane",
    "dirt_track",
    "apparel",
    "pole",
    "land",
    "bannister",
    "escalator",
    "ottoman",
    "bottle",
    "buffet",
    "poster",
    "stage",
    "van",
    "ship",
    "fountain",
    "conveyer_belt",
    "canopy",
    "washer",
    "plaything",
    "swimming_pool",
    "stool",
    "barrel",
    "basket",
    "waterfall",
    "tent",
    "bag",
    "minibike",
    "cradle",
    "oven",
    "ball",
    "food",
    "step",
    "tank",
    "trade_name",
    "microwave",
    "pot",
    "animal",
    "bicycle",
    "lake",
    "dishwasher",
    "screen",
    "blanket",
    "sculpture",
    "hood",
    "sconce",
    "vase",
    "traffic_light",
    "tray",
    "ashcan",
    "fan",
    "pier",
    "crt_screen",
    "plate",
    "monitor",
    "bulletin_board",
    "shower",
    "radiator",
    "glass",
    "clock",
    "flag",
)
"""Classes in the order of their values in the masks, which begin at 1; 0 is unlabelled, and no class."""

SIZES: dict[str, tuple[int, ...]] = {
    "100-50": (100, 50),
    "100-10": (100, *5 * [10]),
    "100-5": (100, *10 * [5]),
    "50": (50, 50, 50),
    "50-20": (50, *5 * [20]),
}
"""Classes per step, in the order of the masks' values."""

FIRST_FIFTY = {
    "b": (
        "1 9 14 18 22 24 25 27 28 29 32 38 42 45 46 47 48 49 54 56 58 61 62 63 69 74 75 76 77 81 82 84 90 93 "
        "96 100 103 104 109 117 119 121 123 128 129 130 134 135 136 144 "
    ),
    "c": (
        "5 10 11 12 13 16 17 19 20 23 27 28 30 31 32 33 37 43 46 52 56 57 65 66 69 70 74 76 77 79 82 83 86 87 "
        "105 109 110 111 119 128 129 132 133 134 138 142 143 144 146 147 "
    ),
}
"""Masks' values of the first step of `50b` and `50c`."""

LAST_FIFTY = {
    "b": (
        "11 16 50 64 66 73 89 92 145 146",
        "30 37 51 52 72 85 98 114 115 138",
        "2 35 65 97 110 111 112 118 124 141",
        "4 7 15 41 67 78 79 88 108 139",
        "17 20 59 68 83 94 102 122 127 137",
    ),
    "c": (
        "3 4 7 18 39 64 73 101 113 137",
        "47 51 55 60 62 80 116 127 140 148",
        "22 42 49 58 59 89 91 92 108 125",
        "2 38 53 100 104 117 130 131 141 145",
        "15 21 72 75 88 93 103 107 122 150",
    ),
}
"""Masks' values of the last five steps of `100-10b` and `100-10c`; together the last step of `50b` and `100-50b`."""


def _random(letter: str) -> tuple[Protocol, ...]:
    """The three orders of a letter. Within a step values grow, as published."""
    tens = LAST_FIFTY[letter]
    last = _sorted(" ".join(tens))
    base = _without(last)
    first = _sorted(FIRST_FIFTY[letter])
    orders = {"100-50": (base, last), "100-10": (base, *tens), "50": (first, _without(f"{first} {last}"), last)}
    return tuple(from_ids(name + letter, steps, ADE20K_CLASSES, first=1) for name, steps in orders.items())


def _sorted(ids: str) -> str:
    return " ".join(sorted(ids.split(), key=int))


def _without(ids: str) -> str:
    """All other values of classes."""
    return " ".join(str(number) for number in range(1, len(ADE20K_CLASSES) + 1) if str(number) not in ids.split())


ADE20K: tuple[Protocol, ...] = (
    offline(ADE20K_CLASSES),
    *(
        in_order(name, sizes, ADE20K_CLASSES, aliases=("50-50",) if name == "50" else ())
        for name, sizes in SIZES.items()
    ),
    *_random("b"),
    *_random("c"),
)
"""Protocols of ADE20K."""
