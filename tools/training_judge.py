"""What validates a run: the weights as they would be saved, on the images that were held back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.training import ClassifierTrainingConfig
from configs.training_data import TrainingData

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    import torch
    from torch import Tensor

    from detect.model_info import ModelInfo
    from detect.training.proposal_store import ProposalStore
    from detect.training.training_module import RegionTraining
    from detect.training.training_report import Summary

BEFORE = "before.json"
VALIDATED_ON = "validated_on"  # in it: what a comparison with it takes for granted


class Judge:
    """Validates weights in training, with what is carried over to classes without boxes.

    Args:
        out: gets `before.json` after the validation of step 0.
        start: weight and bias of the classifier before the first step.
    Attributes:
        last: the last validation's summary; None before the first.
    """

    def __init__(
        self,
        *,
        config: ClassifierTrainingConfig,
        data: TrainingData,
        info: ModelInfo,
        start: tuple[Tensor, Tensor],
        store: ProposalStore,
        device: torch.device,
        out: Path,
    ) -> None:
        self._config, self._data, self._info, self._start = config, data, info, start
        self._store, self._device, self._out = store, device, out
        self.last: Summary | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to validate on, and the configuration asks for it."""
        return self._data.held_back is not None and self._config.validation.every != 0

    def __call__(self, step: int, state: dict[str, Tensor]) -> Mapping[str, float]:
        """Detect on the held-back images; the result of step 0 is kept as what was before."""
        import torch

        from detect.training.training_report import validation_summary
        from detect.training.validation import model_of, validate
        from detect.whole_files import write_whole

        held_back = self._data.held_back
        assert held_back is not None
        hashes = self._data.hashes_of(held_back)
        with torch.no_grad():
            result = validate(
                model_of(self._info, self._carried(state)),
                held_back,
                lambda index: self._store.boxes(hashes[index]),
                limit=self._config.validation.limit,
                device=str(self._device),
                precision=self._config.optimisation.precision,
                workers=self._config.workers,
            )
        self.last = validation_summary(result)
        if step == 0:
            content = {**self.last, VALIDATED_ON: self._validated_on()}
            write_whole(self._out / BEFORE, json.dumps(content, indent=2).encode() + b"\n")
        return result.metrics

    def state_of(self, module: RegionTraining) -> dict[str, Tensor]:
        """The averaged weights, with what is carried over: what is saved."""
        return self._carried(module.averaged_state())

    def before(self) -> Summary | None:
        """What was measured before the first step, maybe by an earlier session of this run; None: nothing was.

        Raises:
            NotComparable: if other images, boxes or numbers of proposals were judged then.
        """
        try:
            found = json.loads((self._out / BEFORE).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict):
            return None
        if found.get(VALIDATED_ON) != self._validated_on():
            raise NotComparable
        return found

    def _validated_on(self) -> dict[str, Any]:
        """All that a resumed run may change and that changes the figures of the same weights."""
        held_back = self._data.held_back
        assert held_back is not None
        digest = hashlib.sha256("\n".join(self._data.hashes_of(held_back)).encode())
        arrays = (held_back.image_of, held_back.boxes, held_back.targets, held_back.allowed, held_back.background)
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        return {
            "images": len(held_back),
            "limit": self._config.validation.limit,
            "content": digest.hexdigest()[:16],
        }

    def _carried(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        from configs.training_parts import carried_over

        start = (self._start[0].to(self._device), self._start[1].to(self._device))
        here = {name: value.to(self._device) for name, value in state.items()}
        return carried_over(self._config, self._info, self._data, start, here)


class NotComparable(Exception):
    """What was measured before training was measured on something else."""
