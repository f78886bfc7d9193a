"""decode_image: every kind of picture comes out right or as one sentence, never half, never as another error."""

import errno
import io
import os
import struct
import sys
import threading
import types
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_images import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    Expectation,
    encode,
    gray16_png,
    make_odd_images,
    make_pipe,
    png,
    png_chunk,
    quadrants,
    with_orientation,
    ycck_jpeg,
)
from PIL import Image, ImageCms, ImageFile, PngImagePlugin, features

from detect.image_decoding import ImageError, decode_image, decode_image_bytes, read_image_size

Pixels = npt.NDArray[np.uint8]


def assert_close(image: Pixels, expected: npt.ArrayLike, tolerance: float) -> None:
    """Mean absolute difference; lossy formats smear the quadrants' edges."""
    difference = np.abs(image.astype(float) - np.asarray(expected, float)).mean()
    assert difference <= tolerance, difference


def error_of(data: bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image_bytes(data, **options)
    assert_one_line(str(caught.value))
    return str(caught.value)


def image_or_reason(decode: Callable[..., Pixels], *source: Path | bytes, **options: int) -> Pixels | str:
    try:
        return decode(*source, **options)
    except ImageError as error:
        reason = str(error)
    assert_one_line(reason)
    return reason


def assert_one_line(message: str) -> None:
    assert message
    assert message.isprintable()
    assert " at 0x" not in message
    assert len(message) < 260


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Expectation]]:
    folder = tmp_path_factory.mktemp("odd")
    return folder, make_odd_images(folder)


def test_every_odd_file_gives_its_size_or_its_reason(odd: tuple[Path, dict[str, Expectation]]) -> None:
    folder, expected = odd
    assert {path.name for path in folder.iterdir()} == set(expected)
    for name, expectation in expected.items():
        result = image_or_reason(decode_image, folder / name)
        if isinstance(result, str):
            assert expectation.error is not None, (name, result)
            assert expectation.error in result, name
        else:
            assert result.shape == (*(expectation.size or ()), 3), name
            assert result.dtype == np.uint8
            assert result.flags.c_contiguous
            assert result.flags.writeable


def test_the_header_alone_gives_the_same_size(odd: tuple[Path, dict[str, Expectation]]) -> None:
    folder, expected = odd
    for name in expected:
        decoded = image_or_reason(decode_image, folder / name)
        try:
            size = read_image_size(folder / name)
        except ImageError as error:
            assert_one_line(str(error))
            assert isinstance(decoded, str), name
        else:
            assert isinstance(decoded, str) or size == decoded.shape[:2], name


# Colour


def test_a_png_comes_back_to_the_pixel() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    for file_format in ("PNG", "BMP", "PPM", "TIFF"):
        np.testing.assert_array_equal(decode_image_bytes(encode(picture, file_format)), picture)


def test_gray_becomes_three_equal_channels() -> None:
    gray = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    np.testing.assert_array_equal(decode_image_bytes(encode(gray, "PNG")), np.dstack([gray] * 3))


def test_transparency_is_laid_over_white() -> None:
    # Over white, colour c with alpha a is (a c + (255 - a) 255) / 255: for c = 100 and a = 51 (a fifth),
    # 20 + 204 = 224; for a = 0 it is 255 whatever c, for a = 255 it is c.
    pixels = np.array([[[100, 0, 50, 0], [100, 0, 50, 51], [100, 0, 50, 255]]], np.uint8)
    image = decode_image_bytes(encode(pixels, "PNG"))
    np.testing.assert_allclose(image[0], [[255, 255, 255], [224, 204, 214], [100, 0, 50]], atol=1)
    gray = decode_image_bytes(encode(Image.fromarray(pixels).getchannel("R"), "PNG", transparency=100))
    np.testing.assert_array_equal(gray, np.full((1, 3, 3), 255))


def test_a_see_through_palette_entry_is_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putdata([0, 1])
    for options in ({}, {"transparency": 0}, {"transparency": bytes([0, 255])}):
        left = (255, 255, 255) if options else RED
        np.testing.assert_array_equal(decode_image_bytes(encode(image, "PNG", **options)), [[left, GREEN]])
    np.testing.assert_array_equal(decode_image_bytes(encode(image, "GIF", transparency=0)), [[(255, 255, 255), GREEN]])


