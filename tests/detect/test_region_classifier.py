from __future__ import annotations

import copy
import dataclasses
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.model_file import Model, bvlc_info, torchvision_info
from detect.region_classifier import RegionClassifier
from detect.zero_shot_head import ZeroShotHead


def random(n: int, side: int = 32, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 60


@pytest.fixture(scope="module", params=["googlenet", "googlenet_bn"])
def model(request: pytest.FixtureRequest) -> Model:
    """Untrained, with a classifier that makes of the small differences between regions logits of deviation 2."""
    torch.manual_seed(0)
    network = GoogLeNet(1000) if request.param == "googlenet" else GoogLeNetBN(1000)
    if isinstance(network, GoogLeNetBN):  # as torchvision starts it, nothing of the image reaches the end
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
    layer = network.eval().classifier
    with torch.no_grad():
        features = network.tail(network.stem_to_4e(random(4, seed=1)))
        torch.nn.init.normal_(layer.weight)
        layer.weight *= 2 / ((features - features.mean(0)) @ layer.weight.T).std()
        layer.bias.copy_(-(layer.weight @ features.mean(0)))
    info = bvlc_info() if request.param == "googlenet" else torchvision_info()
    return Model(dataclasses.replace(info, background_logit=None), network, "0" * 64)


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def classifier(request: pytest.FixtureRequest, model: Model) -> RegionClassifier:
    return RegionClassifier(model, device="cpu", precision=request.param)


def test_the_network_then_the_head(model: Model) -> None:
    regions = random(3)
    before = regions.clone()
    probs = RegionClassifier(model, device="cpu", precision="fp32")(regions)
    with torch.inference_mode():
        expected = ZeroShotHead(model.info.classes, 1000)(model.network(regions))
    torch.testing.assert_close(probs, expected, rtol=1e-3, atol=1e-6)
    assert probs.shape == (3, 200)
    assert probs.max() > 0.02, "not all the same"
    assert torch.equal(regions, before)


def test_the_background_of_the_model_is_used(model: Model) -> None:
    """A background output far above all others takes everything."""
    info = dataclasses.replace(model.info, background_logit=1000.0)
    classifier = RegionClassifier(Model(info, model.network, ""), device="cpu", precision="fp32")
    assert classifier(random(2)).max() < 1e-6


def test_float32_probabilities_whatever_goes_in(classifier: RegionClassifier) -> None:
    regions = random(2)
    probs = classifier(regions)
    assert probs.dtype == torch.float32
    assert ((probs >= 0) & (probs <= 1 + 1e-6)).all()
    assert (probs.sum(1) <= 1 + 1e-5).all()
    last = regions.to(memory_format=torch.channels_last)
    torch.testing.assert_close(classifier(last), probs, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(classifier(regions.double()), probs, rtol=1e-3, atol=1e-5)
    assert not probs.requires_grad


@pytest.mark.parametrize("batch", [1, 3])
def test_a_region_has_the_same_probabilities_in_any_batch(classifier: RegionClassifier, batch: int) -> None:
    """Not to the last bit: matrix products sum in another order for another number of rows. Measured: 5e-7."""
    regions = random(5)
    together = classifier(regions)
    apart = torch.cat([classifier(part) for part in regions.split(batch)])
    assert (apart - together).abs().max().item() < (1e-5 if classifier.dtype == torch.float32 else 5e-3)
    assert (together - together.flip(0)).abs().max().item() > 5e-3, "regions differ by more"


def test_the_same_batch_twice_gives_the_same_bits(classifier: RegionClassifier) -> None:
    assert torch.equal(classifier(random(4)), classifier(random(4)))


def test_no_regions(classifier: RegionClassifier) -> None:
    probs = classifier(torch.zeros(0, 3, 224, 224))
    assert probs.shape == (0, 200)
    assert probs.dtype == torch.float32


def test_bfloat16_is_close_to_float32(model: Model) -> None:
    exact, rough = (RegionClassifier(model, device="cpu", precision=p) for p in ("fp32", "bf16"))
    assert next(rough.network.parameters()).dtype == torch.bfloat16
    assert rough.network.classifier.weight.dtype == torch.float32
    # The classifier of this test blows small differences up, rounding too; tests of the networks are stricter.
    logits = exact.logits(random(4))
    assert 0 < (rough.logits(random(4)) - logits).square().mean().sqrt() < 0.25 * logits.std()


def test_the_model_is_copied_not_changed(model: Model) -> None:
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    classifier = RegionClassifier(model, device="cpu", precision="bf16")
    classifier(random(2))
    after = model.network.state_dict()
    assert all(torch.equal(after[name], before[name]) and after[name].dtype == before[name].dtype for name in before)
    assert all(p.requires_grad for p in model.network.parameters())
    assert not any(p.requires_grad for p in classifier.network.parameters())
    assert classifier.network.classifier.weight.data_ptr() != model.network.classifier.weight.data_ptr()


def test_a_network_in_training_mode_is_used_in_evaluation_mode(model: Model) -> None:
    model.network.train()
    try:
        classifier = RegionClassifier(model, device="cpu", precision="fp32")
        assert torch.equal(classifier(random(2)), classifier(random(2))), "dropout is off"
        assert model.network.training
    finally:
        model.network.eval()


def test_settings(model: Model) -> None:
    classifier = RegionClassifier(model, device="cpu")
    assert (classifier.info, classifier.sha256) == (model.info, model.sha256)
    assert classifier.device == torch.device("cpu")
    with pytest.raises(ValueError, match="device: expected auto, cpu, cuda"):
        RegionClassifier(model, device="tpu")
    with pytest.raises(ValueError, match="precision: expected auto, fp32 or bf16, got 'int8'"):
        RegionClassifier(model, device="cpu", precision="int8")


def test_statistics_of_batch_norm_stay_float32_in_bfloat16() -> None:
    classifier = RegionClassifier(Model(torchvision_info(), GoogLeNetBN(), "0" * 64), precision="bf16")
    norms = [m for m in classifier.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 57
    assert all(m.weight.dtype == m.running_var.dtype == torch.float32 for m in norms if m.running_var is not None)
    assert all(m.weight.dtype == torch.bfloat16 for m in classifier.network.modules() if isinstance(m, torch.nn.Conv2d))
    assert torch.isfinite(classifier(random(2))).all()


@pytest.fixture(scope="module")
def regressing(model: Model) -> Model:
    """The model with a box regressor of random weights."""
    network = copy.deepcopy(model.network)
    network.box_regressor = torch.nn.Linear(1024, 4)
    return Model(dataclasses.replace(model.info, box_regression="agnostic"), network, model.sha256)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 0.1)])
