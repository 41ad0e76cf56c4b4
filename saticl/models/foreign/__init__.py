"""Networks of other programs: what their names and sizes are, and how their weights become a segmenter.

A new architecture is one file with a class that keeps the promises of `Architecture`, one row in the table, and its
name among the choices of `import --architecture`. What it computes must be a body of `saticl/models/bodies.py`.
"""

from collections.abc import Mapping

from saticl.models.foreign.architecture import Architecture
from saticl.models.foreign.erfnet import ERFNet
from saticl.models.foreign.mib import MiB
from saticl.models.foreign.smp import SMPUNet

ARCHITECTURES: Mapping[str, Architecture] = {"smp-unet": SMPUNet(), "mib": MiB(), "erfnet": ERFNet()}
"""By the name that `--architecture` takes."""