def test_inks_become_the_colours_they_were() -> None:
    picture = quadrants()
    image = Image.fromarray(picture)
    cmyk = encode(image.convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert_close(decode_image_bytes(cmyk), picture, 2)
    assert_close(decode_image_bytes(cmyk), np.asarray(Image.open(io.BytesIO(cmyk)).convert("RGB")), 0)
    assert_close(decode_image_bytes(ycck_jpeg(image)), picture, 3)
    np.testing.assert_array_equal(decode_image_bytes(encode(image.convert("CMYK"), "TIFF")), picture)


def test_lab_becomes_the_colour_it_was() -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(quadrants()), *profiles, outputMode="LAB")
    assert lab is not None
    assert_close(decode_image_bytes(encode(lab, "TIFF")), quadrants(), 2)


def test_16_bits_keep_their_high_byte_and_are_not_clipped() -> None:
    values = np.array([[0, 255, 256, 32768, 65279, 65535]], np.uint16)
    expected = np.dstack([np.array([[0, 0, 1, 128, 254, 255]])] * 3)
    colour = b"\0" + np.repeat(values.astype(">u2"), 3).tobytes()
    files = {
        "gray PNG": gray16_png(values),
        "colour PNG": png(6, 1, 16, 2, colour),
        "TIFF": encode(values, "TIFF"),
        "PGM": b"P5 6 1 65535\n" + values.astype(">u2").tobytes(),
    }
    for name, data in files.items():
        np.testing.assert_array_equal(decode_image_bytes(data), expected, name)


def test_16_bit_gray_may_be_see_through_or_inverted() -> None:
    values = np.array([[0x1234, 0x1235]], np.uint16)
    rows = b"\0" + values.astype(">u2").tobytes()
    see_through = png(2, 1, 16, 0, rows, png_chunk(b"tRNS", b"\x12\x34"))
    np.testing.assert_array_equal(decode_image_bytes(see_through)[0, :, 0], [255, 0x12])
    inverted = encode(values, "TIFF", tiffinfo={262: 0})  # white is zero: 65535 - 0x1234 = 0xEDCB
    np.testing.assert_array_equal(decode_image_bytes(inverted)[0, :, 0], [0xED, 0xED])


def test_pixels_without_a_range_are_refused() -> None:
    wanted = "pixels have no defined range: convert it to 8 or 16 bits"
    assert error_of(encode(np.ones((2, 2), np.float32), "TIFF")) == f"floating-point {wanted}"
    assert error_of(encode(np.ones((2, 2), np.int32), "TIFF")) == f"32-bit integer {wanted}"
    assert error_of(b"Pf 1 1 -1.0\n" + struct.pack("<f", 0.5)) == f"floating-point {wanted}"


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_taken(file_format: str) -> None:
    first, second = Image.fromarray(quadrants()), Image.fromarray(quadrants()[::-1, ::-1])
    image = decode_image_bytes(encode(first, file_format, save_all=True, append_images=[second]))
    assert_close(image, quadrants(), 4)


# Orientation

# What EXIF 2.3, tag 274, says: the side of the scene at which the stored row 0 and column 0 lie.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_corners_land_where_exif_says(orientation: int, file_format: str, tmp_path: Path) -> None:
    data = with_orientation(quadrants(48, 64), orientation, file_format)
    image = decode_image_bytes(data)
    assert image.shape == ((64, 48, 3) if orientation > 4 else (48, 64, 3))
    (tmp_path / "file").write_bytes(data)
    assert read_image_size(tmp_path / "file") == image.shape[:2]
    row0, column0 = SIDES[orientation]
    stored = {
        (row0, column0): RED,
        (row0, OPPOSITE[column0]): GREEN,
        (OPPOSITE[row0], column0): BLUE,
        (OPPOSITE[row0], OPPOSITE[column0]): YELLOW,
    }
    for sides, colour in stored.items():
        corner = image[-1 if "bottom" in sides else 0, -1 if "right" in sides else 0]
        np.testing.assert_allclose(corner, colour, atol=6)


