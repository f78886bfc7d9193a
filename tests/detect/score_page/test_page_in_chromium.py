"""The page in a real browser: it sorts, filters and opens, complains of nothing and asks for nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Tab, chromium_tab, find_chromium
from scored_pages import HOSTILE, page_case, save_photos, scored, with_coverage

from detect.score_page import Captions, ScoredData, score_page

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: `apt-get install chromium`, or Chrome"),
]
NAMES = "[...document.querySelectorAll('#table tbody tr:not([hidden])')].map(row => row.cells[0].dataset.value)"
VALUES = "[...document.querySelectorAll('#table tbody tr')].map(row => row.cells[1].dataset.value)"
OPENED = "document.getElementById('sheet').open"
ENTER, ESCAPE, RIGHT = ("Enter", 13), ("Escape", 27), ("ArrowRight", 39)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    assert CHROMIUM is not None
    profile = tmp_path_factory.mktemp("profile")
    with chromium_tab(CHROMIUM, profile) as opened:
        yield opened
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(autouse=True)
def nothing_wrong(tab: Tab) -> Iterator[None]:
    """After every test: no complaint, and no request but for the page."""
    tab.events.clear()
    yield
    assert tab.complaints() == []
    assert [url for url in tab.requests() if not (url.startswith("file://") and url.endswith("/index.html"))] == []


@pytest.fixture(scope="module")
def data() -> ScoredData:
    return with_coverage(scored(page_case()))


@pytest.fixture(scope="module")
def page(data: ScoredData, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    html = score_page(data, save_photos(folder / "photos", 12), Captions(about={"Detections": "a.jsonl"})).html
    (folder / "index.html").write_bytes(html)
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile page")
    captions = Captions(HOSTILE[1], dict.fromkeys(HOSTILE, HOSTILE[0]), HOSTILE)
    photos = save_photos(folder / "photos", 12)
    (folder / "index.html").write_bytes(score_page(scored(page_case(), names=HOSTILE), photos, captions).html)
    return (folder / "index.html").as_uri()


def test_it_sorts(tab: Tab, page: str) -> None:
    tab.open(page, width=1280)
    values = tab.run(VALUES)
    numbers = [float(value) for value in values if value]
    assert len(set(numbers)) > 3
    assert values == [*map(str, sorted(numbers, reverse=True)), ""]  # the class without objects last
    tab.run("document.querySelector('[data-key=ap]').click()")
    assert [float(value) for value in tab.run(VALUES)[:-1]] == sorted(numbers)
    assert tab.run(VALUES)[-1] == ""
    assert tab.run("document.querySelector('[data-key=ap]').parentElement.ariaSort") == "ascending"
    tab.run("document.querySelector('[data-key=name]').click()")
    assert tab.run(NAMES) == sorted(tab.run(NAMES))
    assert tab.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_headings_take_keys(tab: Tab, page: str) -> None:
    tab.open(page, width=1280)
    tab.run("document.querySelector('[data-key=objects]').focus()")
    tab.press(*ENTER)
    assert tab.run("document.querySelector('[data-key=objects]').parentElement.ariaSort") == "descending"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.run(outline) == "solid"


def test_it_filters(tab: Tab, page: str, data: ScoredData) -> None:
    tab.open(page, width=1280)
    everything = tab.run(NAMES)
    assert len(everything) == 8
    set_value(tab, "search", "AN")
    assert tab.run(NAMES) == [name for name in everything if "an" in name]
    assert 0 < len(tab.run(NAMES)) < 8
    assert tab.run("document.getElementById('count').textContent") == f"{len(tab.run(NAMES))} of 8 classes"
    set_value(tab, "search", "no such class")
    assert tab.run(NAMES) == []
    assert not tab.run("document.getElementById('nothing').hidden")
    set_value(tab, "search", "")
    set_value(tab, "range", "none")
    without = [one.detection_class.name for one in data.evaluation.per_class if one.average_precision is None]
    assert tab.run(NAMES) == without


def set_value(tab: Tab, name: str, value: str) -> None:
    tab.run(f"document.getElementById({name!r}).value = {value!r}")
    tab.run(f"document.getElementById({name!r}).dispatchEvent(new Event('input'))")


def test_a_class_opens_with_its_curve_and_its_pictures(tab: Tab, page: str, data: ScoredData) -> None:
    tab.open(page, width=1280)
    tab.run("document.querySelector('#table tbody a').focus()")
    tab.press(*ENTER)
    tab.wait(OPENED)
    first, second = tab.run(NAMES)[:2]
    assert tab.run("document.getElementById('sheet-name').textContent") == first
    assert "NaN" not in tab.run("document.querySelector('.chart .line').getAttribute('d')")
    assert tab.run("document.querySelector('.chart .line').getTotalLength()") > 100
    best = max(data.evaluation.per_class, key=lambda one: one.average_precision or 0)
    assert f"{best.average_precision:.4f}" in tab.run("document.getElementById('sheet-facts').textContent")
    tab.wait("[...document.querySelectorAll('#sheet img')].every(one => one.complete)")
    assert tab.run("document.querySelectorAll('#sheet .hit img').length") > 0
    assert tab.run("[...document.querySelectorAll('#sheet img')].every(one => one.naturalWidth > 0 && one.alt)")
    assert tab.run("document.querySelectorAll('#sheet .hit .shot .found').length") > 0
    tab.press(*RIGHT)
    tab.wait(f"document.getElementById('sheet-name').textContent === {second!r}")
    tab.press(*ESCAPE)
    tab.wait(f"!{OPENED}")
    tab.wait(f"document.activeElement.textContent === {second!r}")  # a closed dialog tells the page so a moment later
    assert tab.run("location.hash") == ""


def test_the_threshold_moves_along_the_curve(tab: Tab, page: str) -> None:
    tab.open(f"{page}#c0", width=1280)
    tab.wait(OPENED)
    reading = "document.querySelector('.chart output').textContent"
    before = tab.run(reading)
    assert " precision " in before
    tab.run("document.querySelector('.chart input').focus()")
    for _ in range(30):
        tab.press("ArrowLeft", 37)
    assert tab.run("document.querySelector('.chart input').value") == "0"
    assert tab.run(reading) != before
    assert tab.run("document.querySelector('.chart input').getAttribute('aria-valuetext')") == tab.run(reading)
    assert tab.run("document.getElementById('sheet-name').textContent") == "accordion"  # arrows turn no page there


def test_every_class_opens_on_a_page_without_reasons(tab: Tab, tmp_path: Path) -> None:
    html = score_page(scored(page_case(), "coco", analysed=False)).html
    (tmp_path / "index.html").write_bytes(html)
    tab.open((tmp_path / "index.html").as_uri(), width=1280)
    for label in range(8):
        tab.run(f"location.hash = '#c{label}'")
        tab.wait(f"{OPENED} && document.getElementById('previous').disabled !== null")
    assert tab.run("document.querySelectorAll('.plain svg[role=img]').length") > 0


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("place", ["", "#c0"])
def test_nothing_sticks_out_sideways(
    tab: Tab, page: str, hostile_page: str, width: int, dark: bool, place: str
) -> None:
    for address in (page, hostile_page):
        tab.open(address + place, width=width, dark=dark, phone=width < 1000)
        assert tab.run("document.documentElement.scrollWidth") <= width
        assert tab.run("document.body.scrollWidth") <= width
        if place:
            assert tab.run("(body => body.scrollWidth <= body.clientWidth)(document.querySelector('.sheet-body'))")
        background = tab.run("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(","))) < 200) == dark


def test_names_do_nothing(tab: Tab, hostile_page: str) -> None:
    tab.open(hostile_page, width=1280)
    for label in range(8):
        tab.run(f"location.hash = '#c{label}'")
        tab.wait(OPENED)
    tab.wait("[...document.querySelectorAll('#sheet img')].every(one => one.complete)")
    assert tab.run("document.title").startswith("</script>")
    assert tab.run("[...document.querySelectorAll('img')].every(one => one.src.startsWith('data:image/jpeg'))")
    assert tab.run("document.querySelectorAll('script').length") == 2


def test_the_policy_stops_what_got_in(tab: Tab, page: str) -> None:
    """If escaping failed, this would be left. It also shows that these tests would see a request or a complaint."""
    tab.open(page, width=1280)
    tab.run("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
    tab.run("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    tab.wait("document.images.length && document.images[0].complete")
    assert tab.run("document.title") == "Detection scores"
    assert sum("Content Security Policy" in str(one) for one in tab.complaints()) == 2
    assert "http://127.0.0.1:9/x.png" in tab.requests()
    refused = [one["params"] for one in tab.events if one["method"] == "Network.loadingFailed"]
    assert [one.get("blockedReason") for one in refused] == ["csp"]
    tab.events.clear()


def test_it_prints(tab: Tab, page: str) -> None:
    tab.open(page, width=1280)
    assert len(tab.send("Page.printToPDF")["data"]) > 10_000
