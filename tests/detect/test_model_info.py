from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.class_tables import DetectionClass
from detect.file_header import FORMAT_VERSION
from detect.input_format import InputFormat
from detect.model_file import bvlc_info, torchvision_info
from detect.model_info import ModelInfo, ProposalSetting, Provenance

INFO = ModelInfo(
    name="pets",
    architecture="googlenet",
    num_outputs=4,
    input=InputFormat("bgr", (104.0, 117.5, 123.0), (1.0, 0.5, 1 / 127.5)),
    classes=(DetectionClass("n1", "cat", (0, 2)), DetectionClass("", "„dog“ × ☃", ())),
    provenance=Provenance("here", "none", "MIT", config="a: 1", commit="abc"),
    background_logit=9.5,
    regions=("warp", "shared"),
    short_sides=(300, 900),
    context=8,
    proposals=ProposalSetting("selective_search", "quality", 1.5, 300),
)


def changed(**fields: Any) -> str:
    """The header with some fields replaced, or removed if None."""
    header = json.loads(INFO.to_json()) | fields
    return json.dumps({name: value for name, value in header.items() if value is not None})


@pytest.mark.parametrize("info", [INFO, bvlc_info(), torchvision_info()], ids=lambda info: info.name)
def test_there_and_back(info: ModelInfo) -> None:
    text = info.to_json()
    assert "\n" not in text
    assert ModelInfo.from_json(text) == info
    assert ModelInfo.from_json(text).to_json() == text
    assert hash(ModelInfo.from_json(text)) == hash(info), "tuples again, not lists"


numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=20)


@given(
    name=words,
    mean=st.tuples(numbers, numbers, numbers),
    classes=st.lists(
        st.builds(DetectionClass, words, words, st.lists(st.integers(0, 3), max_size=3).map(tuple)), min_size=1
    ).map(tuple),
    background_logit=st.none() | numbers,
    provenance=st.builds(Provenance, words, words, words, words, words),
)
def test_there_and_back_whatever_is_in_it(name: str, mean: tuple[float, float, float], **fields: Any) -> None:
    info = dataclasses.replace(INFO, name=name, input=InputFormat("rgb", mean), **fields)
    assert ModelInfo.from_json(info.to_json()) == info


def test_the_header_by_hand() -> None:
    header = json.loads(INFO.to_json())
    assert header["format_version"] == FORMAT_VERSION == 1
    assert header["architecture"] == "googlenet"
    assert header["input"] == {"order": "bgr", "mean": [104.0, 117.5, 123.0], "scale": [1.0, 0.5, 1 / 127.5]}
    assert header["classes"][0] == {"wnid": "n1", "name": "cat", "members": [0, 2]}
    assert header["proposals"]["limit"] == 300
    assert (header["regions"], header["short_sides"]) == (["warp", "shared"], [300, 900])


def test_files_from_before_there_were_short_sides() -> None:
    """They are read as 600 pixels, and what was not trained for shared regions still writes the same header."""
    old = ModelInfo.from_json(changed(short_sides=None))
    assert old == dataclasses.replace(INFO, short_sides=(600,))
    warped = dataclasses.replace(INFO, regions=("warp",), short_sides=(600,))
    assert "short_sides" not in json.loads(warped.to_json())
    assert json.loads(old.to_json())["short_sides"] == [600]
    for info in (warped, dataclasses.replace(warped, short_sides=(300,))):
        assert ModelInfo.from_json(info.to_json()) == info


def test_fields_that_may_be_left_out() -> None:
    info = ModelInfo.from_json(changed(head=None, context=None, background_logit=None, box_regression=None))
    assert (info.head, info.context, info.background_logit) == ("zero_shot", 16, None)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"x"', "{}", '{"name": "no version"}', '["format_version"]']
)
def test_what_is_no_header(text: str) -> None:
    with pytest.raises(ValueError, match="header: expected a model description, got '"):
        ModelInfo.from_json(text)


