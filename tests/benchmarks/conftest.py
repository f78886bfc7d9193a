"""Benchmarks are scripts that import each other by name, as Python finds them when one is run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
sys.path.append(str(Path(__file__).parents[1] / "detect" / "training"))  # labelled_photos
sys.path.append(str(Path(__file__).parents[1] / "detect"))  # annotation_trees
