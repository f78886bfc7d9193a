"""The start network's answers: whom it is asked about, what it says, and what the learner makes of it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from shared_samples import picture
from tiny_training import OUTPUTS, TinyOutputs, tiny_objective, tiny_upload

from detect.class_tables import DetectionClass
from detect.googlenet import GoogLeNet
from detect.input_format import BVLC_INPUT
from detect.model_file import Model
from detect.model_info import ModelInfo, Provenance
from detect.region_classifier import RegionClassifier
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.distillation import (
    Teacher,
    check_teacher,
    classification_outputs,
    distillation_loss,
    trusted_weights,
    upload_and_ask,
)
from detect.training.region_samples import Answers, Distortion, RegionBatch, TrainingBatch

ASKED = np.array([False, False, True, True])  # background, and what may be background
CPU = torch.device("cpu")


def model(head: str = "zero_shot", outputs: int = 6, **changes: Any) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = GoogLeNet(outputs).eval()
    classes = tuple(DetectionClass(f"n{label}", f"class {label}", (label,)) for label in range(2))
    info = ModelInfo(
        name="teacher",
        architecture="googlenet",
        num_outputs=outputs,
        input=BVLC_INPUT,
        classes=classes,
        provenance=Provenance(source="random", data="", licence=""),
        head=head,
    )
    return Model(dataclasses.replace(info, **changes), network, "")


def teacher(**changes: Any) -> Teacher:
    given: dict[str, Any] = {
        "model": model(),
        "asked": ASKED,
        "regions": 2,
        "temperature": 2.0,
        "precision": "fp32",
    }
    return Teacher(**given | changes)


def batch(*samples: Any) -> TrainingBatch:
    return TrainingBatch(0, 0, samples)


def with_targets(sample: Any, targets: list[int]) -> Any:
    regions = dataclasses.replace(sample.regions, targets=np.array(targets, np.int64))
    return dataclasses.replace(sample, regions=regions)


def test_the_first_regions_without_a_class_of_each_image_are_asked_about() -> None:
    first, second = with_targets(picture(0, 5), [0, 2, 1, 3, 2]), with_targets(picture(1, 3), [0, 1, 2])
    one = teacher()
    assert one.chosen(first).tolist() == [1, 3]
    answers = one(batch(first, second), CPU)
    assert answers.rows.tolist() == [1, 3, 5 + 2]
    assert answers.probs.shape == (3, 6)
    torch.testing.assert_close(answers.probs.sum(dim=1), torch.ones(3))
    assert not answers.probs.is_inference()


def test_answers_are_those_of_warped_regions_of_the_picture_as_it_is() -> None:
    plain = with_targets(picture(0, 3), [2, 0, 3])
    expected = RegionWarper(plain.image, BVLC_INPUT).regions(plain.regions.boxes[[0, 2]])
    logits = RegionClassifier(model(), device="cpu", precision="fp32").logits(expected)
    answers = teacher()(batch(plain), CPU)
    torch.testing.assert_close(answers.probs, F.softmax(logits / 2, dim=1))
    changed = with_targets(picture(0, 3, mirrored=True, distortion=Distortion(brightness=0.5)), [2, 0, 3])
    assert torch.equal(teacher()(batch(changed), CPU).probs, answers.probs)


@pytest.mark.parametrize("samples", [(), (with_targets(picture(0, 2), [0, 1]),)], ids=["no image", "nothing to ask"])
def test_nobody_asked(samples: tuple[Any, ...]) -> None:
    answers = teacher()(batch(*samples), CPU)
    assert answers.rows.shape == (0,)
    assert answers.probs.shape == (0, 6)
    assert distillation_loss(torch.zeros(2, 7, requires_grad=True), answers).shape == (0,)


def test_a_detector_answers_without_its_background() -> None:
    assert classification_outputs(model("marginal")) == 5
    sample = with_targets(picture(0, 1), [2])
    whole, without = (teacher(model=model(head))(batch(sample), CPU).probs for head in ("zero_shot", "marginal"))
    torch.testing.assert_close(without, whole[:, :5] / whole[:, :5].sum(dim=1, keepdim=True))
    with pytest.raises(ValueError, match="expected a network of classification outputs, got softmax teacher"):
        classification_outputs(model("softmax", 3))


def test_the_loss_by_hand() -> None:
    """(1/4, 3/4) taught to a learner that says (1/2, 1/2), whatever it says of background."""
    rows, probs = torch.tensor([1]), torch.tensor([[0.25, 0.75]])
    expected = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    for background in (-3.0, 5.0):
        logits = torch.tensor([[9.0, 1.0, 0.0], [1.0, 1.0, background]])
        assert distillation_loss(logits, Answers(rows, probs)).tolist() == pytest.approx([expected])
        assert distillation_loss(logits, Answers(rows, probs, 3.0)).tolist() == pytest.approx([9 * expected])


def test_a_learner_that_says_the_same_costs_nothing_and_learns_nothing() -> None:
    logits = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    answers = Answers(torch.tensor([0, 2]), F.softmax(logits[[0, 2], :5].detach() / 2, dim=1), 2.0)
    losses = distillation_loss(logits, answers)
    losses.sum().backward()
    assert logits.grad is not None
    assert losses.detach().tolist() == pytest.approx([0, 0], abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


def test_the_objective_adds_it_with_its_weight() -> None:
    logits = torch.zeros(2, OUTPUTS)
    regions = RegionBatch(
        regions=torch.zeros(2, 3, 6, 6),
        targets=torch.tensor([2, 0]),
        deltas=torch.zeros(2, 4),
        regress=torch.zeros(2, dtype=torch.bool),
        near=torch.zeros(2, dtype=torch.bool),
        slots=torch.arange(2),
    )
    taught = dataclasses.replace(regions, answers=Answers(torch.tensor([0]), torch.tensor([[1.0, 0, 0, 0]])))
    outputs = TinyOutputs(logits, (), None)
    objective = tiny_objective(distillation=0.5)
    plain, sums = objective(outputs, regions)
    more, more_sums = objective(outputs, taught)
    assert sums[3] == 0
    assert more_sums[3].item() == pytest.approx(math.log(4))
    assert (more - plain).item() == pytest.approx(0.5 * math.log(4))


def test_it_comes_with_the_upload() -> None:
    sample = with_targets(picture(0, 2), [0, 2])
    uploaded = upload_and_ask(batch(sample), upload=tiny_upload, teacher=teacher(), device=CPU)
    assert uploaded.answers is not None
    assert uploaded.answers.rows.tolist() == [1]
    assert torch.equal(uploaded.targets, tiny_upload(batch(sample), device=CPU).targets)


def test_regions_have_the_context_that_the_teacher_learnt_with() -> None:
    sample = with_targets(picture(0, 2), [2, 2])
    answers = teacher(model=model(context=0))(batch(sample), CPU)
    warped = RegionWarper(sample.image, BVLC_INPUT, settings=WarpSettings(context=0)).regions(sample.regions.boxes)
    logits = RegionClassifier(model(), device="cpu", precision="fp32").logits(warped)
    torch.testing.assert_close(answers.probs, F.softmax(logits / 2, dim=1))


def test_who_may_teach() -> None:
    learner = model("marginal", 7)
    check_teacher(model(), learner)
    with pytest.raises(ValueError, match="expected 6 classification outputs, as of model, got 5"):
        check_teacher(model("zero_shot", 5), learner)
    with pytest.raises(ValueError, match="trained for warped regions, got teacher, which is for shared ones"):
        check_teacher(model(regions=("shared",)), learner)
    swapped = tuple(dataclasses.replace(one, members=(1 - label,)) for label, one in enumerate(learner.info.classes))
    with pytest.raises(ValueError, match="expected the order of model's outputs, got another for class 0"):
        check_teacher(model(classes=swapped), learner)
    more, *rest = learner.info.classes
    kindred = (dataclasses.replace(more, members=(*more.members, 5)), *rest)
    check_teacher(model(classes=kindred), learner)  # either may count kindred classes among its members
    check_teacher(model(), model("marginal", 7, classes=kindred))


@pytest.mark.parametrize("changes", [{"regions": 0}, {"temperature": 0.0}, {"temperature": -1.0}])
def test_who_asks_nothing_or_at_no_temperature(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected at least 1 region and a temperature above 0, got"):
        teacher(**changes)


def test_answers_belong_to_rows() -> None:
    with pytest.raises(ValueError, match="answers: expected one for each row"):
        Answers(torch.tensor([0, 1]), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="temperature: expected a number above 0, got 0"):
        Answers(torch.tensor([0]), torch.zeros(1, 3), 0)


MEMBERS = torch.tensor(
    [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], dtype=torch.bool
)  # the last: background
SELDOM = torch.tensor([[0.1, 0.1, 0.0, 1, 1], [0.1, 0.1, 0.1, 1, 1], [0.1, 0.1, 0.0, 1, 1]]).log()


def test_an_unannotated_class_that_the_teacher_sees_is_not_called_background() -> None:
    probs = torch.tensor([[0.3, 0.3, 0.05, 0.35], [0.01, 0.02, 0.9, 0.07]])
    answers = Answers(torch.tensor([1, 2]), F.softmax(probs.log() / 3, dim=1), 3.0)
    found = trusted_weights(SELDOM, answers, MEMBERS, 0.5).exp()
    expected = [
        [0.1, 0.1, 0.0, 1, 1],  # nobody was asked
        [0.3, 0.3, 0.1, 1, 1],  # half of 0.6, and no less than before
        [0.1, 0.1, 0.0, 1, 1],  # a class that is annotated there is not there
    ]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert trusted_weights(SELDOM, answers, MEMBERS, 0.0) is SELDOM
    nobody = Answers(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
    assert torch.equal(trusted_weights(SELDOM, nobody, MEMBERS, 1.0), SELDOM)


def test_the_objective_trusts_the_teacher() -> None:
    """Left, which target 3 allows beside background, at a hundredth; the teacher is sure of it."""
    given: dict[str, Any] = {"background": [3], "unannotated": 0.01}
    regions = RegionBatch(
        regions=torch.zeros(1, 3, 6, 6),
        targets=torch.tensor([3]),
        deltas=torch.zeros(1, 4),
        regress=torch.zeros(1, dtype=torch.bool),
        near=torch.zeros(1, dtype=torch.bool),
        slots=torch.arange(1),
        answers=Answers(torch.tensor([0]), torch.tensor([[0.5, 0.5, 0.0, 0.0]])),
    )
    outputs = TinyOutputs(torch.zeros(1, OUTPUTS), (), None)
    for trust, expected in ((0.0, math.log(5 / 2.02)), (0.5, math.log(5 / 3)), (1.0, math.log(5 / 4))):
        loss, _ = tiny_objective(trust=trust, **given)(outputs, regions)
        assert loss.item() == pytest.approx(expected)
