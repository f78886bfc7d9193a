"""OpenCV's own selective search lives in its contrib modules; this says plainly when they are missing."""

from __future__ import annotations

from importlib.metadata import distributions
from types import ModuleType

CURE = (
    "pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python-headless opencv-contrib-python "
    "&& pip install opencv-contrib-python"
)


class OpenCVError(ImportError):
    """One sentence: what is wrong with the installed OpenCV, and the command that cures it."""


def opencv_distributions() -> list[str]:
    """Installed packages that provide `cv2`, sorted. More than one overwrite each other's files."""
    names = {str(d.metadata["Name"]).lower().replace("_", "-") for d in distributions()}
    return sorted(name for name in names if name.startswith("opencv-") and "python" in name)


def require_ximgproc() -> ModuleType:
    """OpenCV's `cv2.ximgproc.segmentation`, the reference selective search.

    Raises:
        OpenCVError: if this OpenCV was built or overwritten without it.
    """
    import cv2

    ximgproc = getattr(cv2, "ximgproc", None)
    if ximgproc is None:
        found = " and ".join(opencv_distributions()) or "no OpenCV package"
        raise OpenCVError(f"cv2.ximgproc is missing ({found} installed); cure: {CURE}")
    segmentation: ModuleType = ximgproc.segmentation
    return segmentation


def check_one_opencv() -> None:
    """Raises OpenCVError if several packages provide `cv2`, or the one that does lacks the contrib modules."""
    found = opencv_distributions()
    if len(found) > 1:
        raise OpenCVError(f"{len(found)} packages provide cv2 ({', '.join(found)}); cure: {CURE}")
    require_ximgproc()
