"""OpenCV's contrib modules: missing ones, and packages that overwrite each other, are said with the cure."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import pytest

from proposals import opencv_contrib
from proposals.opencv_contrib import CURE, OpenCVError, check_one_opencv, opencv_distributions, require_ximgproc


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    packages = [SimpleNamespace(metadata={"Name": name}) for name in names]
    monkeypatch.setattr(opencv_contrib, "distributions", lambda: packages)


def test_this_environment_has_one_opencv_with_selective_search() -> None:
    check_one_opencv()
    assert len(opencv_distributions()) == 1
    assert hasattr(require_ximgproc(), "createSelectiveSearchSegmentation")


def test_names_are_told_apart_from_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "OpenCV_Python", "numpy", "opencv-stubs", "opencv-contrib-python-headless")
    assert opencv_distributions() == ["opencv-contrib-python-headless", "opencv-python"]


def test_a_package_without_a_name_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [SimpleNamespace(metadata={"Name": None}), SimpleNamespace(metadata={"Name": "opencv-python"})]
    monkeypatch.setattr(opencv_contrib, "distributions", lambda: packages)
    assert opencv_distributions() == ["opencv-python"]


def test_two_packages_are_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "opencv-python", "opencv-contrib-python")
    with pytest.raises(OpenCVError) as caught:
        check_one_opencv()
    assert str(caught.value) == f"2 packages provide cv2 (opencv-contrib-python, opencv-python); cure: {CURE}"
    assert "\n" not in str(caught.value)


def test_missing_contrib_modules_are_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "opencv-python-headless")
    monkeypatch.delattr(cv2, "ximgproc")
    for check in (require_ximgproc, check_one_opencv):
        with pytest.raises(OpenCVError) as caught:
            check()
        assert str(caught.value) == f"cv2.ximgproc is missing (opencv-python-headless installed); cure: {CURE}"


def test_no_opencv_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    monkeypatch.delattr(cv2, "ximgproc")
    with pytest.raises(OpenCVError, match=r"cv2\.ximgproc is missing \(no OpenCV package installed\)"):
        require_ximgproc()
