"""The page as bytes; `test_page_in_chromium.py` opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from scored_pages import HOSTILE, page_case, save_photos, scored, with_coverage
from scoring_cases import Case

from detect.score_page import LARGEST, Captions, score_page
from detect.score_page.visible_text import visible
from detect.scoring import PROTOCOLS, Protocol


class Page(HTMLParser):
    """Elements with their attributes, the text, and what is in style and script elements."""

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: dict[str, list[str]] = {"style": [], "script": []}
        self._inside = ""
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.raw:
            self.raw[self._inside].append(data)
        else:
            self.text += data

    @property
    def data(self) -> Any:
        return json.loads(self.raw["script"][0])

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return save_photos(tmp_path_factory.mktemp("photos"), 12)


@pytest.fixture(scope="module")
def hostile(photos: dict[int, Path]) -> bytes:
    captions = Captions(HOSTILE[1], dict.fromkeys(HOSTILE, HOSTILE[0]), HOSTILE)
    return score_page(scored(page_case(), names=HOSTILE), photos, captions).html


def test_what_is_on_it(photos: dict[int, Path]) -> None:
    data = scored(page_case())
    captions = Captions(about={"Detections": "found.jsonl"}, remarks=["3 images have no record."])
    page = Page(score_page(data, photos, captions).html)
    evaluation, analysis = data.evaluation, data.analysis
    assert analysis is not None
    for text in (
        f"{evaluation.mean_average_precision:.4f}",
        f"{evaluation.median_average_precision:.4f}",
        "over 7 of 8 classes",
        "ILSVRC",
        "found.jsonl",
        "3 images have no record.",
        *(one.name for one in analysis.errors.costs),
        f"{analysis.errors.costs[0].mean_cost:.3f}",
        *(f"{bin_.mean_average_precision:.3f}" for bin_ in analysis.sizes[0].bins if bin_.count),
        *(one.detection_class.name for one in evaluation.per_class),
    ):
        assert text in page.text
    assert len(page.data["classes"]) == 8
    pictures = [card["picture"] for one in page.data["classes"] for card in one["examples"]["hit"]]
    assert pictures
    assert all(one.startswith("data:image/jpeg;base64,") for one in pictures)


def test_rows_go_by_average_precision_and_say_so() -> None:
    page = Page(score_page(scored(page_case())).html)
    shown = [str(one["data-value"]) for one in page.all("td") if one["class"] == "number ap"]
    assert len(set(shown)) > 3
    assert shown == sorted(shown, key=lambda value: (value == "", -float(value or 0)))
    assert [one["aria-sort"] for one in page.all("th") if "aria-sort" in one] == ["descending"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("analysed", [True, False])
def test_every_protocol_with_and_without_reasons(protocol: Protocol, analysed: bool) -> None:
    data = scored(page_case(), protocol, analysed=analysed)
    page = Page(score_page(data).html)
    assert f"{data.evaluation.mean_average_precision:.4f}" in page.text
    assert ("Where the score is lost" in page.text) == analysed
    assert all(one in page.text for one in data.evaluation.more)


def test_coverage_is_there_where_proposals_were() -> None:
    data = scored(page_case())
    assert "Proposals" not in Page(score_page(data).html).text
    page = Page(score_page(with_coverage(data)).html)
    assert "Proposals" in page.text
    assert {"coverage"} <= {one.get("data-key") for one in page.all("button")}
    assert [one["coverage"] for one in page.data["classes"]] == [*[0.5] * 7, None]


@pytest.mark.parametrize("case", [Case([]), Case([1]), Case([1], [(1, 0, (0, 0, 9, 9), False)])])
def test_little_or_nothing_to_show(case: Case) -> None:
    page = Page(score_page(scored(case)).html)
    assert "mean AP" in page.text
    assert len(page.data["classes"]) == 3


def test_names_are_text_and_nothing_else(hostile: bytes) -> None:
    plain = Page(score_page(scored(page_case()), None, Captions("", dict.fromkeys("abcdefgh", ""), "abcdefgh")).html)
    page = Page(hostile)
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in plain.elements}
    assert len(page.all("script")) == 2
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    for name in HOSTILE:
        assert page.text.count(visible(name)) >= 3
        assert visible(name) in [one["name"] for one in page.data["classes"]]
    hostile.decode()  # no lone surrogate is left
    assert not re.search(rb"[\0-\x08\x0b-\x1f]", hostile)


def test_it_refers_to_nothing_outside(hostile: bytes) -> None:
    page = Page(hostile)
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "background", "ping"):
            value = attributes.get(name)
            assert value is None or value == "data:," or re.fullmatch(r"#c\d+", value), (tag, value)
    assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "base", "audio", "video", "img"}
    style, script = page.raw["style"][0], page.raw["script"][1]
    assert not re.search(r"url\(|@import|@font-face|https?:", style)
    without_namespace = script.replace('"http://www.w3.org/2000/svg"', "")  # a name, which nobody fetches
    forbidden = r"https?:|fetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|import\(|eval\(|innerHTML|\bWorker\("
    assert not re.search(forbidden, without_namespace)


def test_the_policy_allows_what_is_in_the_page_and_no_more(hostile: bytes) -> None:
    page = Page(hostile)
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'{hash_of(page.raw['style'][0])}'",
        "script-src": f"'{hash_of(page.raw['script'][1])}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not [attributes for _, attributes in page.elements if "style" in attributes]


def hash_of(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_same_again_is_the_same_bytes(photos: dict[int, Path]) -> None:
    assert score_page(scored(page_case()), photos).html == score_page(scored(page_case()), photos).html


@pytest.mark.parametrize("room", [20_000, 60_000, 200_000, 10**7])
def test_it_is_no_larger_than_allowed(photos: dict[int, Path], room: int) -> None:
    bare = len(score_page(scored(page_case()), None, largest=0).html)
    assert len(score_page(scored(page_case()), photos, largest=bare + room).html) <= bare + room
    assert bare < 80_000
    assert LARGEST == 12_000_000


def test_photos_that_fail_are_reported(photos: dict[int, Path], tmp_path: Path) -> None:
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    page = score_page(scored(page_case()), {**photos, 0: tmp_path / "damaged.png"})
    assert list(page.failed) == ["val/image1"]
    assert "PNG" in page.failed["val/image1"]
