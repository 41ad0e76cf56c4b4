"""What decoders do, in a line each; torch is not needed to read it."""

from collections.abc import Mapping

DECODERS: Mapping[str, str] = {
    "unet": "all maps from deep to shallow, side by side; as fine as the finest map",
    "unet-smp": "the U-Net of segmentation_models_pytorch, for imported models; as fine as the image",
    "deeplabv3": "the deepest map at several reaches, as in MiB, PLOP and LGKD; best with --model.output-stride 16",
    "deeplabv3-aspp": "deeplabv3 as published, as in torchvision, SSUL and DKD; best with --model.output-stride 16",
    "deeplabv3plus": "deeplabv3-aspp refined by a finer map; best with --model.output-stride 16",
    "fpn": "maps added from deep to shallow, each brought to the finest by convolutions",
    "upernet": "a feature pyramid that also knows the means of the image and of its parts",
    "segformer": "all maps at one size, mixed by a single layer",
    "erfnet": "the deepest map, doubled three times; with --model.encoder erfnet the network of CIL",
}
"""By the name that `--model.decoder` takes."""
