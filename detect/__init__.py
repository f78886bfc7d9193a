"""Images in, scored boxes out.

`Detector` and `Detections` are looked up on first use, so that importing a small part of the package (a reader, a
table) does not wait for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detect.detections import Detections
    from detect.detector import Detector

__all__ = ["Detections", "Detector"]


def __getattr__(name: str) -> Any:
    if name == "Detector":
        from detect.detector import Detector

        return Detector
    if name == "Detections":
        from detect.detections import Detections

        return Detections
    raise AttributeError(f"module 'detect' has no attribute {name!r}")
