import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from saticl.losses import distillation, label_guided_distillation, unbiased_distillation, unlabelled_distillation
from tests.reference import losses as reference
from tests.strategies import IGNORE, StepCase, step_cases

alphas = st.sampled_from([0.5, 1.0, 2.0])


def expected(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def entropy_per_class(logits: Tensor) -> Tensor:
    """Mean over pixels of the entropy in nats, divided by the number of classes."""
    return torch.special.entr(logits.softmax(1)).mean()


@given(step_cases(), alphas)
def test_distillation_is_the_equation(case: StepCase, alpha: float) -> None:
    loss = distillation(case.logits, case.old_logits, alpha)

    assert_close(loss, expected(reference.distillation(case.logits, case.old_logits, alpha)))


@given(step_cases(), alphas)
def test_unbiased_distillation_is_the_equation(case: StepCase, alpha: float) -> None:
    loss = unbiased_distillation(case.logits, case.old_logits, alpha)

    assert_close(loss, expected(reference.unbiased_distillation(case.logits, case.old_logits, alpha)))


@given(step_cases(), st.sampled_from([0.0, 1.0, 10.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_label_guided_distillation_is_the_equation(case: StepCase, previous: float, novel: float) -> None:
    loss = label_guided_distillation(case.logits, case.old_logits, case.target, previous, novel)

    want = reference.label_guided_distillation(case.logits, case.old_logits, case.target, previous, novel)
    assert_close(loss, expected(want))


@given(step_cases(), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from([1.0, 2.0]))
def test_unlabelled_distillation_is_the_equation(case: StepCase, entropy_weight: float, temperature: float) -> None:
    arguments = (case.logits, case.old_logits, case.target, entropy_weight, temperature)

    assert_close(unlabelled_distillation(*arguments), expected(reference.unlabelled_distillation(*arguments)))


@given(step_cases())
def test_distillation_is_minimal_where_student_and_teacher_agree_on_old_classes(case: StepCase) -> None:
    agreeing = torch.cat([case.old_logits, case.logits[:, case.num_old :]], dim=1).requires_grad_()

    loss = distillation(agreeing, case.old_logits)
    loss.backward()

    assert_close(loss, entropy_per_class(case.old_logits))
    assert_close(agreeing.grad, torch.zeros_like(agreeing))
    assert distillation(case.logits, case.old_logits) >= loss - 1e-12


@given(step_cases())
def test_unbiased_distillation_is_minimal_where_new_classes_are_impossible_and_old_ones_agree(case: StepCase) -> None:
    impossible = torch.full_like(case.logits[:, case.num_old :], -torch.inf)
    agreeing = torch.cat([case.old_logits, impossible], dim=1).requires_grad_()

    loss = unbiased_distillation(agreeing, case.old_logits)
    loss.backward()

    assert_close(loss, entropy_per_class(case.old_logits))
    assert_close(agreeing.grad, torch.zeros_like(agreeing))


@given(step_cases())
def test_unbiased_distillation_does_not_mind_new_classes_taking_from_the_background(case: StepCase) -> None:
    """MiB's classifier initialisation: background shared in equal parts with the new classes."""
    num_new = case.logits.shape[1] - case.num_old
    share = case.old_logits[:, :1] - torch.log(torch.tensor(num_new + 1.0, dtype=torch.float64))
    shared = torch.cat([share, case.old_logits[:, 1:], share.expand(-1, num_new, -1, -1)], dim=1)

    assert_close(unbiased_distillation(shared, case.old_logits), entropy_per_class(case.old_logits))


@given(step_cases(), st.floats(-5, 5))
def test_distillation_does_not_see_new_scores(case: StepCase, constant: float) -> None:
    moved = case.logits.clone()
    moved[:, case.num_old :] += constant

    assert_close(distillation(moved, case.old_logits), distillation(case.logits, case.old_logits))


@given(step_cases())
def test_distillation_of_unlabelled_pixels_pushes_new_classes_down(case: StepCase) -> None:
    unlabelled = torch.full_like(case.target, IGNORE)
    moved = case.logits.clone()
    moved[:, case.num_old :] += 1

    before = unlabelled_distillation(case.logits, case.old_logits, unlabelled)

    assert unlabelled_distillation(moved, case.old_logits, unlabelled) > before


@given(step_cases())
def test_unbiased_distillation_is_the_plain_one_when_no_class_was_added(case: StepCase) -> None:
    student = case.logits[:, : case.num_old]

    assert_close(unbiased_distillation(student, case.old_logits), distillation(student, case.old_logits))


@given(step_cases())
def test_label_guided_targets_are_distributions_that_hand_background_to_a_new_label(case: StepCase) -> None:
    """The gradient of cross entropy is (q - t) / N: it shows the targets."""
    labelled = case.target != IGNORE
    logits = case.logits.clone().requires_grad_()
    label_guided_distillation(logits, case.old_logits, case.target).backward()

    wanted = (case.logits.softmax(1) - logits.grad * labelled.sum()).permute(0, 2, 3, 1)[labelled]
    teacher = case.old_logits.softmax(1).permute(0, 2, 3, 1)[labelled]
    labels = case.target[labelled]
    novel = labels >= case.num_old

    assert_close(wanted.sum(1), torch.ones(len(wanted), dtype=torch.float64))
    assert_close(wanted[novel, 0], torch.zeros(int(novel.sum()), dtype=torch.float64))
    assert_close(wanted[novel, labels[novel]], teacher[novel, 0])
    assert_close(wanted[~novel][:, : case.num_old], teacher[~novel])


def test_a_teacher_that_is_certain_gives_a_finite_loss() -> None:
    certain = torch.tensor([500.0, -500.0]).view(1, 2, 1, 1)
    logits = torch.zeros(1, 3, 1, 1, requires_grad=True)
    unlabelled = torch.full((1, 1, 1), IGNORE)

    loss = unlabelled_distillation(logits, certain, unlabelled)
    loss.backward()

    assert_close(loss, torch.tensor(3.0).log())
    assert logits.grad.isfinite().all()
