"""How a model's regions are read: from shared maps, or each warped by itself."""

from __future__ import annotations

from detect.backbones.registry import backbone_named
from detect.model_info import REGIONS, ModelInfo
from detect.shared_regions import SharedSettings


def shared_settings(
    info: ModelInfo, *, regions: str | None = None, short_sides: tuple[int, ...] | None = None
) -> SharedSettings | None:
    """How a model's regions are read from shared maps; None: each is warped.

    Args:
        regions: "warp" or "shared"; None: the first that the model was trained for.
        short_sides: None: the model's.
    Raises:
        ValueError: if `regions` is something else, or a short side is out of range.
    """
    if regions is not None and regions not in REGIONS:
        raise ValueError(f"regions: expected one of {', '.join(REGIONS)}, got {regions!r}")
    if (regions or info.regions[0]) != "shared":
        return None
    return SharedSettings(
        short_sides=info.short_sides if short_sides is None else tuple(short_sides),
        context=info.context,
        grid=backbone_named(info.architecture).grid,
    )
