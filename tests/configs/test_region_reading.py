"""How regions are read: the same words and bounds as the code that reads them."""

from __future__ import annotations

import re

import pytest

from configs.data_config import DataConfig
from configs.detection import DetectionConfig
from configs.region_reading import LONG_SIDE, REGIONS, SHORT_SIDE, check_short_sides
from configs.training import ClassifierTrainingConfig
from detect import model_info, shared_regions


def test_the_choices_and_bounds_are_those_of_the_code_that_uses_them() -> None:
    assert model_info.REGIONS == REGIONS
    assert (shared_regions.STRIDE, shared_regions.SharedSettings().long_side) == (SHORT_SIDE, LONG_SIDE)
    config = ClassifierTrainingConfig(data=(DataConfig("voc", "tree"),))
    assert config.short_sides == shared_regions.SharedSettings().short_sides == model_info.SHORT_SIDES


def test_bounds() -> None:
    check_short_sides((16, 1000))
    for sides in ((), (15,), (600, 1001)):
        with pytest.raises(
            ValueError, match=re.escape(f"--short-sides: expected some, of 16 to 1000 pixels, got {list(sides)}")
        ):
            check_short_sides(sides)
        with pytest.raises(ValueError, match="--short-sides: expected some"):
            DetectionConfig(short_sides=sides)
