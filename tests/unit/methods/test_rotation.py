import pytest
import torch

from saticl.losses import feature_mse
from saticl.methods.base import Method, Network
from saticl.methods.criterion import build_criterion
from saticl.methods.finetuning import FineTuning
from saticl.methods.mib import MiB
from saticl.methods.rotation import Rotated, draw_turn
from saticl.options import AugOptions, CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.transforms import Dihedral
from saticl.types import Batch, Terms
from tests.toy import ToySegmenter

TASK = Task(("a", "b"), Protocol("toy", (("a",), ("b",))), 1)
BOTH = AugOptions(factor=0.3, factor_icl=0.7)


def setting(pointwise: bool) -> tuple[ToySegmenter, ToySegmenter, Batch]:
    torch.manual_seed(0)
    student, teacher = ToySegmenter((2, 1), pointwise=pointwise), ToySegmenter((2,), pointwise=pointwise)
    labels = torch.randint(0, 3, (2, 8, 8))
    return student, teacher, Batch(torch.randn(2, 3, 8, 8), labels.where(labels != 1, 0))


def method() -> Method:
    return MiB(TASK, build_criterion(CEOptions()), KDOptions(decoder_factor=10.0))


def test_an_equivariant_student_has_no_rotation_loss() -> None:
    student, teacher, batch = setting(pointwise=True)

    terms = Rotated(method(), BOTH).terms(batch, student, teacher, torch.Generator().manual_seed(0))

    assert terms["rotation"].item() == pytest.approx(0, abs=1e-12)
    assert terms["rotation_kd"].item() > 0


def test_both_terms_are_the_published_ones() -> None:
    student, teacher, batch = setting(pointwise=False)
    turn = draw_turn(BOTH, torch.Generator().manual_seed(5))

    terms = Rotated(method(), BOTH).terms(batch, student, teacher, torch.Generator().manual_seed(5))

    turned = student(turn(batch.image)).pixels
    torch.testing.assert_close(terms["rotation"], 0.3 * feature_mse(turn(student(batch.image).pixels), turned))
    torch.testing.assert_close(terms["rotation_kd"], 0.7 * feature_mse(turned, turn(teacher(batch.image).pixels)))


def test_labels_see_both_views_and_distillation_the_unturned_one() -> None:
    student, teacher, batch = setting(pointwise=False)
    wrapped = method()
    turn = draw_turn(BOTH, torch.Generator().manual_seed(5))

    terms = Rotated(wrapped, BOTH).terms(batch, student, teacher, torch.Generator().manual_seed(5))

    new, old = student(batch.image), teacher(batch.image)
    turned = student(turn(batch.image))
    expected_ce = (
        wrapped.supervision(new, old.logits, batch.target)["ce"]
        + wrapped.supervision(turned, turn(old.logits), turn.mask(batch.target))["ce"]
    ) / 2
    torch.testing.assert_close(terms["ce"], expected_ce)
    torch.testing.assert_close(terms["kd"], wrapped.distillation(new, old, batch.target)["kd"])


def test_the_teacher_never_sees_a_turned_image() -> None:
    student, teacher, batch = setting(pointwise=False)
    seen = []
    teacher.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))

    Rotated(method(), BOTH).terms(batch, student, teacher, torch.Generator().manual_seed(0))

    assert len(seen) == 1
    assert seen[0] is batch.image


def test_at_step_0_only_the_student_is_compared_with_itself() -> None:
    student, _, batch = setting(pointwise=False)
    first = MiB(TASK.at(0), build_criterion(CEOptions()), KDOptions())

    terms = Rotated(first, BOTH).terms(batch, student, None, torch.Generator().manual_seed(0))

    assert set(terms) == {"ce", "rotation"}


@pytest.mark.parametrize(("flip", "count"), [(True, 7), (False, 3)])
def test_every_symmetry_but_the_identity_is_drawn(flip: bool, count: int) -> None:
    generator = torch.Generator().manual_seed(0)

    drawn = {draw_turn(AugOptions(flip=flip), generator) for _ in range(300)}

    assert len(drawn) == count
    assert Dihedral() not in drawn


def test_whole_angles_and_mirrors_come_from_the_given_generator() -> None:
    options = AugOptions(fixed_angles=False, flip=True)

    def drawn(seed: int) -> list[object]:
        generator = torch.Generator().manual_seed(seed)
        return [draw_turn(options, generator) for _ in range(30)]

    torch.manual_seed(0)
    first = drawn(3)
    assert first == drawn(3)
    assert first != drawn(4)


def test_a_method_with_terms_of_its_own_sees_the_unturned_batch_and_both_networks() -> None:
    class Own(FineTuning):
        def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
            assert teacher is not None
            new, old = student(batch.image), teacher(batch.image)
            return {"own": (new.logits[:, 0] - old.logits[:, 0])[batch.target == 0].square().mean()}

    student, teacher, batch = setting(pointwise=False)
    own = Own(TASK, build_criterion(CEOptions()), KDOptions())

    terms = Rotated(own, BOTH).terms(batch, student, teacher, torch.Generator().manual_seed(0))

    expected = own.terms(batch, student, teacher, torch.Generator())["own"]
    torch.testing.assert_close(terms["own"], expected)
    assert set(terms) == {"own", "rotation", "rotation_kd"}


@pytest.mark.parametrize(("factor_icl", "asked"), [(0.0, 0), (0.5, 1)])
def test_a_teacher_that_no_term_needs_is_not_run(factor_icl: float, asked: int) -> None:
    student, teacher, batch = setting(pointwise=False)
    seen = []
    teacher.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    tuning = FineTuning(TASK, build_criterion(CEOptions()), KDOptions())

    tuning.terms(batch, student, teacher, torch.Generator())
    options = AugOptions(factor=0.1, factor_icl=factor_icl)
    Rotated(tuning, options).terms(batch, student, teacher, torch.Generator().manual_seed(0))

    assert len(seen) == asked
