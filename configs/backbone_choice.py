"""Which architecture a training run is of: the model's that it starts from, or the one that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.model_file import Model

WITHOUT_A_MODEL = "googlenet"


class AuxiliarySettings(Protocol):
    """Of the head."""

    @property
    def auxiliary(self) -> float: ...


class StartSettings(Protocol):
    """What a training configuration says of the network that it starts from."""

    @property
    def model(self) -> str | None: ...
    @property
    def backbone(self) -> str | None: ...
    @property
    def head(self) -> AuxiliarySettings: ...


def load_start(config: StartSettings) -> Model | None:
    """The model that training starts from; None: random weights.

    Raises:
        ModelFileError, DownloadError, ValueError: one sentence that says what to do; also as `architecture_of`.
    """
    from detect.model_file import load_model
    from detect.model_zoo import find_model_file

    model = None if config.model is None else load_model(find_model_file(config.model))
    architecture_of(config, model)
    return model


def architecture_of(config: StartSettings, model: Model | None) -> str:
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
