"""How well a box fits: what is computed of cells and features, in which type, and what becomes of it in a detector."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from detect.cell_head import SCALE
from detect.googlenet import GoogLeNet
from detect.model_file import Model, ModelFileError, build_network, bvlc_info, load_model, save_model
from detect.model_info import ModelInfo
from detect.multibox_trunk import GoogLeNetTrunk
from detect.region_classifier import ClassifiedRegions, RegionClassifier
from detect.region_fit import RegionFit


@pytest.fixture
def fit() -> RegionFit:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = RegionFit(832, 7, 1024)
        torch.nn.init.normal_(made.output.weight, std=0.1)
    return made.requires_grad_(False)


def read(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Cells and features."""
    generator = torch.Generator().manual_seed(seed)
    cells = 8 * torch.randn(count, 832, 7, 7, generator=generator).abs()
    return cells, torch.rand(count, 1024, generator=generator)


def test_it_is_a_convolution_and_two_layers_on_all_cells_and_the_features(fit: RegionFit) -> None:
    cells, features = read(3)
    weight, bias = fit.reduce.weight[:, :, 0, 0], fit.reduce.bias
    reduced = torch.einsum("nchw,oc->nohw", SCALE * cells, weight) + bias[None, :, None, None]  # type: ignore[index]
    both = torch.cat([F.relu(reduced).reshape(3, -1), features], dim=1)
    hidden = F.relu(both @ fit.hidden.weight.T + fit.hidden.bias)
    torch.testing.assert_close(fit.hidden_of(cells, features), hidden, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fit(cells, features), hidden @ fit.output.weight[0], rtol=1e-4, atol=1e-4)
    nhwc = cells.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(fit(nhwc, features), fit(cells, features))


def test_places_and_features_both_matter(fit: RegionFit) -> None:
    cells, features = read(1)
    assert (fit(cells, features) - fit(cells.flip(3), features)).abs() > 1e-2
    assert (fit(cells, features) - fit(cells, features.flip(1))).abs() > 1e-3


def test_no_regions_and_other_sizes(fit: RegionFit) -> None:
    assert fit(*read(0)).shape == (0,)
    cells, features = read(2)
    with pytest.raises(ValueError, match=re.escape("got (2, 832, 6, 7) and (2, 1024)")):
        fit(cells[:, :, 1:], features)
    with pytest.raises(
        ValueError, match=re.escape("expected (N, 832, 7, 7) and (N, 1024), got (2, 832, 7, 7) and (1,")
    ):
        fit(cells, features[:1])


def test_it_starts_without_an_opinion_and_leaves_other_random_numbers_alone() -> None:
    networks = []
    for fitting in (False, True):
        torch.manual_seed(3)
        networks.append(build_network(described(fit=fitting)))
    before, after = (network.state_dict() for network in networks)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert networks[0].region_fit is None
    made = networks[1].region_fit
    assert made is not None
    assert made(*read(2)).tolist() == [0, 0]
    assert made.hidden_of(*read(2)).any()


def test_under_autocast_the_convolution_alone_is_rounded(fit: RegionFit) -> None:
    cells, features = read(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = fit(cells.bfloat16(), features)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, fit(cells, features), rtol=3e-2, atol=3e-2)


def described(box_regression: str = "cells", *, fit: bool = True) -> ModelInfo:
    return dataclasses.replace(bvlc_info(), box_regression=box_regression, fit=fit)


def model_with(fit: RegionFit, box_regression: str) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(described(box_regression)).eval()
    network.region_fit = fit
    return Model(described(box_regression), network, "")


def classified(model: Model, *, box_regression: bool = True, precision: str = "fp32") -> ClassifiedRegions:
    maps = F.relu(torch.randn(5, 832, 14, 14, generator=torch.Generator().manual_seed(1)))
    classifier = RegionClassifier(model, device="cpu", precision=precision, box_regression=box_regression)
    return classifier.classify_maps(maps)


def without_fit(model: Model) -> Model:
    network = build_network(dataclasses.replace(model.info, fit=False)).eval()
    network.load_state_dict({k: v for k, v in model.network.state_dict().items() if not k.startswith("region_fit")})
    return Model(dataclasses.replace(model.info, fit=False), network, "")


@pytest.mark.parametrize("box_regression", ["cells", "agnostic", "none"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 3e-2)])
def test_it_is_said_of_every_region(fit: RegionFit, box_regression: str, precision: str, tolerance: float) -> None:
    model = model_with(fit, box_regression)
    maps = F.relu(torch.randn(5, 832, 14, 14, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        cells = model.network.cells(maps)
        expected = torch.sigmoid(fit(cells, model.network.features(cells)))
    assert expected.std() > 1e-3
    plain, found = (classified(one, precision=precision) for one in (without_fit(model), model))
    assert torch.equal(found.probs, plain.probs), "what is in it is another question"
    assert plain.fit is None
    assert found.fit is not None
    torch.testing.assert_close(found.fit, expected, rtol=tolerance, atol=tolerance)
    assert found.fit.dtype == torch.float32


def test_it_is_asked_of_the_boxes_that_it_knows_alone(fit: RegionFit) -> None:
    """Of uncorrected boxes it says nothing where it has learnt of corrected ones."""
    model = model_with(fit, "cells")
    assert classified(model).fit is not None
    assert classified(model, box_regression=False).fit is None
    never = model_with(fit, "none")
    asked, same = classified(never).fit, classified(never, box_regression=False).fit
    assert asked is not None
    assert same is not None
    assert torch.equal(asked, same)


def test_it_is_not_rounded(fit: RegionFit) -> None:
    network = RegionClassifier(model_with(fit, "cells"), device="cpu", precision="bf16").network
    assert network.region_fit is not None
    assert torch.equal(network.region_fit.hidden.weight, fit.hidden.weight)
    assert torch.equal(network.region_fit.output.weight, fit.output.weight)
    assert network.region_fit.reduce.weight.dtype == torch.bfloat16


def test_a_model_file_holds_it(tmp_path: Path, fit: RegionFit) -> None:
    model, path = model_with(fit, "cells"), tmp_path / "x.safetensors"
    save_model(path, model.info, model.network.state_dict())
    loaded = load_model(path)
    assert loaded.info == model.info
    assert loaded.network.region_fit is not None
    assert torch.equal(loaded.network.region_fit.hidden.weight, fit.hidden.weight)
    plain = without_fit(model)
    assert '"fit"' not in plain.info.to_json(), "headers of before there was any"
    assert ModelInfo.from_json(plain.info.to_json()) == plain.info
    save_model(path, model.info, plain.network.state_dict())
    with pytest.raises(ModelFileError, match=r"weights do not fit googlenet: Missing key.*region_fit"):
        load_model(path)


def test_a_region_with_a_box_for_each_class_has_no_fit() -> None:
    with pytest.raises(ValueError, match="fit: expected false with box_regression per_class"):
        described("per_class")
    with pytest.raises(ValueError, match="fit: expected true or false, got 'no'"):
        dataclasses.replace(described(), fit="no")  # type: ignore[arg-type]


def test_multibox_leaves_it_out() -> None:
    network = build_network(described())
    assert isinstance(network, GoogLeNet)
    assert not [name for name in GoogLeNetTrunk(network).state_dict() if "region_fit" in name]
    assert network.region_fit is not None
