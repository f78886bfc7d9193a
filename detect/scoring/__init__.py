"""How good detections are, by ILSVRC's, VOC's and COCO's rules, and why."""

from detect.scoring.analysis import Analysis, analyse
from detect.scoring.blacklist import read_blacklist
from detect.scoring.protocols import evaluate
from detect.scoring.results import HIT, IGNORED, MISS, PROTOCOLS, ClassScore, Evaluation, Protocol

__all__ = [
    "HIT",
    "IGNORED",
    "MISS",
    "PROTOCOLS",
    "Analysis",
    "ClassScore",
    "Evaluation",
    "Protocol",
    "analyse",
    "evaluate",
    "read_blacklist",
]
