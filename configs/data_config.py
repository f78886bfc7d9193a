"""What a training configuration says of a data set."""

from __future__ import annotations

from dataclasses import dataclass

from configs.ranges import check_choice, check_least, check_range

DATA_KINDS = ("ilsvrc_det", "ilsvrc_loc", "voc", "coco", "generated", "empty")


@dataclass(frozen=True)
class DataConfig:
    """One data set.

    Attributes:
        kind: ilsvrc_det (a tree with Annotations/DET), ilsvrc_loc (Annotations/CLS-LOC), voc, coco; generated (drawn
            pictures of shapes), empty (drawn pictures that show none of the 200 classes).
        path: the tree; of coco, the json file; of generated and empty, the number of images to draw. Relative paths,
            also those of `images` and `image_list`, are below the configuration's `data_root`.
        images: folder of the image files, where it is not in its usual place (coco needs it).
        image_list: file of names to keep; None: all.
        split: of an ILSVRC tree: val, train, …; None: val, or else the only one.
        weight: how often each image is seen in an epoch.
        most_per_class: images kept of each class, chosen by seed; None: all. R-CNN on ILSVRC takes the first N
            boxes per class of train.
    """

    kind: str
    path: str
    images: str | None = None
    image_list: str | None = None
    split: str | None = None
    weight: float = 1.0
    most_per_class: int | None = None

    def __post_init__(self) -> None:
        check_choice("data.kind", self.kind, DATA_KINDS)
        check_least("data.most_per_class", self.most_per_class, 1)
        check_range("data.weight", self.weight, above=0.0)
