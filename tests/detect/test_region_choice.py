"""Shared or warped, as the model was trained for unless told otherwise."""

from __future__ import annotations

import dataclasses

import pytest

from detect.model_file import bvlc_info
from detect.region_choice import shared_settings
from detect.shared_regions import SharedSettings


def test_how_regions_are_read() -> None:
    info = bvlc_info()
    assert shared_settings(info) is None
    assert shared_settings(info, regions="shared") == SharedSettings(short_sides=(600,), context=info.context)
    both = dataclasses.replace(info, regions=("warp", "shared"), short_sides=(300,))
    assert shared_settings(both) is None
    assert shared_settings(both, regions="shared") == SharedSettings(short_sides=(300,), context=info.context)
    with pytest.raises(ValueError, match="short_sides: expected some, of 16 to 1000 pixels"):
        shared_settings(both, regions="shared", short_sides=(2000,))
    with pytest.raises(ValueError, match="regions: expected one of warp, shared, got 'Shared'"):
        shared_settings(info, regions="Shared")