def test_box_regression_reads_the_same_features(regressing: Model, precision: str, tolerance: float) -> None:
    classifier = RegionClassifier(regressing, device="cpu", precision=precision)
    assert classifier.regresses_boxes
    found = classifier.classify(random(3))
    with torch.inference_mode():
        network = regressing.network
        assert network.box_regressor is not None
        expected = network.box_regressor(network.tail(network.stem_to_4e(random(3))))
    assert found.deltas is not None
    assert found.deltas.dtype == torch.float32
    assert (found.deltas - expected).abs().max() < tolerance * expected.abs().max()
    assert torch.equal(found.probs, classifier(random(3)))
    assert classifier.classify(torch.zeros(0, 3, 224, 224)).deltas.shape == (0, 4)  # type: ignore[union-attr]


def test_without_box_regression(model: Model, regressing: Model) -> None:
    plain = RegionClassifier(model, device="cpu", precision="fp32")
    switched_off = RegionClassifier(regressing, device="cpu", precision="fp32", box_regression=False)
    for classifier in (plain, switched_off):
        assert not classifier.regresses_boxes
        assert classifier.classify(random(2)).deltas is None
    assert torch.equal(plain(random(2)), switched_off(random(2)))


def test_a_trained_background_output_is_a_class_of_nothing(model: Model) -> None:
    """A marginal head: outputs that are members of no class are background, the last one among them."""
    network = copy.deepcopy(model.network)
    old = network.classifier
    layer = torch.nn.Linear(1024, 1001)
    with torch.no_grad():
        layer.weight.copy_(torch.cat([old.weight, torch.zeros(1, 1024)]))
        layer.bias.copy_(torch.cat([old.bias, torch.tensor([3.0])]))
    if isinstance(network, GoogLeNetBN):
        network.network.fc = layer
    else:
        network.classifier = layer
    marginal = Model(dataclasses.replace(model.info, head="marginal", num_outputs=1001), network, "")
    zero_shot = Model(dataclasses.replace(model.info, background_logit=3.0), model.network, "")
    one, other = (RegionClassifier(m, device="cpu", precision="fp32")(random(3)) for m in (marginal, zero_shot))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_the_network_passes_under_the_process_wide_switch(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []

    def switch(device: torch.device) -> nullcontext[None]:
        asked.append(device)
        return nullcontext()

    monkeypatch.setattr("detect.region_classifier.exact_cudnn", switch)
    RegionClassifier(model, device="cpu")(random(1))
    assert asked == [torch.device("cpu")] * 2  # the stem and the tail