def test_a_newer_format() -> None:
    with pytest.raises(ValueError, match="header: expected format 1, got 2: a newer googlenet-rcnn wrote it"):
        ModelInfo.from_json(changed(format_version=2))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"colour": "red"}, "header: .*unexpected keyword argument 'colour'"),
        ({"input": {"order": "rgb", "mean": [0, 0, 0], "scale": [1, 1, 1], "gamma": 2}}, "header: .*'gamma'"),
        ({"classes": [{"wnid": "", "name": "x", "members": [], "weight": 1}]}, "header: .*'weight'"),
        ({"provenance": {"source": "", "data": "", "licence": "", "by": ""}}, "header: .*'by'"),
        ({"proposals": {"steps": 1}}, "header: .*'steps'"),
    ],
)
def test_unknown_fields_are_refused_wherever_they_are(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelInfo.from_json(changed(**fields))


@pytest.mark.parametrize("field", ["input", "classes", "provenance", "proposals", "regions"])
def test_a_missing_part_is_named(field: str) -> None:
    with pytest.raises(ValueError, match=f"^header: no field '{field}'$"):
        ModelInfo.from_json(changed(**{field: None}))


@pytest.mark.parametrize("field", ["name", "architecture", "num_outputs"])
def test_a_missing_word_is_named(field: str) -> None:
    with pytest.raises(ValueError, match=f"^header: .*missing 1 required positional argument: '{field}'"):
        ModelInfo.from_json(changed(**{field: None}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture": "vgg"}, "architecture: expected googlenet or googlenet_naive or"),
        ({"head": "svm"}, "head: expected zero_shot or marginal or softmax, got 'svm'"),
        ({"box_regression": "linear"}, "box_regression: expected none or agnostic or per_class or cells, got 'linear'"),
        ({"regions": ["warp", "tiles"]}, "regions: expected warp or shared, got 'tiles'"),
        ({"regions": []}, "regions: expected at least one, got none"),
        ({"short_sides": []}, r"short_sides: expected some, of 16 to 1000 pixels, got \(\)"),
        ({"short_sides": [600, 8]}, r"short_sides: expected some, of 16 to 1000 pixels, got \(600, 8\)"),
        ({"short_sides": [600.5]}, "short_sides: expected some"),
        ({"short_sides": "600"}, "short_sides: expected some"),
        ({"short_sides": 600}, "header: .*not iterable"),
        ({"classes": []}, "classes: expected at least one, got none"),
        ({"classes": [{"wnid": "", "name": "x", "members": [4]}]}, "classes: expected members below 4, got 4"),
        ({"classes": [{"wnid": "", "name": "x", "members": [-1]}]}, "classes: expected members below 4, got -1"),
        ({"classes": [{"wnid": "", "name": "x", "members": ["0"]}]}, "header: .*not supported"),
        ({"classes": ["cat"]}, "header: "),
        ({"classes": 3}, "header: .*not iterable"),
        ({"num_outputs": 0}, "num_outputs: expected a whole number from 1 on, got 0"),
        ({"num_outputs": 4.0}, "num_outputs: expected a whole number from 1 on, got 4.0"),
        ({"num_outputs": "4"}, "num_outputs: expected a whole number from 1 on, got '4'"),
        ({"context": -1}, "context: expected a whole number of pixels, got -1"),
        ({"context": 1.5}, "context: expected a whole number of pixels, got 1.5"),
        ({"background_logit": float("nan")}, "background_logit: expected a finite number, got nan"),
        ({"background_logit": float("inf")}, "background_logit: expected a finite number, got inf"),
        ({"input": {"order": "grb", "mean": [0, 0, 0], "scale": [1, 1, 1]}}, "order: expected rgb or bgr, got 'grb'"),
        ({"input": {"order": "rgb", "mean": [0, 0], "scale": [1, 1, 1]}}, "mean: expected three numbers"),
        ({"input": {"order": "rgb", "mean": ["a", 0, 0], "scale": [1, 1, 1]}}, "header: "),
        ({"input": 3}, "header: "),
        ({"proposals": [1]}, "header: "),
    ],
)
def test_wrong_values_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^header: .*{message.removeprefix('header: ')}"):
        ModelInfo.from_json(changed(**fields))


def test_the_constructor_checks_too() -> None:
    with pytest.raises(ValueError, match=r"^architecture: expected googlenet or googlenet_naive or .*, got 'x'$"):
        dataclasses.replace(INFO, architecture="x")


@pytest.mark.parametrize("info", [bvlc_info(), torchvision_info()], ids=lambda info: info.name)
def test_the_published_networks_are_zero_shot_detectors_of_200_classes(info: ModelInfo) -> None:
    assert (len(info.classes), info.num_outputs, info.head) == (200, 1000, "zero_shot")
    assert info.proposals == ProposalSetting("selective_search", "fast", 2.0, None)
    assert info.context == 16
    assert all((info.provenance.source, info.provenance.data, info.provenance.licence))


def test_each_published_network_has_its_own_input() -> None:
    assert (bvlc_info().architecture, bvlc_info().input.order) == ("googlenet", "bgr")
    assert (torchvision_info().architecture, torchvision_info().input.order) == ("googlenet_bn", "rgb")


def trained_head(head: str, **changes: Any) -> ModelInfo:
    """INFO with three outputs and background; softmax: a class an output."""
    members = ((0,), (1,)) if head == "softmax" else ((0, 2), ())
    classes = tuple(dataclasses.replace(c, members=m) for c, m in zip(INFO.classes, members, strict=True))
    fields = {"head": head, "classes": classes, "num_outputs": 3 + (head == "marginal"), "background_logit": None}
    return dataclasses.replace(INFO, **(fields | changes))


@pytest.mark.parametrize("head", ["marginal", "softmax"])
@pytest.mark.parametrize(("box_regression", "outputs"), [("none", 0), ("agnostic", 4), ("per_class", 8)])
def test_trained_heads_there_and_back(head: str, box_regression: str, outputs: int) -> None:
    info = trained_head(head, box_regression=box_regression)
    assert ModelInfo.from_json(info.to_json()) == info
    assert info.box_outputs == outputs


@pytest.mark.parametrize(
    ("head", "changes", "message"),
    [
        ("marginal", {"background_logit": 12.0}, "background_logit: expected null with a marginal head.*got 12.0"),
        ("softmax", {"background_logit": 12.0}, "background_logit: expected null with a softmax head"),
        ("marginal", {"num_outputs": 3}, "expected the last output of a marginal head, background, to be no member"),
        ("softmax", {"num_outputs": 2}, "expected the last output of a softmax head, background, to be no member"),
        ("softmax", {"num_outputs": 4}, "class k has output k and background the last of 3, got 4 outputs or other"),
        (
            "softmax",
            {"classes": INFO.classes, "num_outputs": 4},
            "expected of a softmax head that class k has output k",
        ),
    ],
)
def test_trained_heads_that_do_not_fit(head: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trained_head(head, **changes)
