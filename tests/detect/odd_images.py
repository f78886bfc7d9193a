"""Writes the picture files that break detectors: damaged, huge, tiny, sideways, oddly coloured or named."""

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 180, 40), (40, 50, 200), (220, 210, 40)


@dataclass(frozen=True)
class Expectation:
    """What decoding one odd file must give: a size, or an error that contains this text."""

    size: tuple[int, int] | None = None  # (height, width), after EXIF rotation
    error: str | None = None


def quadrants(height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """A picture that no turn leaves alone: red top left, green top right, blue and yellow below."""
    picture = np.empty((height, width, 3), np.uint8)
    middle, centre = (height + 1) // 2, (width + 1) // 2
    picture[:middle, :centre], picture[:middle, centre:] = RED, GREEN
    picture[middle:, :centre], picture[middle:, centre:] = BLUE, YELLOW
    return picture


def encode(image: Image.Image | npt.NDArray[Any], file_format: str, **options: Any) -> bytes:
    """The bytes of a file in one of Pillow's formats."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A hand-made PNG: `rows` are raw scan lines, each after its filter byte; `extra` are whole chunks."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def gray16_png(values: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit gray PNG."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, 0, rows)


def with_orientation(image: npt.NDArray[np.uint8], orientation: int, file_format: str = "JPEG") -> bytes:
    """A file that holds `image` as it is and asks the viewer to turn it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, file_format, exif=exif)


def make_odd_images(folder: Path) -> dict[str, Expectation]:
    """Write one file of each odd kind into `folder` (which exists).

    Left out, because a reader that forgets to look would hang: see `make_pipe`.

    Returns:
        File name → what to expect of it, in no particular order. Names with bytes that the file system
        refuses are left out.
    """
    expected: dict[str, Expectation] = {}
    for name, (data, expectation) in {**_sound_files(), **_broken_files()}.items():
        try:
            (folder / name).write_bytes(data)
        except OSError:  # macOS takes no names that are not UTF-8
            continue
        expected[name] = expectation
    (folder / "broken link.jpg").symlink_to("nowhere.jpg")
    (folder / "link loop.jpg").symlink_to("link loop.jpg")
    (folder / "link.jpg").symlink_to("1x1.png")
    return expected | {
        "broken link.jpg": Expectation(error="broken link"),
        "link loop.jpg": Expectation(error="leads back to itself"),
        "link.jpg": Expectation((1, 1)),
    }


def make_pipe(folder: Path) -> str:
    """Make a named pipe that looks like a picture; opening it blocks for ever. Returns its file name."""
    os.mkfifo(folder / "pipe.jpg")
    return "pipe.jpg"


def _sound_files() -> dict[str, tuple[bytes, Expectation]]:
    picture = quadrants()
    image, size = Image.fromarray(picture), Expectation(picture.shape[:2])
    see_through = Image.fromarray(np.dstack([picture, np.full(picture.shape[:2], 128, np.uint8)]))
    files = {
        "plain.jpg": (encode(image, "JPEG"), size),
        "upper case suffix.JPG": (encode(image, "JPEG"), size),
        "png in disguise.jpg": (encode(image, "PNG"), size),
        "gray.jpg": (encode(image.convert("L"), "JPEG"), size),
        "gray and alpha.png": (encode(see_through.convert("LA"), "PNG"), size),
        "rgba.png": (encode(see_through, "PNG"), size),
        "palette.png": (encode(image.quantize(16), "PNG"), size),
        "see-through palette.png": (encode(image.quantize(16), "PNG", transparency=0), size),
        "one bit.png": (encode(image.convert("1"), "PNG"), size),
        "cmyk.jpg": (encode(image.convert("CMYK"), "JPEG"), size),
        "ycck.jpg": (ycck_jpeg(image), size),
        "gray16.png": (gray16_png(picture[..., 0].astype(np.uint16) * 257), size),
        "two frames.gif": (
            encode(image, "GIF", save_all=True, append_images=[image.rotate(180)]),
            size,
        ),
        "all black.jpg": (encode(np.zeros_like(picture), "JPEG"), size),
        "1x1.png": (encode(quadrants(1, 1), "PNG"), Expectation((1, 1))),
        "3x2000.png": (encode(quadrants(3, 2000), "PNG"), Expectation((3, 2000))),
        "2000x3.jpg": (encode(quadrants(2000, 3), "JPEG"), Expectation((2000, 3))),
        "12 megapixels.jpg": (encode(quadrants(3000, 4000), "JPEG"), Expectation((3000, 4000))),
        " spaces in  the name .png": (encode(image, "PNG"), size),
        "new\nline.png": (encode(image, "PNG"), size),
        "snö 雪 ❄.png": (encode(image, "PNG"), size),
        os.fsdecode(b"latin-1 sn\xf6.png"): (encode(image, "PNG"), size),
    }
    for orientation in range(1, 9):
        turned = Expectation(picture.shape[1::-1] if orientation > 4 else picture.shape[:2])
        files[f"exif {orientation}.jpg"] = (with_orientation(picture, orientation), turned)
    return files


def _broken_files() -> dict[str, tuple[bytes, Expectation]]:
    picture = quadrants(120, 160)
    picture[::2] //= 2  # detail, so that half a file is half a picture
    files = {
        "empty.jpg": (b"", Expectation(error="empty (0 bytes)")),
        "text.jpg": (b"I am not a picture.\n", Expectation(error="not an image")),
        "page.png": (b"<!DOCTYPE html>\n<title>404</title>\n", Expectation(error="not an image")),
        "signature alone.png": (b"\x89PNG\r\n\x1a\n", Expectation(error="damaged PNG")),
        "bomb.png": (
            png(60_000, 60_000, 8, 2, bytes(100)),
            Expectation(error="3600000000 pixels"),
        ),
        "float.tif": (encode(np.full((4, 5), 0.5, np.float32), "TIFF"), Expectation(error="floating-point")),
        "phone.heic": (
            struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic",
            Expectation(error="HEIC"),
        ),
    }
    for suffix, file_format in {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}.items():
        whole = encode(picture, file_format)
        files[f"truncated.{suffix}"] = (whole[: len(whole) // 2], Expectation(error="truncated"))
    return files


def ycck_jpeg(image: Image.Image) -> bytes:
    """A JPEG as Photoshop writes it for print: inverted CMYK, its first three channels as YCbCr.

    Pillow cannot write one. It can write four channels inverted and untransformed, so it is given channels
    that are right after that, and the Adobe marker is then made to say YCCK (2) instead of CMYK (0).
    """
    cyan, magenta, yellow, black = image.convert("CMYK").split()
    y, cb, cr = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    inverted = [Image.eval(channel, lambda value: 255 - value) for channel in (y, cb, cr)]
    data = bytearray(encode(Image.merge("CMYK", (*inverted, black)), "JPEG", quality=95, subsampling=0))
    transform = data.find(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    return bytes(data)
