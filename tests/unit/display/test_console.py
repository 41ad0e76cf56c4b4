"""One epoch in one line."""

from saticl.display.console import epoch_line
from saticl.runs.journal import Validation
from tests.trained import epoch

NAN = float("nan")


def test_an_epoch_without_a_validation_is_loss_and_speed() -> None:
    assert epoch_line(epoch(3)) == "epoch 3  loss 1.000  1.0 img/s"


def test_scores_are_shown_in_percent_and_old_classes_where_there_are_any() -> None:
    first = Validation(miou=0.5, f1=0.6, old_miou=NAN, new_miou=0.5, best=False)
    later = Validation(miou=0.5, f1=0.6, old_miou=0.25, new_miou=0.75, best=True)

    assert epoch_line(epoch(1).model_copy(update={"validation": first})) == (
        "epoch 1  loss 1.000  val mIoU 50.0  1.0 img/s"
    )
    assert epoch_line(epoch(1).model_copy(update={"validation": later})) == (
        "epoch 1  loss 1.000  val mIoU 50.0  (old 25.0, new 75.0)  best  1.0 img/s"
    )


def test_a_step_without_new_classes_shows_no_score_of_them() -> None:
    placed = Validation(miou=0.5, f1=0.6, old_miou=0.5, new_miou=NAN, best=True)

    assert epoch_line(epoch(1).model_copy(update={"validation": placed})) == (
        "epoch 1  loss 1.000  val mIoU 50.0  (old 50.0)  best  1.0 img/s"
    )