def test_broken_exif_leaves_the_picture_as_it_is_stored(recwarn: pytest.WarningsRecorder) -> None:
    picture = quadrants()
    sound = Image.Exif()
    sound[0x0112] = 6
    for exif in (b"Exif\0\0II*\0\x08", b"Exif\0\0garbage", sound.tobytes()[:20], b"Exif\0\0" + b"\xff" * 40):
        assert_close(decode_image_bytes(encode(picture, "JPEG", exif=exif)), picture, 4)
    for orientation in (0, 9, 65535):
        assert_close(decode_image_bytes(with_orientation(picture, orientation)), picture, 4)
    assert not recwarn.list


# Damage

WHOLE: dict[str, dict[str, Any]] = {
    "JPEG": {},
    "progressive": {"format": "JPEG", "progressive": True},
    "PNG": {},
    "GIF": {},
    "WEBP": {},
    "lossless": {"format": "WEBP", "lossless": True},
    "BMP": {},
    "PPM": {},
    "JPEG2000": {},
    "TIFF": {},
    "lzw": {"format": "TIFF", "compression": "tiff_lzw"},
    "AVIF": {},
}


def noisy(height: int = 60, width: int = 80) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_cut_anywhere_is_refused_or_whole(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    options = dict(WHOLE[kind])
    data = encode(noisy(), options.pop("format", kind), **options)
    whole = decode_image_bytes(data)
    refused = 0
    for cut in sorted({*range(1, 120, 7), *range(120, len(data), len(data) // 25), len(data) - 2}):
        result = image_or_reason(decode_image_bytes, data[:cut])
        if isinstance(result, str):
            refused += 1
        else:  # only what follows the pixels was lost
            np.testing.assert_array_equal(result, whole)
    assert refused >= 40


@pytest.mark.parametrize(
    ("file_format", "reason"),
    [
        ("JPEG", "truncated JPEG: the file ends before the picture does"),
        ("PNG", "truncated PNG: the file ends before the picture does"),
        ("GIF", "truncated GIF: the file ends before the picture does"),
        ("WEBP", "truncated or damaged WebP: "),
    ],
)
def test_a_truncated_photo_says_so(file_format: str, reason: str) -> None:
    data = encode(noisy(375, 500), file_format)
    assert error_of(data[: len(data) * 9 // 10]).startswith(reason)


def test_what_is_no_picture() -> None:
    assert error_of(b"") == "the file is empty (0 bytes)"
    assert error_of(b"<html>\n") == "not an image in a known format: it begins with b'<html>\\n'"
    assert error_of(b"%!PS-Adobe-3.0 EPSF-3.0\n").startswith("not an image in a known format")
    assert error_of(b"\xff\xd8\xff") == "truncated or damaged JPEG: its header cannot be read"
    assert error_of(b"P6 0 5 255\n").startswith("truncated or damaged PPM: ")


MUTATIONS = st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=6)
SAMPLES = [
    with_orientation(noisy(24, 32), 6),
    encode(noisy(24, 32), "JPEG", progressive=True),
    with_orientation(quadrants(24, 32), 6, "PNG"),
    encode(Image.fromarray(quadrants(24, 32)).quantize(8), "GIF"),
    encode(quadrants(24, 32), "WEBP"),
    encode(quadrants(8, 8), "TIFF"),
    encode(quadrants(8, 8), "BMP"),
    gray16_png(np.arange(64, dtype=np.uint16).reshape(8, 8)),
]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(SAMPLES), MUTATIONS, st.integers(0, 3000))
def test_mutated_files_decode_or_are_refused_in_one_line(
    sample: bytes, mutations: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(sample)
    for position, value in mutations:
        data[position % len(data)] = value
    check_outcome(bytes(data[:cut] if cut else data))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([sample[:12] for sample in SAMPLES] + [b""]), st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused_in_one_line(head: bytes, tail: bytes) -> None:
    check_outcome(head + tail)


def check_outcome(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = image_or_reason(decode_image_bytes, data, max_pixels=10**6)
    if not isinstance(result, str):
        assert result.dtype == np.uint8
        assert result.ndim == 3
        assert result.shape[2] == 3
        assert result.size


# Too large


def test_a_bomb_is_refused_from_its_header() -> None:
    bomb = png(60_000, 60_000, 8, 2, bytes(10))
    assert error_of(bomb) == ("too large: Image size (3600000000 pixels) exceeds limit of 178956970 pixels")
    assert error_of(encode(quadrants(), "PNG"), max_pixels=48 * 64 - 1) == (
        "too large: 64 x 48 is 3072 pixels, the limit is 3071"
    )
    assert decode_image_bytes(encode(quadrants(), "PNG"), max_pixels=48 * 64).shape == (48, 64, 3)


def test_too_little_memory_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    data = encode(quadrants(), "PNG")
    monkeypatch.setattr(Image.Image, "load", no_memory)
    assert error_of(data) == "not enough memory to decode this PNG"


# Files that cannot be opened


def reason_for(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    assert_one_line(str(caught.value))
    return str(caught.value)


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    assert reason_for(tmp_path) == "not a regular file but a folder"
    assert reason_for(tmp_path / make_pipe(tmp_path)) == "not a regular file but a named pipe"
    assert reason_for(Path(os.devnull)) == "not a regular file but a device"
    (tmp_path / "link").symlink_to(tmp_path / "pipe.jpg")
    assert reason_for(tmp_path / "link") == "not a regular file but a named pipe"


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("gone")
    assert reason_for(tmp_path / "a") == "broken link: it leads back to itself"
    assert reason_for(tmp_path / "c") == "broken link: its target does not exist"
    assert reason_for(tmp_path / "gone") == "no such file"
    assert reason_for(tmp_path / ("x" * 300)) == "cannot be opened: File name too long"
    assert reason_for(Path("zero\0byte")) == "cannot be opened: embedded null byte"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(encode(quadrants(), "JPEG"))

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)  # taking the right away does not stop root
    assert reason_for(path) == "cannot be opened: Permission denied"


def test_a_disk_that_fails_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FailingFile(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 16:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    path = tmp_path / "x.jpg"
    data = encode(quadrants(), "JPEG")
    path.write_bytes(data)
    monkeypatch.setattr(Path, "open", lambda self, mode: FailingFile(data))
    assert reason_for(path) == "cannot be read: Input/output error"


# HEIC


def test_heic_names_the_ways_out_and_uses_the_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    heic = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic"
    monkeypatch.setattr(Image, "OPEN", {name: Image.OPEN[name] for name in Image.OPEN if name != "HEIF"})
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # not installed
    assert error_of(heic) == "HEIC cannot be read here: convert it to JPEG, or install the pillow-heif plug-in"

    def open_heif(file: IO[bytes], name: str | bytes) -> ImageFile.ImageFile:
        return PngImagePlugin.PngImageFile(io.BytesIO(encode(quadrants(), "PNG")))

    plug_in: Any = types.ModuleType("pillow_heif")
    plug_in.register_heif_opener = lambda: Image.OPEN.update(HEIF=(open_heif, None))
    monkeypatch.setitem(sys.modules, "pillow_heif", plug_in)
    np.testing.assert_array_equal(decode_image_bytes(heic), quadrants())


# Warnings and threads


def test_pillows_warnings_stay_inside(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(quadrants(), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 64 - 1)  # Pillow warns above it, refuses above twice it
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(data))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode_image_bytes(data)
        assert not caught
        warnings.warn_explicit("outside", UserWarning, "f.py", 1, module="PIL.Image")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(Image.open, io.BytesIO(data)).result()
    assert [warning.category for warning in caught] == [UserWarning, Image.DecompressionBombWarning]
    assert capfd.readouterr().err == ""


def test_threads_decode_alike_and_leave_no_filter_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    files = [with_orientation(noisy(10, 15), o) for o in range(1, 9)] + [b"", noisy().tobytes()]
    start = threading.Barrier(8)

    def work(_: int) -> list[Pixels | str]:
        start.wait()
        return [image_or_reason(decode_image_bytes, data) for data in files * 5]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(work, range(8)))
        assert not caught
    for result in results[1:]:
        np.testing.assert_equal(result, results[0])
