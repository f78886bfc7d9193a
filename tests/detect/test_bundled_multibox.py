"""The MultiBox that comes with the package: small, whole, described, and it finds things in photos."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from safetensors import safe_open

from detect.image_decoding import decode_image
from detect.model_file import ModelFileError, file_sha256, load_model
from detect.multibox_file import build_multibox, find_multibox_file, load_multibox
from proposals.multibox import MultiBox
from proposals.recall import best_overlaps

CARD = Path(__file__).resolve().parents[2] / "docs" / "models" / "multibox.md"

# Drawn by hand on photos that nothing was trained on: xyxy pixels.
OBJECTS = {
    "chelsea.png": {"cat": (0, 0, 400, 300)},
    "coffee.png": {"cup": (173, 17, 408, 310), "saucer": (77, 75, 480, 390)},
    "astronaut.png": {"person": (25, 15, 365, 512), "helmet": (283, 345, 512, 512)},
}


@pytest.fixture(scope="module")
def file() -> Path:
    return find_multibox_file("multibox")


@pytest.fixture(scope="module")
def multibox(file: Path) -> MultiBox:
    return build_multibox(file, device="cpu", precision="fp32")


def photo(name: str) -> np.ndarray:
    return decode_image(Path(skimage.data.__file__).parent / name)


def test_it_is_small_and_in_half_precision(file: Path) -> None:
    assert file.stat().st_size <= 16_000_000
    with safe_open(file, framework="pt") as opened:
        types = {name: opened.get_tensor(name).dtype for name in opened.keys()}  # noqa: SIM118
    assert types.pop("priors") == torch.float32
    assert set(types.values()) == {torch.float16}


def test_its_description(file: Path) -> None:
    info = load_multibox(file).info
    assert info.merge is not None, "the order of the merged list is to be fitted"
    assert re.fullmatch(r"[0-9a-f]{40}", info.provenance.commit)
    assert "fine-tuned on 2223 images of voc2012_subset + ilsvrc_loc + coco128" in info.provenance.data
    assert "ilsvrc_det" not in info.provenance.config
    assert "BVLC" in info.provenance.source + info.provenance.licence


def test_its_card_is_of_this_file(file: Path) -> None:
    assert file_sha256(file) in CARD.read_text()


@pytest.mark.parametrize("name", OBJECTS)
def test_it_covers_the_objects_of_photos(name: str, multibox: MultiBox) -> None:
    found = multibox(photo(name))
    assert 100 <= len(found) <= 200
    wanted = np.array(list(OBJECTS[name].values()), np.float32)
    overlaps = best_overlaps(wanted, found.boxes, (50,))[0]
    assert (overlaps >= 0.5).all(), dict(zip(OBJECTS[name], overlaps.tolist(), strict=True))


def test_it_is_no_detector(file: Path) -> None:
    with pytest.raises(ModelFileError, match="MultiBox"):
        load_model(file)
