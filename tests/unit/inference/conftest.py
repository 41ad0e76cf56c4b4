"""A trained step for all tests of this folder."""

import pytest

from saticl.engine.checkpoint import save_model
from saticl.inference.predictor import Predictor
from saticl.runs.folder import MODEL_FILE
from tests.trained import info
from tests.unit.inference.test_predictor import segmenter


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """An untrained network that says it has learned building, tree and car."""
    about = info(1, mean=(90.0, 100.0, 110.0), std=(40.0, 50.0, 60.0), ground_size=0.5)
    folder = tmp_path_factory.mktemp("run") / "step-1"
    save_model(folder / MODEL_FILE, segmenter(about).state_dict(), about)
    return Predictor.open(folder)
