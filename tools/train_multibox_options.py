"""The flags of `googlenet-rcnn train multibox`: those of the configuration, and what to do with the output folder."""

from __future__ import annotations

import dataclasses
from typing import Any

from jsonargparse import Namespace

from configs.multibox_training import (
    MultiBoxHeadConfig,
    MultiBoxLossConfig,
    MultiBoxSamplingConfig,
    MultiBoxTrainingConfig,
    MultiBoxValidationConfig,
)
from configs.training import OptimisationConfig
from tools.parser import Parser, make_parser
from tools.train_options import DataAsWritten, add_folder_options, as_written, data_sets

DESCRIPTION = """Train MultiBox: a network that looks once at a whole picture and says where objects are.

  googlenet-rcnn train multibox --config configs/train_multibox_generated.yaml --out OUT    minutes, needs no data
  googlenet-rcnn train multibox --config configs/train_multibox_photos.yaml --data_root DATA --out OUT
  googlenet-rcnn train multibox --config CONFIG --out OUT --check-data                look before hours are spent
  googlenet-rcnn train multibox --config CONFIG --out OUT --resume                    continue after a stop
  googlenet-rcnn propose PHOTOS --method both --multibox OUT/model.safetensors --out BOXES    use the result

Data sets are named as for `train classifier`; MultiBox learns from their boxes, whatever is in them. Pictures that are
annotated for one class only (CLS-LOC) teach where objects are, and nothing about where there is none.

OUT/model.safetensors is the model; OUT/run.json says how it was made and how many objects of pictures held back its
boxes cover, OUT/curves.png shows the training, OUT/coverage.png the coverage before and after, OUT/logs what
TensorBoard shows. Every setting below may stand in the --config file, or be given as a flag, which wins.

Exit status: 0 done; 3 done, some images could not be read, or --check-data found something wrong; 2 wrong usage,
configuration or data; 1 anything else."""

_PARTS: dict[str, type[Any]] = {
    "head": MultiBoxHeadConfig,
    "sampling": MultiBoxSamplingConfig,
    "loss": MultiBoxLossConfig,
    "optimisation": OptimisationConfig,
}


@dataclasses.dataclass(frozen=True)
class _ValidationAsWritten(MultiBoxValidationConfig):
    data: tuple[DataAsWritten, ...] = ()


@dataclasses.dataclass(frozen=True)
class _ConfigAsWritten(MultiBoxTrainingConfig):
    data: tuple[DataAsWritten, ...]
    validation: _ValidationAsWritten = dataclasses.field(default_factory=_ValidationAsWritten)


as_written(_ValidationAsWritten, MultiBoxValidationConfig)
as_written(_ConfigAsWritten, MultiBoxTrainingConfig)


def build_parser() -> Parser:
    """The parser of `train multibox`."""
    parser = make_parser(DESCRIPTION)
    add_folder_options(parser)
    parser.add_class_arguments(_ConfigAsWritten)
    parser.accept_dashes()
    return parser


def config_of(options: Namespace) -> MultiBoxTrainingConfig:
    """The configuration that the flags and the file came to.

    Raises:
        ValueError: naming the setting that is out of range.
    """
    values = {field.name: options[field.name] for field in dataclasses.fields(MultiBoxTrainingConfig)}
    values["data"] = data_sets(options.data)
    validation = vars(options.validation) | {"data": data_sets(options.validation.data)}
    values["validation"] = MultiBoxValidationConfig(**validation)
    for name, part in _PARTS.items():
        values[name] = part(**vars(options[name]))
    return MultiBoxTrainingConfig(**values)
