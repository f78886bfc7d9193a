"""The flags of `googlenet-rcnn train classifier`: those of the configuration, and what to do with the output folder."""

from __future__ import annotations

import dataclasses
from typing import Any

from jsonargparse import Namespace

from configs.data_config import DataConfig
from configs.training import (
    ClassifierTrainingConfig,
    DistillationConfig,
    HeadConfig,
    OptimisationConfig,
    ValidationConfig,
)
from configs.training_regions import DetectionDefaultsConfig, SamplingConfig, TrainProposalConfig
from tools.parser import Parser, make_parser

DESCRIPTION = """Fine-tune a network into a detector.

  googlenet-rcnn train classifier --config configs/train_generated.yaml --out OUT          minutes, needs no data
  googlenet-rcnn train classifier --config configs/train_voc.yaml --data_root DATA --out OUT
  googlenet-rcnn train classifier --config CONFIG --out OUT --check-data                    look before hours are spent
  googlenet-rcnn train classifier --config CONFIG --out OUT --resume                        continue after a stop
  googlenet-rcnn detect PHOTOS --model OUT/model.safetensors --out FOUND                    use the result

A configuration names its data sets so (all the fields of an entry: --data.help):

  data_root: DATA
  data:
    - {kind: voc, path: VOC2012}                                   # below DATA
    - {kind: coco, path: instances.json, images: train2017, weight: 0.5}
    - {kind: generated, path: 120}                                 # alone: 120 pictures that are drawn

OUT/model.safetensors is the detector; OUT/run.json says how it was made and how good it is on images held back,
OUT/curves.png shows the training, OUT/classes.png the AP of each class before and after, OUT/logs what TensorBoard
shows. Every setting below may stand in the --config file, or be given as a flag, which wins.

Exit status: 0 done; 3 done, some images could not be read, or --check-data found something wrong; 2 wrong usage,
configuration or data; 1 anything else."""

_PARTS: dict[str, type[Any]] = {
    "proposals": TrainProposalConfig,
    "sampling": SamplingConfig,
    "head": HeadConfig,
    "distillation": DistillationConfig,
    "optimisation": OptimisationConfig,
    "detection": DetectionDefaultsConfig,
}


@dataclasses.dataclass(frozen=True)
class DataAsWritten(DataConfig):
    """An entry of `data` as a file may have it."""

    path: str | int  # type: ignore[assignment]  # a number of pictures to draw needs no quotes


@dataclasses.dataclass(frozen=True)
class _ValidationAsWritten(ValidationConfig):
    data: tuple[DataAsWritten, ...] = ()


@dataclasses.dataclass(frozen=True)
class _ConfigAsWritten(ClassifierTrainingConfig):
    data: tuple[DataAsWritten, ...]
    validation: _ValidationAsWritten = dataclasses.field(default_factory=_ValidationAsWritten)


def as_written(written: type[Any], config: type[Any]) -> None:
    """Let `--help` speak of the configuration's own class."""
    written.__doc__, written.__name__ = config.__doc__, config.__name__


as_written(DataAsWritten, DataConfig)
as_written(_ValidationAsWritten, ValidationConfig)
as_written(_ConfigAsWritten, ClassifierTrainingConfig)


def build_parser() -> Parser:
    """The parser of `train classifier`."""
    parser = make_parser(DESCRIPTION)
    add_folder_options(parser)
    parser.add_class_arguments(_ConfigAsWritten)
    parser.accept_dashes()
    return parser


def add_folder_options(parser: Parser) -> None:
    """Where the settings come from, and what becomes of the output folder."""
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.add_argument("--out", type=str, required=True, help="folder for the model and everything about the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in OUT, or start one")
    parser.add_argument("--overwrite", action="store_true", help="delete the run in OUT first")
    parser.add_argument(
        "--check-data", action="store_true", help="read and count all data, say what is wrong with it, and stop"
    )


def config_of(options: Namespace) -> ClassifierTrainingConfig:
    """The configuration that the flags and the file came to.

    Raises:
        ValueError: naming the setting that is out of range.
    """
    values = {field.name: options[field.name] for field in dataclasses.fields(ClassifierTrainingConfig)}
    values["data"] = data_sets(options.data)
    values["validation"] = ValidationConfig(**vars(options.validation) | {"data": data_sets(options.validation.data)})
    for name, part in _PARTS.items():
        values[name] = part(**vars(options[name]))
    return ClassifierTrainingConfig(**values)


def data_sets(found: tuple[Namespace, ...]) -> tuple[DataConfig, ...]:
    """The entries of `data` as the configuration has them."""
    return tuple(DataConfig(**vars(one) | {"path": str(one.path)}) for one in found)
