"""MultiBox models as files: there and back, and everything that is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from odd_images import quadrants
from random_model import save_random_model
from random_multibox import CALIBRATION, PRIORS, multibox_info, random_network, random_priors, save_random_multibox
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import Tensor

from detect.googlenet_bn import GoogLeNetBN
from detect.input_format import TORCHVISION_INPUT
from detect.model_file import ModelFileError, file_sha256
from detect.multibox_file import (
    HEADER,
    MultiBoxInfo,
    build_multibox,
    find_multibox_file,
    load_multibox,
    priors_digest,
    read_multibox_file,
    save_multibox,
)
from detect.multibox_trunk import GoogLeNetTrunk
from detect.whole_files import OutputError
from proposals.multibox import MultiBoxSettings
from proposals.multibox_heads import HeadSetting, build_head
from proposals.multibox_network import MultiBoxNetwork
from proposals.multibox_priors import grid_priors


@pytest.fixture(scope="module")
def network() -> MultiBoxNetwork:
    return random_network()


@pytest.fixture(scope="module")
def state(network: MultiBoxNetwork) -> dict[str, Tensor]:
    return network.state_dict()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_multibox(tmp_path_factory.mktemp("model") / "x.safetensors")


INFO = multibox_info(random_priors())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def write(path: Path, header: str, tensors: dict[str, Tensor]) -> Path:
    """A file that says and holds what it should not."""
    path.write_bytes(save(tensors, metadata={HEADER: header}))
    return path


# There and back


@pytest.mark.parametrize(
    "info",
    [
        INFO,
        multibox_info(random_priors(7), merge=None, size=238, architecture="googlenet_bn", input=TORCHVISION_INPUT),
        multibox_info(random_priors(7), head=HeadSetting("convolutional", 16, (7, 3, 1))),
    ],
)
def test_descriptions_there_and_back(info: MultiBoxInfo) -> None:
    text = info.to_json()
    assert "\n" not in text
    assert MultiBoxInfo.from_json(text) == info


def test_there_and_back_in_half_precision_but_for_the_priors(saved: Path, state: dict[str, Tensor]) -> None:
    before = {name: tensor.clone() for name, tensor in state.items()}
    model = load_multibox(saved)
    assert model.info == INFO
    expected = {name: value.half().float() for name, value in state.items()} | {"priors": state["priors"]}
    assert same(model.network.state_dict(), expected)
    assert not same(expected, {name: value.half().float() for name, value in state.items()}), "the priors are no halves"
    assert not any(module.training for module in model.network.modules())
    assert {(p.dtype, p.device.type) for p in model.network.parameters()} == {(torch.float32, "cpu")}
    assert model.sha256 == file_sha256(saved)
    assert same(state, before)
    with safe_open(saved, framework="pt") as file:
        assert MultiBoxInfo.from_json(file.metadata()[HEADER]) == INFO


def test_in_full_precision_nothing_changes_and_the_same_gives_the_same_bytes(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for path, tensors in zip(paths, (state, dict(reversed(state.items()))), strict=True):
        save_multibox(path, INFO, tensors, dtype=torch.float32)
    assert same(read_multibox_file(paths[0])[1], state)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "b.safetensors"}


def test_the_convolutional_form_and_the_other_architecture(tmp_path: Path) -> None:
    priors = torch.from_numpy(grid_priors((7, 1)))
    head = HeadSetting("convolutional", 4, (7, 1))
    info = multibox_info(priors, head=head, architecture="googlenet_bn", input=TORCHVISION_INPUT)
    network = MultiBoxNetwork(trunk=GoogLeNetTrunk(GoogLeNetBN(1)), head=build_head(head, len(priors)), priors=priors)
    save_multibox(tmp_path / "x.safetensors", info, network.state_dict())
    loaded = load_multibox(tmp_path / "x.safetensors")
    assert loaded.info == info
    assert torch.equal(loaded.network.priors, priors)
    assert len(priors) == 11 * 49 + 1


def test_the_digest_is_that_of_the_bytes() -> None:
    """1.0 in little-endian IEEE 754 is 00 00 80 3f."""
    one = hashlib.sha256(bytes.fromhex("0000803f") * 4).hexdigest()
    assert priors_digest(torch.ones(1, 4)) == one
    assert priors_digest(torch.ones(4, 1).T) == one


# What is refused on saving


def test_numbers_that_the_file_cannot_hold(state: dict[str, Tensor], tmp_path: Path) -> None:
    for value in (math.nan, math.inf, 70_000.0):
        broken = state | {"head.hidden.bias": torch.full((2,), value)}
        message = "x.safetensors: head.hidden.bias: expected numbers that torch.float16 can hold, got infinity or NaN"
        with pytest.raises(ValueError, match=re.escape(message)):
            save_multibox(tmp_path / "x.safetensors", INFO, broken)
    assert list(tmp_path.iterdir()) == []


def test_priors_that_the_description_does_not_mean_are_not_saved(state: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^priors: expected those that the weights were trained with, got others$"):
        save_multibox(tmp_path / "x.safetensors", INFO, state | {"priors": state["priors"] + 0.01})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written(state: dict[str, Tensor]) -> None:
    with pytest.raises(OutputError, match=r"cannot write /proc/nowhere/x\.safetensors: "):
        save_multibox(Path("/proc/nowhere/x.safetensors"), INFO, state)


# What is refused on loading


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"priors": None}, "priors: expected float32 (40, 4), got none"),
        ({"priors": random_priors(39)}, "priors: expected float32 (40, 4), got float32 (39, 4)"),
        ({"priors": random_priors().half()}, "priors: expected float32 (40, 4), got float16 (40, 4)"),
        ({"priors": random_priors().flip(0)}, "priors: expected those that the weights were trained with, got others"),
    ],
)
def test_priors_that_disagree_with_the_weights(
    state: dict[str, Tensor], tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    tensors = {name: tensor for name, tensor in (state | change).items() if tensor is not None}
    path = write(tmp_path / "x.safetensors", INFO.to_json(), tensors)
    with pytest.raises(ModelFileError, match=f"^{re.escape(f'{path}: {message}')}$"):
        load_multibox(path)


def test_as_many_priors_as_the_description_says_but_not_as_the_weights_answer(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    fewer = random_priors()[:30].contiguous()
    path = write(tmp_path / "x.safetensors", multibox_info(fewer).to_json(), state | {"priors": fewer})
    message = "weights do not fit googlenet with a fully_connected head for 30 priors: size mismatch for head.outputs"
    with pytest.raises(ModelFileError, match=re.escape(f"{path}: {message}")) as caught:
        load_multibox(path)
    assert "\n" not in str(caught.value)


def test_grids_of_another_number_of_priors(state: dict[str, Tensor], tmp_path: Path) -> None:
    info = dataclasses.replace(INFO, head=HeadSetting("convolutional", 4, (7, 1)))
    path = write(tmp_path / "x.safetensors", info.to_json(), state)
    with pytest.raises(ModelFileError, match=f"^{path}: num_priors: expected 540 for the grids .*, got 40$"):
        load_multibox(path)


def test_a_head_that_no_memory_holds(state: dict[str, Tensor], tmp_path: Path) -> None:
    info = dataclasses.replace(INFO, head=HeadSetting("fully_connected", 10**13))
    path = write(tmp_path / "x.safetensors", info.to_json(), state)
    with pytest.raises(ModelFileError, match=f"^{path}: ") as caught:
        load_multibox(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trunk.network.conv1.weight": torch.zeros(64, 3, 3, 3)}, r"size mismatch for trunk\.network\.conv1\.weight"),
        ({"trunk.network.conv1.weight": None}, r"Missing key\(s\) .*\"trunk\.network\.conv1\.weight\""),
        ({"extra": torch.zeros(1)}, r"Unexpected key\(s\) .*\"extra\""),
    ],
)
def test_weights_that_do_not_fit(
    state: dict[str, Tensor], tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    tensors = {name: tensor for name, tensor in (state | change).items() if tensor is not None}
    path = write(tmp_path / "x.safetensors", INFO.to_json(), tensors)
    with pytest.raises(ModelFileError, match=f"^{path}: weights do not fit googlenet with .* 40 priors: .*{message}"):
        load_multibox(path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers(state: dict[str, Tensor], tmp_path: Path, value: float) -> None:
    name = "head.outputs.bias"
    path = write(tmp_path / "x.safetensors", INFO.to_json(), state | {name: torch.full_like(state[name], value)})
    with pytest.raises(ModelFileError, match=f"^{path}: expected finite weights, got NaN or infinity in {name}$"):
        load_multibox(path)


def test_priors_that_are_no_numbers(state: dict[str, Tensor], tmp_path: Path) -> None:
    broken = random_priors()
    broken[3, 1] = math.nan
    path = write(tmp_path / "x.safetensors", multibox_info(broken).to_json(), state | {"priors": broken})
    with pytest.raises(ModelFileError, match=f"^{path}: expected finite weights, got NaN or infinity in priors$"):
        load_multibox(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "header: expected format 1, got 2: a newer googlenet-rcnn wrote it"),
        ({"colour": "red"}, "header: .*unexpected keyword argument 'colour'"),
        ({"architecture": "vgg"}, "header: architecture: expected googlenet or googlenet_bn, got 'vgg'"),
        ({"num_priors": 0}, "header: num_priors: expected a whole number from 1 on, got 0"),
        ({"num_priors": "40"}, "header: num_priors: expected a whole number from 1 on, got '40'"),
        ({"size": 22.4}, "header: size: expected a whole number from 1 on, got 22.4"),
        ({"size": 448}, "header: size: expected 223 to 238 pixels, which give maps of 14 and 7 cells, got 448"),
        ({"head": {"kind": "round", "channels": 2, "grids": []}}, "header: kind: expected fully_connected or"),
        ({"head": {"kind": "convolutional", "channels": 2.5, "grids": [7]}}, "header: channels: expected a whole"),
        ({"head": 7}, "header: "),
        ({"merge": [1]}, "header: "),
        ({"merge": {"search": {"a": -1, "b": 0, "c": 1}}}, "header: a: expected a finite number above 0, got -1"),
        ({"input": {"order": "rgb"}}, "header: no field 'mean'"),
    ],
)
def test_headers_that_we_do_not_understand(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    header = json.dumps(json.loads(INFO.to_json()) | change)
    path = write(tmp_path / "x.safetensors", header, {"a": torch.zeros(1)})
    with pytest.raises(ModelFileError, match=f"^{path}: {message}") as caught:
        load_multibox(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", ["{", "[]", "3", '{"name": "x"}'])
def test_headers_that_are_no_description(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "x.safetensors", header, {"a": torch.zeros(1)})
    with pytest.raises(ModelFileError, match=f"^{path}: header: expected a description of a MultiBox model, got "):
        load_multibox(path)


@pytest.mark.parametrize("length", [0, 7, 100, 5000, 1_000_000, -1])
def test_a_cut_off_file(saved: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(ModelFileError, match=rf"^{path}: not a whole safetensors file \("):
        load_multibox(path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    detector = save_random_model(tmp_path / "detector.safetensors")
    with pytest.raises(ModelFileError, match=f"^{detector}: expected a MultiBox model, got a detector, which is for "):
        load_multibox(detector)
    save_file({"layer.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match=r"other\.safetensors: expected a MultiBox model, got something else$"):
        load_multibox(tmp_path / "other.safetensors")
    for name in ("missing.safetensors", "."):
        with pytest.raises(ModelFileError, match=r"no such model file$"):
            load_multibox(tmp_path / name)


# Names


def test_a_file_goes_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("multibox").write_text("")
    assert find_multibox_file("multibox") == Path("multibox")


def test_the_model_that_comes_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("detect.model_zoo.resources.files", lambda package: tmp_path / package)
    bundled = tmp_path / "detect/models/multibox.safetensors"
    message = f"^the model multibox should be installed at {bundled}, and is not: install again$"
    with pytest.raises(ModelFileError, match=message):
        find_multibox_file("multibox")
    bundled.parent.mkdir(parents=True)
    bundled.write_text("")
    assert find_multibox_file("multibox") == bundled


def test_neither_a_file_nor_a_name(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"^no MultiBox model file gone\.x, and the only one with a name is "):
        find_multibox_file("gone.x")
    with pytest.raises(ModelFileError, match=r"^no MultiBox model file "):
        find_multibox_file(str(tmp_path))


# Use


def test_a_file_becomes_a_proposer_with_its_settings(saved: Path) -> None:
    image = quadrants(60, 90)
    settings = MultiBoxSettings(limit=5)
    found = build_multibox(saved, device="cpu", precision="fp32", settings=settings)(image)
    assert len(found) == 5
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [90, 60, 90, 60]).all()
    loaded = load_multibox(saved)
    again = build_multibox(loaded, device="cpu", precision="fp32")(image)
    assert PRIORS >= len(again) > 5
    np.testing.assert_array_equal(again.boxes[:5], found.boxes)
    other = build_multibox(loaded, device="cpu", precision="fp32", settings=settings)(image[::-1])
    assert other.boxes.tolist() != found.boxes.tolist(), "the network looks at the picture"


@torch.inference_mode()
def test_the_pictures_are_normalised_as_the_file_says(saved: Path) -> None:
    """Of one colour, so that squashing makes no difference: the confidences are those of the network itself."""
    model = load_multibox(saved)
    found = build_multibox(model, device="cpu", precision="fp32")(np.full((9, 7, 3), (10, 20, 30), np.uint8))
    blue_first = torch.tensor([30 - 104.0, 20 - 117.0, 10 - 123.0]).view(1, 3, 1, 1).expand(1, 3, 224, 224)
    best = model.network(blue_first.contiguous(memory_format=torch.channels_last)).logits.sigmoid().max()
    assert found.scores[0] == pytest.approx(best.item(), rel=1e-5)


def test_devices_and_precisions_that_there_are_not(saved: Path) -> None:
    with pytest.raises(ValueError, match="device: expected auto, cpu, cuda or cuda:NUMBER, got 'tpu'"):
        build_multibox(saved, device="tpu")
    with pytest.raises(ValueError, match="precision: expected auto, fp32 or bf16, got 'fp8'"):
        build_multibox(saved, device="cpu", precision="fp8")


def test_the_calibration_comes_back(saved: Path) -> None:
    assert load_multibox(saved).info.merge == CALIBRATION
