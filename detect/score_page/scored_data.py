"""What a page is about."""

from __future__ import annotations

from dataclasses import dataclass

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.analysis_results import Analysis
from detect.scoring.results import Evaluation


@dataclass(frozen=True)
class ScoredData:
    """What is scored, how well, and why; `analysis` is None where nobody asked why."""

    truth: GroundTruth
    predictions: Predictions
    evaluation: Evaluation
    analysis: Analysis | None
