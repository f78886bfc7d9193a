"""The flags of `googlenet-rcnn train backbone`: those of the configuration, and what to do with the output folder."""

from __future__ import annotations

import dataclasses
from typing import Any

from jsonargparse import Namespace

from configs.backbone_training import (
    BackboneHeadConfig,
    BackboneTrainingConfig,
    BackboneValidationConfig,
    LabelledDataConfig,
    ViewConfig,
)
from configs.training import OptimisationConfig
from tools.parser import Parser, make_parser
from tools.train_options import add_folder_options

DESCRIPTION = """Train a classification network on images with a class each, as GoogLeNet was (section 6).

  googlenet-rcnn train backbone --config configs/train_backbone_objects.yaml --data_root DATA --out OUT
  googlenet-rcnn train backbone --config configs/train_backbone_cifar10.yaml --data_root DATA --out OUT
  googlenet-rcnn train backbone --data.kind folders --data.path TREE --backbone nin --head.auxiliary 0 --out OUT
  googlenet-rcnn train backbone --data.kind folders --data.path TREE --model bvlc_googlenet --out OUT    fine-tune
  googlenet-rcnn train backbone --config CONFIG --out OUT --check-data                look before hours are spent
  googlenet-rcnn train backbone --config CONFIG --out OUT --resume                    continue after a stop
  googlenet-rcnn evaluate classification --model OUT/model.safetensors --images TREE --out SCORES    use the result

A configuration names its data so, and what judges a run if it is not to be a part of that:

  data: {kind: folders, path: TREE, split: train}             # TREE/train has a folder for each class
  validation: {data: {kind: folders, path: TREE, split: val}}
  data: {kind: ilsvrc_loc, path: ILSVRC}                      # Data/CLS-LOC/train, its 1000 classes
  data: {kind: cifar10, path: cifar-10-binary.tar.gz}         # not the python version, which is pickled

OUT/model.safetensors is the network, without auxiliary classifiers; OUT/run.json says how it was made and its top-1 and
top-5 accuracy on images held back, OUT/classes.csv that of each class before and after, OUT/curves.png shows the
training, OUT/logs what TensorBoard shows. `train classifier --model` makes a detector of it. Every setting below may
stand in the --config file, or be given as a flag, which wins.

Exit status: 0 done; 3 done, some images could not be read, or --check-data found something wrong; 2 wrong usage,
configuration or data; 1 anything else."""

_PARTS: dict[str, type[Any]] = {
    "data": LabelledDataConfig,
    "head": BackboneHeadConfig,
    "sampling": ViewConfig,
    "optimisation": OptimisationConfig,
}


def build_parser() -> Parser:
    """The parser of `train backbone`."""
    parser = make_parser(DESCRIPTION)
    add_folder_options(parser)
    parser.add_class_arguments(BackboneTrainingConfig)
    parser.accept_dashes()
    return parser


def config_of(options: Namespace) -> BackboneTrainingConfig:
    """The configuration that the flags and the file came to.

    Raises:
        ValueError: naming the setting that is out of range.
    """
    values = {field.name: options[field.name] for field in dataclasses.fields(BackboneTrainingConfig)}
    for name, part in _PARTS.items():
        values[name] = part(**vars(options[name]))
    further = options.validation.data
    data = None if further is None else LabelledDataConfig(**vars(further))
    values["validation"] = BackboneValidationConfig(**vars(options.validation) | {"data": data})
    return BackboneTrainingConfig(**values)
