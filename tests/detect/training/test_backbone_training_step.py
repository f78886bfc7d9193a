"""Steps of classification training: the loss by hand, auxiliary classifiers, batch normalisation, shares, resuming."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from labelled_photos import labelled_photos
from tiny_backbone import BATCH, SIZE, TinyBackbone, backbone_fit, backbone_module, backbone_stream
from torch import Tensor, nn

from detect.class_tables import DetectionClass
from detect.training.backbone_samples import ClassSample
from detect.training.backbone_start import start_backbone
from detect.training.backbone_training import classification_loss, see_by_batch
from detect.training.failures import TrainingFailure
from detect.training.labelled_set import LabelledSet
from detect.training.network_pass import TrainingOutputs, freeze, training_outputs
from detect.training.region_samples import TrainingBatch
from detect.training.training_logs import read_metrics

CLASSES = tuple(DetectionClass("", name, (label,)) for label, name in enumerate("abc"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    return labelled_photos(tmp_path_factory.mktemp("photos"), 4)


def batches(photos: LabelledSet, steps: int, rank: int = 0, world: int = 1) -> list[TrainingBatch[ClassSample]]:
    with backbone_stream(photos, steps)(0, rank, world) as found:
        return list(found)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


class TestLoss:
    def test_by_hand(self) -> None:
        """−log of 1/4 and 3/4; an auxiliary classifier that knows nothing: log 2 each."""
        logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]])
        outputs = TrainingOutputs(logits, (torch.zeros(2, 2), torch.zeros(2, 2)), None)
        loss, sums = classification_loss(outputs, torch.tensor([0, 1]), 0.3)
        classes, auxiliary = math.log(4) + math.log(4 / 3), 4 * math.log(2)
        assert sums.tolist() == pytest.approx([classes, auxiliary, 1, 2])
        assert float(loss) == pytest.approx(classes + 0.3 * auxiliary)

    def test_without_auxiliary_classifiers(self) -> None:
        logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        labels = torch.tensor([0, 1, 2, 2, 0])
        loss, sums = classification_loss(TrainingOutputs(logits, (), None), labels, 0.3)
        torch.testing.assert_close(loss, F.cross_entropy(logits, labels) * 5)
        assert (sums.dtype, sums.requires_grad, sums[1].item()) == (torch.float64, False, 0.0)


class TestAuxiliary:
    def test_gradient_reaches_the_stem_through_them_alone(self) -> None:
        """Of the real network, the main loss left out: 4a's and 4d's reach conv1, and nothing above 4d."""
        _, network = start_backbone(
            None, CLASSES, architecture="googlenet", size=SIZE, auxiliary=True, seed=0, name="x"
        )
        images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        outputs = training_outputs(
            network,
            images,
            frozen="none",
            slots=torch.arange(2),
            generator_seed=0,
            total_slots=2,
            dropout=0.4,
            auxiliary_dropout=0.0,
        )
        assert len(outputs.auxiliary) == 2
        sum(F.cross_entropy(one, torch.tensor([0, 2])) for one in outputs.auxiliary).backward()
        for stage in network.stages[:8]:
            for module in network.stage_modules(stage):
                gradients = [one.grad for one in module.parameters() if one.grad is not None]
                assert any(float(one.abs().sum()) > 0 for one in gradients), stage
        above = [*network.stage_modules("4e"), network.classifier]
        assert all(one.grad is None for module in above for one in module.parameters())

    def test_with_weight_0_training_is_what_it_is_without_them(self, photos: LabelledSet, tmp_path: Path) -> None:
        modules = [
            backbone_module(TinyBackbone(auxiliary=wanted), auxiliary=0.0, batch_statistics=True)
            for wanted in (True, False)
        ]
        for module, name in zip(modules, ("with", "without"), strict=True):
            backbone_fit(module, photos, tmp_path / name, steps=6)
        ours, theirs = (one.averaged_state() for one in modules)
        assert [name for name in ours if name.startswith("auxiliary_one.")]
        assert same({name: ours[name] for name in theirs}, theirs)
        weights, others = (dict(one.network.named_parameters()) for one in modules)
        assert all(torch.equal(weights[name], value) for name, value in others.items())

    def test_with_another_weight_it_is_not(self, photos: LabelledSet, tmp_path: Path) -> None:
        states = []
        for weight in (0.0, 0.3):
            module = backbone_module(TinyBackbone(auxiliary=True), auxiliary=weight)
            backbone_fit(module, photos, tmp_path / str(weight), steps=1)
            states.append(module.network.state_dict())
        assert not torch.equal(states[0]["one.weight"], states[1]["one.weight"])
        assert torch.equal(states[0]["two.weight"], states[1]["two.weight"]), "which the head does not see"


class TestBatchNormalisation:
    def test_by_the_batch_or_by_what_is_stored(self) -> None:
        network = TinyBackbone(auxiliary=False)
        freeze(network, "none")
        images = torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 3 + 1
        see_by_batch(network, False)
        plain = network.norm(network.one(images))
        assert torch.equal(network.norm.running_mean, torch.zeros(8))
        see_by_batch(network, True)
        by_batch = network.norm(network.one(images))
        torch.testing.assert_close(by_batch.mean(dim=(0, 2, 3)), torch.zeros(8), atol=1e-5, rtol=0)
        assert not torch.allclose(plain, by_batch)
        assert float(network.norm.running_mean.abs().sum()) > 0

    def test_frozen_stages_keep_theirs(self) -> None:
        network = TinyBackbone(auxiliary=False)
        freeze(network, "one")
        see_by_batch(network, True)
        assert not network.norm.training

    @pytest.mark.parametrize("wanted", [True, False])
    def test_statistics_are_averaged_where_they_change(self, photos: LabelledSet, tmp_path: Path, wanted: bool) -> None:
        network = TinyBackbone(auxiliary=False)
        module = backbone_module(network, batch_statistics=wanted)
        backbone_fit(module, photos, tmp_path, steps=3)
        averaged, newest = module.averaged_state()["norm.running_mean"], network.norm.running_mean
        assert torch.equal(newest, torch.zeros(8)) != wanted
        assert torch.equal(averaged, newest) != wanted

    def test_one_image_alone_has_no_statistics(self, photos: LabelledSet, tmp_path: Path) -> None:
        module = backbone_module(TinyBackbone(auxiliary=False), batch_statistics=True)
        (batch,) = batches(photos, 1)
        loss, _ = module.batch_loss(dataclasses.replace(batch, samples=batch.samples[:1]))
        assert loss is not None
        assert not module.network.norm.training


class TestShares:
    def test_two_processes_have_the_gradient_of_one(self, photos: LabelledSet) -> None:
        """Their losses are summed: so are what they are of the images, dropout and all."""
        gradients = []
        for world in (1, 2):
            module = backbone_module(TinyBackbone(auxiliary=True))
            for rank in range(world):
                loss, _ = module.batch_loss(batches(photos, 2, rank, world)[1])
                assert loss is not None
                loss.backward()
            gradients.append([one.grad for one in module.network.parameters()])
        for one, two in zip(*gradients, strict=True):
            torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)

    def test_an_empty_share(self) -> None:
        loss, sums = backbone_module(TinyBackbone(auxiliary=True)).batch_loss(TrainingBatch(0, 0, ()))
        assert loss is None
        assert sums.tolist() == [0, 0, 0, 0]


class TestRuns:
    def test_it_learns_and_says_so(self, photos: LabelledSet, tmp_path: Path) -> None:
        module = backbone_module(
            TinyBackbone(auxiliary=True), dropout=0.0, auxiliary_dropout=0.0, batch_statistics=True
        )
        backbone_fit(module, photos, tmp_path, steps=40)
        rows = read_metrics(tmp_path / "logs" / "metrics.csv")
        for row in rows:
            assert row["loss"] == pytest.approx(row["class_loss"] + 0.3 * row["auxiliary_loss"], rel=1e-5)
            assert row["images"] == BATCH
            assert row["images_per_second"] > 0
        first, last = ([row["training_accuracy"] for row in part] for part in (rows[:10], rows[-10:]))
        assert sum(last) > sum(first)
        assert sum(last) > 7

    def test_stopped_and_resumed_it_ends_with_the_same_bits(self, photos: LabelledSet, tmp_path: Path) -> None:
        whole, first, second = (backbone_module(TinyBackbone(auxiliary=True), batch_statistics=True) for _ in range(3))
        backbone_fit(whole, photos, tmp_path / "whole", steps=7)
        backbone_fit(first, photos, tmp_path / "parts", steps=3)
        assert backbone_fit(second, photos, tmp_path / "parts", steps=7).finished
        assert same(whole.averaged_state(), second.averaged_state())
        assert same(whole.network.state_dict(), second.network.state_dict())
        assert not same(whole.network.state_dict(), first.network.state_dict())

    def test_a_broken_image_is_kept_in_mind_and_the_run_goes_on(self, photos: LabelledSet, tmp_path: Path) -> None:
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"nothing")
        some = dataclasses.replace(photos, images=(broken, *photos.images[1:]))
        module = backbone_module(TinyBackbone(auxiliary=False))
        assert backbone_fit(module, some, tmp_path, steps=3).finished
        assert set(module.unreadable) == {broken}
        images = [row["images"] for row in read_metrics(tmp_path / "logs" / "metrics.csv")]
        assert sorted(images) == [BATCH - 1, BATCH, BATCH], "three batches are one epoch"

    def test_what_is_not_finite_stops_it(self, photos: LabelledSet, tmp_path: Path) -> None:
        network = TinyBackbone(auxiliary=False)
        nn.init.constant_(network.two.weight, math.nan)
        with pytest.raises(TrainingFailure, match=r"the loss of step 0 is not finite; the batch's files: .*\.png"):
            backbone_fit(backbone_module(network), photos, tmp_path, steps=1)
