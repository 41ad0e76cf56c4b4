"""Five-Billion-Pixels (FBP): 150 Gaofen-2 scenes of 6800 x 7200 pixels at 4 m, with 24 classes.

Tong et al., ISPRS Journal 196, 2023, arXiv:2209.00727. For academic purposes only. No split was published: a fifth of
the scenes is for testing, chosen by the SHA-256 of their names. See gaofen.py for what is unlabelled.
"""

from saticl.datasets.gaofen import NIRRGB, SCENE, GaofenDataset, channels
from saticl.datasets.pairs import BELOW, IMAGE, MASK, RASTER, table
from saticl.geo.palette import IndexPalette

TREE = """\
  Image__8bit_NirRGB/GF2_PMS1__L1A0000564539-MSS1.tif      (--channels nirrgb)
  Image_16bit_BGRNir/GF2_PMS1__L1A0000564539-MSS1.tiff      (--channels bgrnir)
  Annotation__index/GF2_PMS1__L1A0000564539-MSS1_24label.png"""

KINDS = {
    "nirrgb": (r"image_+8bit_nirrgb/" + BELOW + SCENE + RASTER, NIRRGB),
    "bgrnir": (r"image_+16bit_bgrnir/" + BELOW + SCENE + RASTER, ("blue", "green", "red", "nir")),
}
PATTERNS = {IMAGE: (KINDS["nirrgb"][0],), MASK: (r"annotation_+index/" + BELOW + SCENE + "_24label" + RASTER,)}


class FiveBillionPixels(GaofenDataset):
    """The adapter; ids are the names of the scenes."""

    name = "five_billion_pixels"
    summary = "Five-Billion-Pixels: 150 Gaofen-2 scenes of 6800 x 7200 at 4 m, NIR and RGB, 8 or 16 bits, 24 classes"
    licence = "academic use only"
    citation = "Tong et al., ISPRS Journal of Photogrammetry and Remote Sensing 196, 2023"
    classes = table(
        ("industrial_area", (200, 0, 0)),
        ("paddy_field", (0, 200, 0)),
        ("irrigated_field", (150, 250, 0)),
        ("dry_cropland", (150, 200, 150)),
        ("garden_land", (200, 0, 200)),
        ("arbor_forest", (150, 0, 250)),
        ("shrub_forest", (150, 150, 250)),
        ("park", (200, 150, 200)),
        ("natural_meadow", (250, 200, 0)),
        ("artificial_meadow", (200, 200, 0)),
        ("river", (0, 0, 200)),
        ("urban_residential", (250, 0, 150)),
        ("lake", (0, 150, 200)),
        ("pond", (0, 200, 250)),
        ("fish_pond", (150, 200, 250)),
        ("snow", (250, 250, 250)),
        ("bare_land", (200, 200, 200)),
        ("rural_residential", (200, 150, 150)),
        ("stadium", (250, 200, 150)),
        ("square", (150, 150, 0)),
        ("road", (250, 150, 150)),
        ("overpass", (250, 150, 0)),
        ("railway_station", (250, 200, 250)),
        ("airport", (200, 150, 0)),
    )
    bands = NIRRGB
    choices = channels(*KINDS)
    tree = TREE
    patterns = PATTERNS
    kinds = KINDS
    palette = IndexPalette(tuple(range(1, 25)), unlabelled=(0,))
