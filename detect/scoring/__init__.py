"""How good detections are: ILSVRC's, VOC's and COCO's rules."""

from detect.scoring.blacklist import read_blacklist
from detect.scoring.protocols import evaluate
from detect.scoring.results import HIT, IGNORED, MISS, PROTOCOLS, ClassScore, Evaluation, Protocol

__all__ = [
    "HIT",
    "IGNORED",
    "MISS",
    "PROTOCOLS",
    "ClassScore",
    "Evaluation",
    "Protocol",
    "evaluate",
    "read_blacklist",
]
