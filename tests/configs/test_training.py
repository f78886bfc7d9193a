"""What `train classifier` may be told of its regions, and the YAML files that come with the project."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import configs
from configs.data_config import DataConfig
from configs.frozen_heads import HEADS_FROZEN
from configs.training import OPTIMISERS, ClassifierTrainingConfig, DistillationConfig, HeadConfig, OptimisationConfig
from configs.training_parts import run_settings
from configs.training_regions import DetectionDefaultsConfig
from detect.training import optimiser
from detect.training.network_pass import ALL, CLASSIFIER
from tools.train_options import build_parser, config_of

FOLDER = Path(configs.__file__).parent
OTHERS = {path for verb in ("multibox", "backbone") for path in FOLDER.glob(f"train_{verb}_*.yaml")}
YAML = sorted(set(FOLDER.glob("train_*.yaml")) - OTHERS)
DET200 = (
    "train_det200",
    "train_det200_deeper",
    "train_det200_people",
    "train_det200_all_layers",
    "train_det200_fit",
    "train_det200_adamw",
)
SHARED_REGIONS = ("train_photos_shared", *DET200)
DATA = (DataConfig("voc", "tree"),)
SHARED: dict[str, Any] = {"data": DATA, "regions": "shared", "head": HeadConfig(auxiliary=0.0)}


def read(*arguments: str) -> ClassifierTrainingConfig:
    """As the command line does."""
    return config_of(build_parser().parse_args(["--out", "out", *arguments]))


def test_warped_regions_are_the_default() -> None:
    config = ClassifierTrainingConfig(data=DATA)
    assert (config.regions, config.short_sides) == ("warp", (600,))


def test_shared_regions_from_the_command_line() -> None:
    told = ("--data", "[{kind: voc, path: tree}]", "--regions", "shared", "--head.auxiliary", "0")
    assert read(*told) == ClassifierTrainingConfig(**SHARED)
    assert read(*told, "--short-sides", "[300,900]").short_sides == (300, 900)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": "tiles"}, "--regions: expected one of warp, shared, got 'tiles'"),
        ({"short_sides": ()}, "--short-sides: expected some, of 16 to 1000 pixels, got []"),
        ({"short_sides": (600, 8)}, "--short-sides: expected some, of 16 to 1000 pixels, got [600, 8]"),
        ({"start_share": 1.5}, "start_share"),
        ({"head": HeadConfig(auxiliary=0.1)}, "head.auxiliary: expected 0 with regions shared"),
        ({"head": HeadConfig()}, "auxiliary classifiers read whole warped regions, got 0.3"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ClassifierTrainingConfig(**{**SHARED, **changes})


def test_what_is_frozen_beyond_the_stages_has_the_names_that_training_knows() -> None:
    assert HEADS_FROZEN == (CLASSIFIER, ALL)


def test_another_optimiser_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("--optimisation.optimiser: expected one of sgd, adamw, got 'adam'")):
        OptimisationConfig(optimiser="adam")
    assert OPTIMISERS == optimiser.OPTIMISERS, "known to settings without torch, and to what makes them"


def test_help_explains_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--regions REGIONS warp (R-CNN: each region by itself through the network) or shared" in said
    assert "of shared regions: pixels that an image's shorter side is resized to" in said


def test_what_decides_the_course_of_training() -> None:
    """Of warped regions no map does, so that runs from before there were shared ones can be resumed."""
    data: Any = SimpleNamespace(fingerprint=lambda: "0")

    def settings(**changes: Any) -> dict[str, Any]:
        return run_settings(ClassifierTrainingConfig(**{**SHARED, **changes}), data, None)

    now = settings()
    assert (now["regions"], now["short_sides"]) == ("shared", (600,))
    assert settings(short_sides=(300, 900)) != now
    assert settings(detection=DetectionDefaultsConfig("both", 300)) == now, "detect can be told otherwise at any time"
    assert settings(start_share=0.5) == now, "what is saved changes nothing in training"
    assert "distillation" not in now
    assert settings(distillation=DistillationConfig(regions=3)) == now, "nobody is asked"
    assert "kindred" not in now["head"]
    assert "common" not in now["head"]
    common = settings(head=HeadConfig(auxiliary=0.0, common=("person",)))
    assert common["head"] == {**now["head"], "common": ("person",)}
    kindred = settings(head=HeadConfig(auxiliary=0.0, kindred=True))
    assert kindred["head"] == {**now["head"], "kindred": True}
    warped = settings(regions="warp")
    assert warped == {name: value for name, value in now.items() if name not in ("regions", "short_sides")}
    assert settings(regions="warp", short_sides=(300,)) == warped


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_every_config_file_is_understood_and_says_what_it_is(path: Path) -> None:
    header = " ".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert "What: " in header or "Paper: " in header
    assert f"--config configs/{path.name}" in header
    config = read("--config", str(path))
    assert config.data
    assert config.regions == ("shared" if path.stem in SHARED_REGIONS else "warp")


def test_photos_are_the_same_for_shared_regions() -> None:
    """What differs: few images a batch with many regions of each, and a frozen stem, so that it learns as long."""
    warped, shared = (
        read("--config", str(FOLDER / f"{name}.yaml")) for name in ("train_photos", "train_photos_shared")
    )
    sampling = dataclasses.replace(warped.sampling, images_per_batch=4, foreground=64, background=192)
    rates = dataclasses.replace(warped.optimisation, steps=900, learning_rate=0.004, frozen="4e")
    assert shared == dataclasses.replace(warped, regions="shared", sampling=sampling, optimisation=rates)
