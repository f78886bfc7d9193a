"""Which file of a folder is the photo of which image of a ground truth."""

from __future__ import annotations

from pathlib import Path

from detect.ground_truth import GroundTruth
from detect.image_sources import find_images
from detect.proposal_folder import match_images


def find_photos(truth: GroundTruth, folder: Path) -> dict[int, Path]:
    """{position of an image: its file}, for the images that the folder or its sub-folders have.

    Names mean the same image as in `match_images`: by path, by the end of the path, by bare name.

    Raises:
        ValueError: if it is no folder, has no photo of any of the images, or a name could mean several.
    """
    if not folder.is_dir():
        raise ValueError(f"--images: expected a folder, got {folder}")
    files = {image.name: image.path for image in find_images([str(folder)]).images if image.error is None}
    matched = match_images(truth.images, files, option="--images")
    photos = {position: files[name] for position, name in enumerate(matched) if name is not None}
    if truth.images and not photos:
        raise ValueError(
            f"--images: {folder} has no picture of any image of the ground truth, such as {truth.images[0]}"
        )
    return photos
