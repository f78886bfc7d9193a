"""From a model's proposal setting to the function that proposes."""

from __future__ import annotations

from functools import partial

from detect.model_info import ProposalSetting
from detect.multibox_file import MultiBoxModel, build_multibox, find_multibox_file, load_multibox
from detect.torch_threads import heeding_torch_threads
from proposals import selective_search
from proposals.merged_proposals import UNCALIBRATED, merge
from proposals.multibox import MultiBoxSettings
from proposals.proposals import Proposer


def build_proposer(
    setting: ProposalSetting, *, seed: int = 0, device: str = "auto", precision: str = "auto"
) -> Proposer:
    """Image → its best proposals, as the setting says; several threads may call it.

    Args:
        seed: of the ranking of selective search.
        device, precision: of MultiBox.
    Raises:
        ModelFileError, ValueError: one sentence that says what to do.
    """
    search = partial(selective_search, mode=setting.mode, superpixel_scale=setting.superpixel_scale, seed=seed)
    if setting.method == "selective_search":
        return lambda image: search(image).best(setting.limit)
    model = load_multibox(find_multibox_file(setting.multibox))
    multibox = _multibox(model, setting.multibox_limit, device, precision)
    if setting.method == "multibox":
        return lambda image: multibox(image).best(setting.limit)
    calibration = model.info.merge or UNCALIBRATED
    return lambda image: merge(search(image), multibox(image), calibration).best(setting.limit)


def _multibox(model: MultiBoxModel, limit: int, device: str, precision: str) -> Proposer:
    settings = MultiBoxSettings(limit=limit)
    return heeding_torch_threads(build_multibox(model, device=device, precision=precision, settings=settings))
