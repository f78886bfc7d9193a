"""Which architecture a training run is of: the model's that it starts from, or the one that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configs.training import ClassifierTrainingConfig

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.model_file import Model

WITHOUT_A_MODEL = "googlenet"


def architecture_of(config: ClassifierTrainingConfig, model: Model | None) -> str:
    """Its name.

    Args:
        model: that training starts from; None: random weights.
    Raises:
        ValueError: if there is no such architecture, the model is of another, or it has no auxiliary classifiers and
            they are to be trained.
    """
    from detect.backbones.registry import backbone_named

    if config.backbone is not None:
        backbone_named(config.backbone)
    chosen = config.backbone or WITHOUT_A_MODEL if model is None else model.info.architecture
    if config.backbone not in (None, chosen):
        raise ValueError(
            f"backbone: expected {chosen}, which the model {config.model} is, or a run from random weights "
            f"(model: null), got {config.backbone}"
        )
    if config.head.auxiliary > 0 and not backbone_named(chosen).auxiliary_channels:
        raise ValueError(
            f"head.auxiliary: expected 0 with {chosen}, which has no auxiliary classifiers, got {config.head.auxiliary}"
        )
    return chosen
