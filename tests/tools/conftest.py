from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

for _folder in ("detect", "detect/training", "benchmarks"):  # random_model, ...; labelled_photos; small_voc
    sys.path.append(str(Path(__file__).resolve().parents[1] / _folder))


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with a real network in it."""
    from random_model import save_random_model

    return save_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`googlenet-rcnn detect`, in this process, uses this detector instead of a network."""
    from fake_detector import FakeDetector

    detector = FakeDetector()
    monkeypatch.setattr("tools.detect.build_detector", lambda config: detector)
    return detector


@pytest.fixture
def fake_search(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """`propose` takes the whole image and its quarter for proposals; called with a function, it takes that."""
    from fake_detector import whole_and_quarter

    def use(search: Callable[[Any], Any]) -> None:
        def build(config: Any, workers: int, *, multibox: None) -> Callable[[Any], Any]:
            return lambda image: search(image).best(config.limit)

        monkeypatch.setattr("tools.propose.build_image_proposer", build)

    use(whole_and_quarter)
    return use


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test runs in an empty folder; sources and --out are relative to it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tiny_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test runs in an empty folder with its module's CONFIG in it, as `tiny.yaml`."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(request.module.CONFIG)
    return tmp_path


@pytest.fixture(scope="module")
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished `train VERB` of the module's CONFIG, which no test changes."""
    from tools.cli import main

    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(request.module.CONFIG)
    out = folder / "out"
    assert main(["train", request.module.VERB, "--config", str(folder / "tiny.yaml"), "--out", str(out)]) == 0
    return out
