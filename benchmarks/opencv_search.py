"""OpenCV's selective search as a user calls it, on the picture that ours searches."""

from __future__ import annotations

import numpy as np

from proposals.opencv_contrib import require_ximgproc
from proposals.search_scale import boxes_at_size, resized, search_size

SWITCHES = {"fast": "switchToSelectiveSearchFast", "quality": "switchToSelectiveSearchQuality"}


def opencv_boxes(image_rgb: np.ndarray, mode: str, *, search_width: int = 500, min_side: int = 1) -> np.ndarray:
    """(N, 4) float32 xyxy pixels of the image, in OpenCV's own order.

    The order is the C library's `rand()` times the level of a region, smallest first, where the level counts from the
    superpixels up: the first merges tend to come first and the largest regions last, the paper's order reversed (a
    comment in OpenCV's source says so). The state of `rand()` is the same at the start of every process and goes on
    from call to call: a second search of a picture finds the same boxes in another order. `cv2.setRNGSeed` does not
    change that.

    Args:
        image_rgb: (H, W, 3) uint8.
        mode: "fast" or "quality".
        search_width: pixels, as in `proposals.selective_search`.
        min_side: boxes narrower or lower at the searched size are dropped; OpenCV itself drops none.
    """
    size = (image_rgb.shape[0], image_rgb.shape[1])
    searched = search_size(size, search_width)
    search = require_ximgproc().createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(resized(image_rgb, searched)[:, :, ::-1]))
    getattr(search, SWITCHES[mode])()
    found = np.asarray(search.process(), np.int32).reshape(-1, 4)
    x, y, width, height = found[(found[:, 2:] >= min_side).all(axis=1)].T
    return boxes_at_size(np.stack((x, y, x + width - 1, y + height - 1), axis=1), searched, size)
