"""Settings that decide the output, and totals."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_detector import FakeDetector

from configs.detection import DetectionConfig, ProposalConfig
from configs.proposing import MultiBoxPart, ProposeConfig, search_mode
from detect.detection_records import encode_record, error_record
from detect.shared_regions import SharedSettings
from tools.run_description import (
    count_records,
    description_of,
    proposing_description,
    proposing_settings,
    settings_of,
)


def settings(**changes: Any) -> dict[str, Any]:
    return settings_of(DetectionConfig(**changes), FakeDetector(), shard=None, draw=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"min_score": 0.2},
        {"nms_iou": 0.5},
        {"max_detections": 7},
        {"proposals": ProposalConfig(mode="quality")},
        {"proposals": ProposalConfig(superpixel_scale=1.0)},
        {"proposals": ProposalConfig(limit=9)},
        {"proposals": ProposalConfig(seed=1)},
    ],
)
def test_what_decides_the_output_is_in_the_settings(changes: dict[str, Any]) -> None:
    assert settings(**changes) != settings()


@pytest.mark.parametrize(
    "changes",
    [{"workers": 3}, {"model": "/elsewhere/same.safetensors"}, {"device": "cpu"}, {"precision": "fp32"}],
)
def test_what_does_not_is_not(changes: dict[str, Any]) -> None:
    """The model counts by its content, device and precision by what they came to."""
    assert settings(**changes) == settings()


def test_the_model_its_precision_and_its_batches_count() -> None:
    now = settings()
    assert (now["model_sha256"], now["device"], now["precision"], now["batch_size"]) == ("0" * 64, "cpu", "float32", 16)
    assert now["proposals"] == {
        "method": "selective_search",
        "mode": "fast",
        "superpixel_scale": 2.0,
        "limit": None,
        "seed": 0,
    }


def ensemble(*others: SimpleNamespace, flip: bool = False) -> Any:
    detector: Any = FakeDetector()
    detector.others, detector.flip = others, flip
    return detector


def other(sha256: str = "1" * 64, shared: SharedSettings | None = None) -> SimpleNamespace:
    """A further member."""
    return SimpleNamespace(classifier=FakeDetector(sha256=sha256).classifier, shared=shared)


def test_one_model_says_what_it_said_before_there_were_ensembles() -> None:
    now = settings()
    assert not {"flip", "box_regression", "others", "model", "models"} & set(now)
    assert settings(box_regression=False) == {**now, "box_regression": False}
    assert {"model_sha256", "model_header"} <= set(now)
    described = description_of(DetectionConfig("m"), ensemble(), ["a"])
    assert described["model"] == {"name": "bvlc_googlenet", "file": "m", "sha256": "0" * 64}
    assert "models" not in described


def test_all_models_of_an_ensemble_and_flips_count() -> None:
    config = DetectionConfig(("m", "n"), flip=True)
    now = settings_of(config, ensemble(other(), flip=True), shard=None, draw=True)
    header = now["model_header"]
    assert {**now, "others": None, "flip": None} == {**settings(), "others": None, "flip": None}
    assert (now["flip"], now["others"]) == (
        True,
        [{"model_sha256": "1" * 64, "model_header": header, "regions": "warp"}],
    )
    shared = ensemble(other(shared=SharedSettings(short_sides=(300,))))
    assert settings_of(config, shared, shard=None, draw=True)["others"][0] == {
        "model_sha256": "1" * 64,
        "model_header": header,
        "regions": "shared",
        "short_sides": (300,),
    }
    two, turned = (
        settings_of(config, ensemble(*(other(letter * 64) for letter in order)), shard=None, draw=True)
        for order in ("12", "21")
    )
    assert two != turned, "sums are taken in their order"


def test_the_description_names_all_models_of_an_ensemble() -> None:
    described = description_of(DetectionConfig(("m", "n")), ensemble(other()), ["a"])
    assert "model" not in described
    assert described["models"] == [
        {"name": "bvlc_googlenet", "file": "m", "sha256": "0" * 64},
        {"name": "bvlc_googlenet", "file": "n", "sha256": "1" * 64},
    ]


def test_short_sides_are_those_that_they_came_to() -> None:
    """As the flag says, or the model; of warped regions there are none."""
    assert "short_sides" not in settings(short_sides=(300,))
    detector = FakeDetector()
    detector.shared = SharedSettings(short_sides=(300, 900))
    shared = settings_of(DetectionConfig(), detector, shard=None, draw=True)  # type: ignore[arg-type]
    assert (shared["regions"], shared["short_sides"]) == ("shared", (300, 900))


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "quality"},
        {"superpixel_scale": 2.0},
        {"limit": 9},
        {"seed": 1},
        {"search_width": None},
        {"min_side": 1},
    ],
)
def test_what_decides_the_proposals_is_in_their_settings(changes: dict[str, Any]) -> None:
    now = proposing_settings(ProposeConfig(), shard=None)
    assert proposing_settings(ProposeConfig(**changes), shard=None) != now
    assert proposing_settings(ProposeConfig(), shard="1/2") != now


def test_workers_do_not_decide_the_proposals_and_the_mode_is_what_it_came_to() -> None:
    now = proposing_settings(ProposeConfig(), shard=None)
    assert proposing_settings(ProposeConfig(workers=3, mode=search_mode(ProposeConfig())), shard=None) == now
    assert set(now["versions"]) == {"googlenet-rcnn", "numpy", "numba", "opencv-contrib-python", "pillow"}
    assert proposing_description(ProposeConfig(workers=3), ["sn\udcf6"])["sources"] == ["sn\\xf6"]


def multibox_part(**changes: Any) -> MultiBoxPart:
    info = SimpleNamespace(name="m", merge=None)
    fields = {"file": "m.safetensors", "sha256": "0" * 64, "device": "cpu", "precision": "float32"} | changes
    return MultiBoxPart(info=info, proposer=lambda image: pytest.fail("proposes"), **fields)  # type: ignore[arg-type]


def multibox_settings(method: str, part: MultiBoxPart, **changes: Any) -> dict[str, Any]:
    return proposing_settings(ProposeConfig(method=method, **changes), shard=None, multibox=part)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ({"sha256": "1" * 64}, {}),
        ({"device": "cuda"}, {}),
        ({"precision": "bfloat16"}, {}),
        ({}, {"multibox_limit": 100}),
        ({}, {"multibox_nms_iou": 0.7}),
        ({}, {"multibox_crops": 5}),
        ({}, {"limit": 9}),
    ],
)
@pytest.mark.parametrize("method", ["multibox", "both"])
def test_what_decides_multibox_boxes(method: str, part: dict[str, str], changes: dict[str, Any]) -> None:
    now = multibox_settings(method, multibox_part())
    assert multibox_settings(method, multibox_part(**part), **changes) != now
    assert multibox_settings(method, multibox_part(file="elsewhere"), multibox="elsewhere", workers=3) == now


def test_settings_of_a_part_that_is_left_out_do_not_count() -> None:
    """So that a run of selective search made before there was MultiBox can be continued."""
    alone = proposing_settings(ProposeConfig(), shard=None)
    assert proposing_settings(ProposeConfig(device="cuda", precision="bf16"), shard=None) == alone
    search = ["method", "mode", "superpixel_scale", "limit", "seed", "search_width", "min_side"]
    assert sorted(alone) == sorted([*search, "shard", "versions"])
    now = multibox_settings("multibox", multibox_part())
    assert multibox_settings("multibox", multibox_part(), seed=3, mode="quality", superpixel_scale=3.0) == now
    both = multibox_settings("both", multibox_part())
    assert set(both) == {*alone, *now, "merge"}


def test_the_description_names_the_multibox_model() -> None:
    described = proposing_description(ProposeConfig(method="both"), ["a"], multibox=multibox_part())
    assert described["multibox"] == {"name": "m", "file": "m.safetensors", "sha256": "0" * 64}
    assert "multibox" not in proposing_description(ProposeConfig(), ["a"])


def test_sources_that_are_not_utf8_can_be_described() -> None:
    config = DetectionConfig()
    assert description_of(config, FakeDetector(), ["a", "sn\udcf6"])["sources"] == ["a", "sn\\xf6"]  # type: ignore[arg-type]


def test_totals_by_hand(tmp_path: Path) -> None:
    records = [
        {"image": "a", "detections": [{}, {}], "num_proposals": 5, "seconds": {"decode": 0.1, "classify": 1.0}},
        error_record("b", "x"),
        {"image": "c", "detections": [], "num_proposals": 4, "seconds": {"decode": 0.2, "classify": 2.0}},
    ]
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"".join(map(encode_record, records)))
    counts, seconds = count_records(path)
    assert counts == {"images": 3, "failed": 1, "detections": 2, "proposals": 9}
    assert seconds == {"decode": 0.3, "classify": 3.0}
