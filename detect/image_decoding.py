"""A picture file in, pixels out, or one sentence that says why not."""

import contextlib
import errno
import importlib
import io
import logging
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

MAX_PIXELS = 178_956_970  # where Pillow itself gives up: 512 MiB of RGB

# What a file begins with, its name in our messages, and the Pillow readers to try.
_KINDS: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (rb"\xff\xd8\xff", "JPEG", ("JPEG",)),
    (rb"\x89PNG\r\n\x1a\n", "PNG", ("PNG",)),
    (rb"GIF8[79]a", "GIF", ("GIF",)),
    (rb"BM", "BMP", ("BMP",)),
    (rb"II[*+]\0|MM\0[*+]", "TIFF", ("TIFF",)),
    (rb"RIFF....WEBP", "WebP", ("WEBP",)),
    (rb"P[1-6f][\s#]", "PPM", ("PPM",)),
    (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", ("JPEG2000",)),
    (rb"....ftypavi[fs]", "AVIF", ("AVIF",)),
    (rb"....ftyphe(ic|ix|im|is|vc|vx|vm|vs)", "HEIC", ("HEIF",)),
    (rb"....ftypm(if|sf)1", "HEIF", ("HEIF", "AVIF")),
)
_WIDTH_TAG, _HEIGHT_TAG, _ORIENTATION_TAG = 0x0100, 0x0101, 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)

# Pillow logs an error for some TIFF files; where nobody set logging up, Python would print it on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class ImageError(Exception):
    """A file that is no usable picture. The message is one line and does not name the file."""


