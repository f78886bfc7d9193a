"""What the file with the proposals of an image is called."""

from __future__ import annotations

from pathlib import PurePosixPath

from detect.picture_names import fitted

SUFFIX = ".npz"


def proposal_name(image: str) -> str:
    """The image's whole name with .npz behind it, so that `a.jpg` and `a.png` of a folder do not share one.

    `sub/a.jpg` → `sub/a.jpg.npz`. A name that gets too long for a file is cut, with a digest of the whole in place
    of the end.
    """
    path = PurePosixPath(image)
    return str(path.with_name(fitted(path.name + SUFFIX, SUFFIX)))
