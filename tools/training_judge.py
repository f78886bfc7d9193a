"""What validates a run: the weights as they would be saved, on the images that were held back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from torch import Tensor

    from detect.training.training_report import Summary

BEFORE = "before.json"
VALIDATED_ON = "validated_on"  # in it: what a comparison with it takes for granted


class Judge:
    """Validates weights in training, and remembers what they were worth before the first step.

    Args:
        out: gets `before.json` after the validation of step 0.
        validate: a state dict → what is reported of it, and the figures that are logged.
        validated_on: all that a resumed run may change and that changes the figures of the same weights.
    Attributes:
        last: the last validation's summary; None before the first.
    """

    def __init__(
        self,
        *,
        out: Path,
        validate: Callable[[dict[str, Tensor]], tuple[Summary, Mapping[str, float]]],
        validated_on: Mapping[str, Any],
    ) -> None:
        self._out, self._validate, self._validated_on = out, validate, dict(validated_on)
        self.last: Summary | None = None

    def __call__(self, step: int, state: dict[str, Tensor]) -> Mapping[str, float]:
        """Judge a state; what comes out at step 0 is kept as what was before."""
        import torch

        from detect.whole_files import write_whole

        with torch.no_grad():
            self.last, metrics = self._validate(state)
        if step == 0:
            content = {**self.last, VALIDATED_ON: self._validated_on}
            write_whole(self._out / BEFORE, json.dumps(content, indent=2).encode() + b"\n")
        return metrics

    def before(self) -> Summary | None:
        """What was measured before the first step, maybe by an earlier session of this run; None: nothing was.

        Raises:
            NotComparable: if other images, or in another way, were judged then.
        """
        try:
            found = json.loads((self._out / BEFORE).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict):
            return None
        if found.get(VALIDATED_ON) != self._validated_on:
            raise NotComparable
        return found


class NotComparable(Exception):
    """What was measured before training was measured on something else."""
