"""The detector that comes with the package: its file, the pictures it must be silent about, and people's own photos."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from configs.detection import DetectionConfig
from detect.class_tables import ilsvrc_detection_classes
from detect.detections import Detections
from detect.detector import Detector, DetectorSettings
from detect.image_decoding import decode_image
from detect.model_file import load_model
from detect.model_info import ProposalSetting
from detect.model_zoo import MODELS, Bundled, find_model_file
from detect.training.class_maps_cls import with_kindred
from tools.cli import main

PICTURES = Path(skimage.data.__file__).parent
WITHOUT_OBJECTS = (
    *("brick", "cell", "chessboard_GRAY", "chessboard_RGB", "coins", "color", "grass", "gravel", "hubble_deep_field"),
    *("ihc", "logo", "microaneurysms", "moon", "page", "phantom", "retina", "text"),
)
FILES = {path.stem: path for path in PICTURES.iterdir() if path.stem in (*WITHOUT_OBJECTS, "coffee")}
MOST_BYTES = 16_000_000


@pytest.fixture(scope="module")
def detector() -> Detector:
    """As `detect` has it by default."""
    defaults = DetectionConfig()
    assert defaults.model == "det200"
    return Detector.load("det200", device="cpu", settings=DetectorSettings(min_score=defaults.min_score))


def names(detector: Detector, found: Detections) -> list[str]:
    return [detector.info.classes[label].name for label in found.labels]


def test_the_file_is_small_and_says_what_it_is() -> None:
    assert isinstance(MODELS["det200"].source, Bundled)
    file = find_model_file("det200")
    assert file.stat().st_size <= MOST_BYTES
    model = load_model(file)
    info = model.info
    assert (info.name, info.architecture, info.head, info.box_regression) == (
        "det200",
        "googlenet",
        "marginal",
        "cells",
    )
    assert info.regions[0] == "shared"
    assert info.proposals == ProposalSetting(method="both", mode="balanced", superpixel_scale=2.0, limit=300)
    expected = with_kindred(ilsvrc_detection_classes())
    assert [(one.wnid, one.name, one.members) for one in info.classes] == [
        (one.wnid, one.name, one.members) for one in expected
    ]
    assert all(torch.isfinite(one).all() for one in model.network.state_dict().values())
    origin = info.provenance
    assert "unrestricted" in origin.licence
    assert origin.commit
    assert '"/' not in origin.config, "nothing of where anything lay on the machine"
    assert json.loads(origin.config)["short_sides"] == list(info.short_sides)
    assert "ilsvrc_det" not in origin.data


@pytest.mark.parametrize("name", WITHOUT_OBJECTS)
def test_a_picture_without_a_known_object_is_empty(detector: Detector, name: str) -> None:
    found = detector(decode_image(FILES[name]))
    assert names(detector, found) == []


def document(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A scanned letter: gray paper, lines of text, a ruled table."""
    page = np.full((1754, 1240, 3), 246, np.uint8)
    for line in range(40):
        words = " ".join("".join(chr(97 + int(one)) for one in rng.integers(0, 26, 6)) for _ in range(11))
        cv2.putText(page, words, (120, 150 + 32 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40, 40, 40), 1, cv2.LINE_AA)
    for row in range(6):
        cv2.line(page, (120, 1480 + 40 * row), (1120, 1480 + 40 * row), (60, 60, 60), 2)
    noise = rng.normal(0, 3, page.shape)
    return np.clip(page + noise, 0, 255).astype(np.uint8)


def drawing(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crayon lines on white paper."""
    paper = np.full((700, 900, 3), 255, np.uint8)
    for _ in range(14):
        points = rng.integers(50, 650, (7, 1, 2)).astype(np.int32)
        colour = tuple(int(one) for one in rng.integers(0, 200, 3))
        cv2.polylines(paper, [points], False, colour, 4, cv2.LINE_AA)
    return paper


def night(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A dark street with lights: a gradient, noise and blurred dots."""
    scene = np.linspace(4, 22, 600)[:, None, None] * np.ones((1, 800, 3))
    for _ in range(9):
        x, y = rng.integers(0, 800), rng.integers(0, 300)
        scene += 160 * np.exp(-((np.arange(800) - x)[None] ** 2 + (np.arange(600) - y)[:, None] ** 2) / 60)[..., None]
    return np.clip(scene + rng.normal(0, 5, scene.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("draw", [document, drawing, night], ids=lambda one: one.__name__)
def test_scans_drawings_and_the_dark_are_empty(
    detector: Detector, draw: Callable[[np.random.Generator], NDArray[np.uint8]]
) -> None:
    assert names(detector, detector(draw(np.random.default_rng(0)))) == []


def phone_photo(path: Path) -> None:
    """12 megapixels, the camera on its side: pixels are stored turned, EXIF says how to hold them."""
    upright = Image.open(FILES["coffee"]).convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    stored = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(stored, "JPEG", quality=90, exif=exif)
    path.write_bytes(stored.getvalue())


def test_a_folder_of_ones_own_photos(tmp_path: Path, detector: Detector) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    phone_photo(folder / "phone.jpg")
    for draw in (document, drawing, night):
        assert cv2.imwrite(str(folder / f"{draw.__name__}.png"), draw(np.random.default_rng(0))[..., ::-1])
    dark = (decode_image(FILES["coffee"]).astype(np.float32) * 0.15).astype(np.uint8)
    cv2.imwrite(str(folder / "underexposed.jpg"), dark[..., ::-1])
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    assert main(["detect", str(folder), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 3
    records = [json.loads(line) for line in (tmp_path / "out" / "detections.jsonl").read_text().splitlines()]
    by_name = {record["image"]: record for record in records}
    assert "error" in by_name.pop("broken.jpg")
    assert len(by_name) == 5
    for record in by_name.values():
        for one in record["detections"]:
            x1, y1, x2, y2 = one["box"]
            assert 0 <= x1 < x2 <= record["width"]
            assert 0 <= y1 < y2 <= record["height"]
    phone = by_name["phone.jpg"]
    assert (phone["width"], phone["height"]) == (4000, 3000)
    assert "cup or mug" in [one["name"] for one in phone["detections"]]
    assert [by_name[f"{draw.__name__}.png"]["detections"] for draw in (document, drawing, night)] == [[], [], []]
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 5
