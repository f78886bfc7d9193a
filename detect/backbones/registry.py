"""All architectures by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from detect.backbones.backbone import Backbone
from detect.backbones.googlenet_naive import GoogLeNetNaive
from detect.backbones.inception_v2 import InceptionV2
from detect.backbones.inception_v3 import InceptionV3
from detect.backbones.nin import NIN
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN

_ALL: tuple[type[Backbone], ...] = (GoogLeNet, GoogLeNetNaive, GoogLeNetBN, NIN, InceptionV2, InceptionV3)
BACKBONES: Mapping[str, type[Backbone]] = MappingProxyType({kind.name: kind for kind in _ALL})


def backbone_named(name: str) -> type[Backbone]:
    """The architecture of that name, to be built.

    Raises:
        ValueError: if there is none, with the nearest name and all names.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(str(name), BACKBONES, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise ValueError(f"architecture: expected {' or '.join(BACKBONES)}, got {name!r}{hint}")
