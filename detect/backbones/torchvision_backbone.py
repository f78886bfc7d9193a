"""A network of torchvision's behind the detector's interface: what all of these have in common."""

from __future__ import annotations

from torch import nn

from detect.backbones.backbone import Backbone
from detect.input_format import TORCHVISION_INPUT
from detect.modules.global_average_pooling import GlobalAveragePooling


class TorchvisionBackbone(Backbone):
    """A network of torchvision's, as `network`, without its auxiliary classifiers; the heads beside it are ours.

    torchvision's builders, given weights, silently set `transform_input=True`: the network then expects images
    normalised with ImageNet's mean and deviation and converts them to pixel / 127.5 − 1 itself. Here networks are
    built without that step and fed pixel / 127.5 − 1 (`TORCHVISION_INPUT`), which is the same function.

    Args:
        network: whose last layers are called `dropout` and `fc`.
        num_classes: outputs of the auxiliary classifiers.
        auxiliary, box_outputs, box_cells: see `GoogLeNet`.
    """

    input_format = TORCHVISION_INPUT
    classifier_name = "network.fc"

    def __init__(
        self, network: nn.Module, num_classes: int, *, auxiliary: bool, box_outputs: int, box_cells: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.average = GlobalAveragePooling()
        self.add_auxiliary(num_classes, auxiliary)
        self.add_box_regressor(box_outputs, cells=box_cells)

    @property
    def dropout(self) -> nn.Dropout:  # type: ignore[override]
        """Before the classifier."""
        layer = self.network.dropout
        assert isinstance(layer, nn.Dropout)
        return layer

    @property
    def classifier(self) -> nn.Linear:  # type: ignore[override]
        """The linear layer on the features."""
        layer = self.network.fc
        assert isinstance(layer, nn.Linear)
        return layer
