from __future__ import annotations

import pytest

from detect.backbones.registry import BACKBONES, backbone_named
from detect.googlenet import GoogLeNet


def test_all_by_their_own_names() -> None:
    assert list(BACKBONES) == ["googlenet", "googlenet_naive", "googlenet_bn", "nin", "inception_v2", "inception_v3"]
    assert all(kind.name == name for name, kind in BACKBONES.items())
    assert backbone_named("googlenet") is GoogLeNet


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("inception_v4", r" \(did you mean inception_v\d\?\)"),
        ("gogglenet", r" \(did you mean googlenet\?\)"),
        ("vgg", ""),
    ],
)
def test_an_unknown_one(name: str, hint: str) -> None:
    known = "googlenet or googlenet_naive or googlenet_bn or nin or inception_v2 or inception_v3"
    with pytest.raises(ValueError, match=f"^architecture: expected {known}, got '{name}'{hint}$"):
        backbone_named(name)
