from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from detect import model_zoo
from detect.backbones.registry import BACKBONES
from detect.download import Digest, DownloadError
from detect.model_zoo import (
    MODELS,
    Bundled,
    Download,
    UnknownModelError,
    ZooModel,
    cache_folder,
    cached_path,
    fetch,
    find_model_file,
    lookup,
)

CONTENT = b"weights"


def entry(name: str, source: Download | Bundled) -> ZooModel:
    return ZooModel(name=name, architecture="googlenet", licence="MIT", description="a test", source=source)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a table of one model to download from nowhere and one that is bundled."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GOOGLENET_RCNN_CACHE", str(folder))
    digest = Digest("sha256", hashlib.sha256(CONTENT).hexdigest()[:8])
    small = Download(file="small.bin", url="http://127.0.0.1:9/small.bin", size=len(CONTENT), digest=digest)
    models = model_zoo._by_name(entry("small", small), entry("inside", Bundled("__init__.py")))
    monkeypatch.setattr(model_zoo, "MODELS", models)
    return folder


def test_published_facts() -> None:
    bvlc = lookup("bvlc_googlenet")
    assert bvlc.architecture == "googlenet"
    assert bvlc.licence == "unrestricted use (BVLC)"
    assert bvlc.source == Download(
        file="bvlc_googlenet.caffemodel",
        url="http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        size=53533754,
        digest=Digest("sha1", "405fc5acd08a3bb12de8ee5e23a96bec22f08204"),
    )
    for name in ("googlenet_bn_imagenet", "inception_v3_imagenet"):
        torchvision = lookup(name).source
        assert isinstance(torchvision, Download)
        assert torchvision.digest.hexdigest in torchvision.file
        assert torchvision.url.endswith(torchvision.file)


@pytest.mark.parametrize("model", MODELS.values(), ids=str)
def test_every_row(model: ZooModel) -> None:
    assert MODELS[model.name] is model
    assert model.architecture in BACKBONES
    assert model.licence
    assert model.description


def test_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        MODELS["x"] = lookup("bvlc_googlenet")  # type: ignore[index]


def test_torchvision_url() -> None:
    models = pytest.importorskip("torchvision.models")
    for name, weights in (
        ("googlenet_bn_imagenet", models.GoogLeNet_Weights.IMAGENET1K_V1),
        ("inception_v3_imagenet", models.Inception_V3_Weights.IMAGENET1K_V1),
    ):
        source = lookup(name).source
        assert isinstance(source, Download)
        assert weights.url == source.url


def test_file_names_stay_in_the_cache() -> None:
    with pytest.raises(ValueError, match=r"file: expected a name without folders, got '\.\./x'"):
        Download(file="../x", url="http://a/x", size=None, digest=Digest("sha1", "00000000"))


def test_unknown_name(cache: Path) -> None:
    with pytest.raises(UnknownModelError) as caught:
        lookup("smal")
    assert str(caught.value) == "no model named 'smal' (did you mean small?); known: small, inside"
    with pytest.raises(UnknownModelError, match=r"^no model named 'xyz'; known: small, inside$"):
        fetch("xyz")


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("GOOGLENET_RCNN_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("GOOGLENET_RCNN_CACHE", "")
    assert cache_folder() == Path("/xdg/googlenet-rcnn")
    for ignored in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_folder() == tmp_path / ".cache" / "googlenet-rcnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "googlenet-rcnn"
    assert list(tmp_path.iterdir()) == []


def test_cached_path_is_a_checked_file(cache: Path) -> None:
    assert cached_path("small") is None
    cache.mkdir()
    (cache / "small.bin").write_bytes(b"WEIGHTS")
    assert cached_path("small") is None
    (cache / "small.bin").write_bytes(CONTENT)
    assert cached_path("small") == cache / "small.bin"


def test_fetch_and_find_use_the_cache(cache: Path) -> None:
    cache.mkdir()
    (cache / "small.bin").write_bytes(CONTENT)
    assert fetch("small") == find_model_file("small") == cache / "small.bin"


def test_fetch_downloads(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def fake_download(url: str, target: Path, **options: object) -> Path:
        asked.update(options, url=url)
        return target

    monkeypatch.setattr(model_zoo, "download", fake_download)
    assert find_model_file("small", progress=print) == cache / "small.bin"
    source = lookup("small").source
    assert isinstance(source, Download)
    assert asked == {"url": source.url, "size": 7, "digest": source.digest, "progress": print}


def test_offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DownloadError, match=r"cannot download small\.bin .* put it at .*small\.bin, or pass --model"):
        find_model_file("small", progress=lambda done, total: None)


def test_bundled_model(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Path(model_zoo.__file__).parent / "__init__.py"
    assert fetch("inside") == cached_path("inside") == find_model_file("inside") == inside
    monkeypatch.setattr(model_zoo, "MODELS", {"gone": entry("gone", Bundled("models/gone.safetensors"))})
    assert cached_path("gone") is None
    with pytest.raises(DownloadError, match=r"the model gone should be installed at .*, and is not: install again"):
        fetch("gone")
    assert not cache.exists()


def test_a_file_goes_before_a_name(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inside").mkdir()
    assert find_model_file("inside").name == "__init__.py"
    Path("small").write_bytes(b"")
    assert find_model_file("small") == Path("small")
    assert find_model_file(tmp_path / "small") == tmp_path / "small"


def test_neither_file_nor_name(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError) as caught:
        find_model_file("small.bin")
    assert str(caught.value) == (
        "no model file small.bin and no model named small.bin (did you mean small?); known: small, inside"
    )
    with pytest.raises(UnknownModelError, match=r"is a folder: expected a model file or one of small, inside"):
        find_model_file(tmp_path)


def test_importing_touches_nothing(tmp_path: Path) -> None:
    code = "import detect.model_zoo, detect.caffemodel"
    environment = {"HOME": str(tmp_path), "GOOGLENET_RCNN_CACHE": str(tmp_path / "cache")}
    root = Path(model_zoo.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, check=True)
    assert list(tmp_path.iterdir()) == []
