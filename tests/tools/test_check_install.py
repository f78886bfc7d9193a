"""The check that `make` runs after installing."""

from __future__ import annotations

import pytest

from proposals.opencv_contrib import OpenCVError
from tools import check_install


def test_this_environment_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_install.main() == 0
    assert tuple(capsys.readouterr()) == ("", "")


def test_a_broken_one_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OpenCVError("2 packages provide cv2; cure: pip")

    monkeypatch.setattr(check_install, "check_one_opencv", broken)
    assert check_install.main() == 1
    assert capsys.readouterr().err == "googlenet-rcnn: 2 packages provide cv2; cure: pip\n"
