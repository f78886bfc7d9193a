from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.score_page.frames import Frame
from detect.score_page.pictures import PREFIX, PictureTaker, Shot, thumbnail

SIZES = np.array([[300, 400], [300, 400], [0, 0]], np.int32)
SHOTS = [Shot(image, np.array([[100.0, 100, 200, 180]])) for image in (1, 0, 2, 1)]


def colour_photo(path: Path, size: tuple[int, int], colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    assert uri.startswith(PREFIX)
    return Image.open(BytesIO(base64.b64decode(uri.removeprefix(PREFIX))))


def test_each_shot_is_of_its_photo_and_each_photo_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from detect.score_page import pictures

    red = colour_photo(tmp_path / "red.png", (400, 300), (255, 0, 0))
    blue = colour_photo(tmp_path / "blue.png", (400, 300), (0, 0, 255))
    decoded = []
    real = pictures.decode_image
    monkeypatch.setattr(pictures, "decode_image", lambda path: decoded.append(path.name) or real(path))
    taker = PictureTaker({0: red, 1: blue, 2: blue}, SIZES, 64)
    taken = taker.take(SHOTS)
    assert decoded == ["red.png", "blue.png", "blue.png"]
    assert taker.failed == {}
    for one, main in zip(taken, (2, 0, 2, 2), strict=True):
        assert one.frame == Frame(65, 72, 235, 208)
        image = opened(one.uri)
        assert image.format == "JPEG"
        assert image.size == (64, 51)
        pixel = image.getpixel((30, 20))
        assert isinstance(pixel, tuple)
        assert int(np.argmax(pixel)) == main


def test_photos_that_cannot_be_shown(tmp_path: Path) -> None:
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff broken")
    small = colour_photo(tmp_path / "small.png", (200, 150), (9, 9, 9))
    taker = PictureTaker({0: tmp_path / "damaged.jpg", 1: small}, SIZES, 64)
    assert [one.uri for one in taker.take(SHOTS)] == [None] * 4
    assert "JPEG" in taker.failed[0]
    assert taker.failed[1] == "200 x 150, but the ground truth says 400 x 300"
    assert 2 not in taker.failed  # nobody has that photo


def test_without_a_known_size_the_photo_tells_it(tmp_path: Path) -> None:
    blue = colour_photo(tmp_path / "blue.png", (150, 120), (0, 0, 255))
    taken = PictureTaker({2: blue}, SIZES, 64).take([Shot(2, np.array([[100.0, 90, 150, 120]]))])
    assert (taken[0].frame.x2, taken[0].frame.y2) == (150, 120)


def test_small_frames_are_not_enlarged_and_bytes_repeat() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    before = photo.copy()
    one = thumbnail(photo, Frame(10, 5, 50, 35), 320)
    assert opened(one).size == (40, 30)
    assert one == thumbnail(photo, Frame(10, 5, 50, 35), 320)
    assert np.array_equal(photo, before)
