"""`index.html`: a score and its reasons as one file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from detect.score_page.example_cards import choose_cards, place_cards
from detect.score_page.overview import overview
from detect.score_page.page_data import ClassFacts, script_json
from detect.score_page.scored_data import ScoredData
from detect.score_page.visible_text import visible
from detect.scoring.analysis_results import ERROR_TYPES

LARGEST = 12_000_000  # bytes of a page; there are fewer and smaller pictures rather than more bytes
LONGEST_NOTE = 400  # bytes
MAKER = "googlenet-rcnn"


@dataclass(frozen=True)
class Captions:
    """What a page says of where its figures come from.

    Attributes:
        title: for its top and the browser's tab.
        about: names and values for the line below it.
        remarks: sentences that a reader of the score should know.
    """

    title: str = "Detection scores"
    about: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class ScorePage:
    """`failed`: {name of an image: why its photo gives no picture}, of the photos that were tried."""

    html: bytes
    failed: Mapping[str, str]


def score_page(
    data: ScoredData, photos: Mapping[int, Path] | None = None, captions: Captions | None = None, largest: int = LARGEST
) -> ScorePage:
    """Make the page; the same bytes for the same input. Photos are read, and nothing is written.

    Args:
        photos: {position of an image: its file}, where examples come from; None: examples show boxes on an empty
            ground, from any image.
        largest: most bytes that the page may have with its examples. The rest of it (2 to 7 kB a class) is there
            in any case.
    """
    facts = ClassFacts(data)
    classes = [facts.of(score) for score in data.evaluation.per_class]
    captions = captions or Captions()
    room = largest - len(_render(data, captions, classes, note=" " * LONGEST_NOTE))
    cards = choose_cards(data, photos, room)
    place_cards(classes, cards.levels)
    html = _render(data, captions, classes, cards.note)
    return ScorePage(html, {data.truth.images[image]: why for image, why in cards.failed.items()})


def _render(data: ScoredData, captions: Captions, classes: list[dict[str, Any]], note: str) -> bytes:
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(_file("page.html"))
    style, script = _file("page.css"), _file("page.js")
    sizes = data.analysis.sizes[0].bins if data.analysis and data.analysis.sizes else ()
    content = {"classes": classes, "errors": ERROR_TYPES, "sizes": [visible(one.name) for one in sizes]}
    text = template.render(
        **overview(data.evaluation, data.analysis, classes),
        title=visible(captions.title),
        about={visible(name): visible(value) for name, value in captions.about.items()},
        remarks=[visible(one) for one in captions.remarks],
        pictures_note=note,
        maker=MAKER,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(script_json(content)),
    )
    return text.encode()


@cache
def _file(name: str) -> str:
    return files("detect.score_page").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names the one inline style or script that is allowed."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