def decode_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Read one picture as the eye should see it: upright, in colour, 8 bits.

    Gray becomes three equal channels; transparency is laid over white; 16 bits keep their high byte; of
    several frames the first is taken; an EXIF orientation is applied, and a broken one ignored. Colour
    profiles are ignored too, as they were when the networks were trained. Safe to call from many threads.

    Args:
        path: Links are followed. Anything but a regular file is refused unopened: a pipe would block.
        max_pixels: Width x height allowed, judged from the header. It can only lower Pillow's own limit,
            which is the default.
    Returns:
        New RGB array (H, W, 3), C-contiguous and writable; H and W are at least 1.
    Raises:
        ImageError: whatever is wrong with the file, its bytes or the memory; no other exception leaves. A
            file that ends too early is refused (unless the process sets Pillow's LOAD_TRUNCATED_IMAGES).
    """
    try:
        _check_regular(path)
        with path.open("rb") as file:
            return _decode(file, max_pixels)
    except (OSError, ValueError) as error:  # ValueError: a path no file system takes
        raise ImageError(_why_not_opened(path, error)) from error


def decode_image_bytes(data: bytes, *, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Do what `decode_image` does for a file that is already in memory."""
    return _decode(io.BytesIO(data), max_pixels)


def read_image_size(path: Path) -> tuple[int, int]:
    """(height, width) that `decode_image` would give, from the header alone; pixels that are damaged go unnoticed.

    Raises:
        ImageError: if there is no such file, or no header that can be read.
    """
    try:
        _check_regular(path)
        with path.open("rb") as file:
            return _header_size(file)
    except (OSError, ValueError) as error:
        raise ImageError(_why_not_opened(path, error)) from error


def _check_regular(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    raise ImageError(f"not a regular file but {kinds.get(stat.S_IFMT(mode), 'a device')}")


def _why_not_opened(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "broken link: its target does not exist" if path.is_symlink() else "no such file"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "broken link: it leads back to itself"
    return f"cannot be opened: {_one_line(error)}"


def _decode(file: BinaryIO, max_pixels: int) -> npt.NDArray[np.uint8]:
    kind = "image"
    try:
        head = file.read(16)
        kind, formats = _kind_of(head)
        with _quiet_pillow():
            image = _open(file, kind, formats)
            _check_size(image.size, max_pixels)
            image.load()
            return np.array(_turn_upright(_to_rgb(image), image))
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"not enough memory to decode this {kind}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"too large: {_one_line(error).partition(', could be')[0]}") from error
    except Exception as error:  # on damaged bytes Pillow raises anything, struct.error to ZeroDivisionError
        raise ImageError(_what_is_damaged(kind, error)) from error


def _header_size(file: BinaryIO) -> tuple[int, int]:
    kind = "image"
    try:
        kind, formats = _kind_of(file.read(16))
        with _quiet_pillow():
            image = _open(file, kind, formats)
            # Of a TIFF file, Pillow's size has been turned already, or not, depending on its version.
            tags = getattr(image, "tag_v2", {})
            width, height = tags.get(_WIDTH_TAG, image.size[0]), tags.get(_HEIGHT_TAG, image.size[1])
            on_its_side = _orientation(image) in _ON_ITS_SIDE
    except ImageError:
        raise
    except Exception as error:  # as in `_decode`
        raise ImageError(_what_is_damaged(kind, error)) from error
    return (width, height) if on_its_side else (height, width)


def _kind_of(head: bytes) -> tuple[str, tuple[str, ...]]:
    if not head:
        raise ImageError("the file is empty (0 bytes)")
    for pattern, kind, formats in _KINDS:
        if re.match(pattern, head, re.DOTALL):
            return kind, formats
    raise ImageError(f"not an image in a known format: it begins with {head!r}")


def _open(file: BinaryIO, kind: str, formats: tuple[str, ...]) -> Image.Image:
    """Parse the header; no pixel is decoded yet."""
    Image.init()
    if "HEIF" in formats:
        _register_heif_reader()
    known = [name for name in formats if name in Image.OPEN]
    if known == list(formats):
        return Image.open(file, formats=known)
    with contextlib.suppress(Exception):  # a generic HEIF file may hold AVIF, which needs no plug-in
        return Image.open(file, formats=known)
    remedy = "Pillow 11.3 or newer" if kind == "AVIF" else "the pillow-heif plug-in"
    raise ImageError(f"{kind} cannot be read here: convert it to JPEG, or install {remedy}")


def _register_heif_reader() -> None:
    if "HEIF" not in Image.OPEN:
        with contextlib.suppress(ImportError):
            importlib.import_module("pillow_heif").register_heif_opener()


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"no pixels: the header says {width} x {height}")
    if (pixels := width * height) > max_pixels:
        raise ImageError(f"too large: {width} x {height} is {pixels} pixels, the limit is {max_pixels}")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        image = _high_byte(image)
    if image.mode in ("I", "F"):
        pixels = "32-bit integer" if image.mode == "I" else "floating-point"
        raise ImageError(f"{pixels} pixels have no defined range: convert it to 8 or 16 bits")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    """16-bit gray as 8 bits (Pillow's own conversion clips at 255; its 16-bit colour keeps the high byte)."""
    values = np.asarray(image)
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(258, (16,))[0]  # TIFF also has 12 bits, and a photometric tag 0: white is zero
    if tags.get(262) == 0:
        values = (1 << bits) - 1 - values
    gray = Image.fromarray((values >> (bits - 8)).astype(np.uint8))
    if "transparency" in image.info:  # the one value that PNG declares see-through
        opaque = values != image.info["transparency"]
        gray.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
    return gray


def _turn_upright(rgb: Image.Image, opened: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(opened))
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # broken EXIF says nothing about the pixels: as if there were none
        return 1
    return value if isinstance(value, int) else 1


def _what_is_damaged(kind: str, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"truncated or damaged {kind}: its header cannot be read"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {_one_line(error)}"
    if "truncated" in str(error).lower():
        return f"truncated {kind}: the file ends before the picture does"
    return f"truncated or damaged {kind}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(text.split()))[:200]


class _PillowInThisThread:
    """Takes the place of a warning filter's module pattern: Pillow's modules, while this thread decodes.

    `warnings.catch_warnings` swaps the process's filters, which threads cannot do at the same time. One
    filter that stays, and asks the thread, can be shared.
    """

    def __init__(self) -> None:
        self._thread = threading.local()
        self._filter: Any = ("ignore", None, Warning, self, 0)

    def match(self, module: str) -> bool:
        return getattr(self._thread, "decoding", False) and module.startswith("PIL.")

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        filters: Any = warnings.filters
        if self._filter not in filters:  # the first time, or when somebody reset the filters
            filters.insert(0, self._filter)
        self._thread.decoding = True
        try:
            yield
        finally:
            self._thread.decoding = False


_quiet_pillow = _PillowInThisThread()
