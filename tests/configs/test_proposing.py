"""What a proposal run may be told, and the YAML files that come with the project."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import configs
from configs.proposing import (
    CROPS,
    MODES,
    MultiBoxPart,
    ProposeConfig,
    build_image_proposer,
    load_multibox_part,
    search_mode,
    search_scale,
)
from proposals import Proposals
from proposals.diversity import MODES as SEARCH_MODES
from proposals.multibox import MultiBoxSettings
from proposals.multibox_input import CROPS as MULTIBOX_CROPS
from proposals.selective_search import selective_search
from tools.cli import build_parser

YAML = sorted(Path(configs.__file__).parent.glob("propose*.yaml"))


def test_the_modes_are_those_of_the_search() -> None:
    assert set(MODES) == set(SEARCH_MODES)


def test_the_defaults_are_those_of_the_search() -> None:
    """All but the mode, which is looked up, and the threads, which do not change the result."""
    search = {name: value.default for name, value in inspect.signature(selective_search).parameters.items()}
    ours = dataclasses.asdict(ProposeConfig())
    for name in ("seed", "search_width", "min_side"):
        assert ours[name] == search[name], name
    assert search_scale(ProposeConfig()) == search["superpixel_scale"]
    assert ProposeConfig().mode is None
    assert search_mode(ProposeConfig()) == search["mode"]
    assert search_mode(ProposeConfig(mode="single")) == "single"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "edge_boxes"}, "--method: expected one of selective_search, multibox, both, got 'edge_boxes'"),
        ({"mode": "slow"}, f"--mode: expected one of {', '.join(MODES)}, got 'slow'"),
        ({"superpixel_scale": 0.0}, "--superpixel-scale: expected a finite number above 0, got 0.0"),
        ({"superpixel_scale": float("inf")}, "--superpixel-scale: expected a finite number above 0, got inf"),
        ({"superpixel_scale": float("nan")}, "--superpixel-scale: expected a finite number above 0, got nan"),
        ({"limit": 0}, "--limit: expected at least 1, got 0"),
        ({"seed": -1}, "--seed: expected at least 0, got -1"),
        ({"search_width": 0}, "--search-width: expected at least 1, got 0"),
        ({"min_side": 0}, "--min-side: expected at least 1, got 0"),
        ({"multibox_limit": 0}, "--multibox-limit: expected at least 1, got 0"),
        ({"multibox_nms_iou": 1.1}, "--multibox-nms-iou: expected a finite number from 0 to 1, got 1.1"),
        ({"multibox_nms_iou": -0.1}, "--multibox-nms-iou: expected a finite number from 0 to 1, got -0.1"),
        ({"multibox_nms_iou": float("nan")}, "--multibox-nms-iou: expected a finite number from 0 to 1, got nan"),
        ({"multibox_crops": 2}, "--multibox-crops: expected 1 or 5, got 2"),
        ({"precision": "fp8"}, "--precision: expected one of auto, fp32, bf16, got 'fp8'"),
        ({"workers": 0}, "--workers: expected at least 1, got 0"),
    ],
)
def test_settings_out_of_range_name_their_flag(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ProposeConfig(**changes)


def test_bounds_are_in_range() -> None:
    ProposeConfig(superpixel_scale=1e-6, limit=1, seed=0, search_width=1, min_side=1, workers=1)
    ProposeConfig(search_width=None, limit=None, workers=None)
    for iou in (0.0, 1.0):
        ProposeConfig(method="multibox", multibox_limit=1, multibox_nms_iou=iou, multibox_crops=5)


def test_the_proposer_is_the_search_with_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    three = Proposals(np.zeros((3, 4), np.float32), np.zeros(3, np.float32))

    def search(image: Any, **settings: Any) -> Proposals:
        seen.update(settings, image=image)
        return three

    monkeypatch.setattr("proposals.selective_search", search)
    config = ProposeConfig(
        mode="single", superpixel_scale=3.0, limit=2, seed=4, search_width=None, min_side=6, workers=9
    )
    image = np.zeros((1, 1, 3), np.uint8)
    assert len(build_image_proposer(config, workers=5)(image)) == 2
    assert seen.pop("image") is image
    assert seen == {
        "mode": "single",
        "superpixel_scale": 3.0,
        "seed": 4,
        "search_width": None,
        "min_side": 6,
        "workers": 5,
    }


# MultiBox


def test_superpixels_are_enlarged_beside_multibox_unless_told_otherwise() -> None:
    """GoogLeNet, section 8: enlarged by 2, and 200 boxes of MultiBox."""
    assert ProposeConfig().multibox_limit == 200
    assert [search_scale(ProposeConfig(method=method)) for method in ("selective_search", "both")] == [1.0, 2.0]
    assert search_scale(ProposeConfig(method="both", superpixel_scale=1.0)) == 1.0


def test_the_defaults_are_those_of_multibox() -> None:
    settings, ours = MultiBoxSettings(), ProposeConfig()
    chosen = (ours.multibox_limit, ours.multibox_nms_iou, ours.multibox_crops)
    assert chosen == (settings.limit, settings.nms_iou, settings.crops)
    assert CROPS == MULTIBOX_CROPS


OF_MULTIBOX = {"multibox": "m.safetensors", "multibox_limit": 9, "multibox_nms_iou": 0.5, "multibox_crops": 5}


@pytest.mark.parametrize("name", OF_MULTIBOX)
def test_what_would_do_nothing_without_multibox_is_refused(name: str) -> None:
    flag = "--" + name.replace("_", "-")
    with pytest.raises(ValueError, match=f"^{flag}: expected --method multibox or both with it$"):
        ProposeConfig(**{name: OF_MULTIBOX[name]})  # type: ignore[arg-type]
    for method in ("multibox", "both"):
        ProposeConfig(method=method, **{name: OF_MULTIBOX[name]})  # type: ignore[arg-type]
    ProposeConfig(**{name: getattr(ProposeConfig(), name)})
    ProposeConfig(device="cpu", precision="fp32")


def test_selective_search_alone_has_no_multibox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detect.multibox_file.load_multibox", lambda path: pytest.fail("read a model"))
    assert load_multibox_part(ProposeConfig()) is None


def test_multibox_is_built_with_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    model = SimpleNamespace(info=None, sha256="")
    monkeypatch.setattr("detect.multibox_file.find_multibox_file", Path)
    monkeypatch.setattr("detect.multibox_file.load_multibox", lambda path: model)
    monkeypatch.setattr("detect.multibox_file.build_multibox", lambda model, **settings: seen.update(settings))
    config = ProposeConfig(method="both", **OF_MULTIBOX, device="cpu", precision="fp32")  # type: ignore[arg-type]
    assert load_multibox_part(config) is not None
    assert seen == {
        "device": "cpu",
        "precision": "fp32",
        "settings": MultiBoxSettings(limit=9, nms_iou=0.5, crops=5),
    }


def test_a_model_that_cannot_be_found_names_the_flag() -> None:
    with pytest.raises(ValueError, match=r"^--multibox: no MultiBox model file gone, "):
        load_multibox_part(ProposeConfig(method="both", multibox="gone"))


def row_of_boxes(count: int, top: float) -> Proposals:
    x1 = 10 * np.arange(count)
    boxes = np.stack([x1, np.full(count, top), x1 + 8, np.full(count, top + 8)], axis=1)
    return Proposals(boxes.astype(np.float32), np.arange(0, -count, -1).astype(np.float32))


@pytest.mark.parametrize(("method", "tops"), [("multibox", [50, 50, 50]), ("both", [50, 0, 50, 0])])
def test_lists_are_merged_before_the_limit(monkeypatch: pytest.MonkeyPatch, method: str, tops: list[float]) -> None:
    """Uncalibrated, they take turns. The model reads nothing: only its proposer and calibration are looked at."""
    monkeypatch.setattr("proposals.selective_search", lambda image, **settings: row_of_boxes(9, 0))
    part = MultiBoxPart(
        info=SimpleNamespace(merge=None),  # type: ignore[arg-type]
        file="",
        sha256="",
        proposer=lambda image: row_of_boxes(3, 50),
        device="cpu",
        precision="float32",
    )
    proposer = build_image_proposer(ProposeConfig(method=method, mode="single", limit=4), 2, multibox=part)
    assert proposer(np.zeros((1, 1, 3), np.uint8)).boxes[:, 1].tolist() == tops


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_every_config_file_is_understood_and_says_what_it_is(path: Path) -> None:
    text = " ".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    for wanted in ("Paper: ", f"--config configs/{path.name}", "Gives: "):
        assert wanted in text
    options = build_parser().parse_args(["propose", "photos", "--out", "out", "--config", str(path)]).propose
    ProposeConfig(**{field.name: options[field.name] for field in dataclasses.fields(ProposeConfig)})


def test_the_config_file_is_the_setting_of_the_paper() -> None:
    (path,) = YAML
    options = build_parser().parse_args(["propose", "photos", "--out", "out", "--config", str(path)]).propose
    assert (options.mode, options.superpixel_scale) == ("fast", 2.0)
