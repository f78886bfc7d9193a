"""As many examples, with as large pictures, as a page has room for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detect.score_page.examples import Example, ExampleChooser, Kind, ranked
from detect.score_page.page_data import script_json, short
from detect.score_page.pictures import Picture, PictureTaker, Shot
from detect.score_page.scored_data import ScoredData
from detect.score_page.visible_text import visible
from detect.scoring.analysis_results import NO_ERROR
from detect.scoring.results import HIT

MOST = 6  # examples of each kind and class
WANTED = 3  # so many are worth smaller pictures
LONGEST_SIDES = (320, 256, 192)  # pixels of a thumbnail, from what is wanted to what is still of use
SAMPLE = 48  # pictures taken to see how many bytes one has

_PLAIN = (
    "The examples show boxes without pictures; to have them drawn on the photos, give the folder of the photos "
    "with --images."
)
_TOO_MANY = "There are too many classes for pictures in a file of this size, so the examples show boxes alone."


@dataclass(frozen=True)
class Card:
    """An example, and what the page's script is given of it."""

    label: int
    kind: Kind
    content: dict[str, Any]


@dataclass(frozen=True)
class ChosenCards:
    """What goes into the page.

    Attributes:
        levels: the best of every kind and class, then the second of each, and so on; at most MOST.
        note: a sentence or two about the pictures, for the reader.
        failed: {position of an image: why its photo gives no picture}.
    """

    levels: Sequence[Sequence[Card]] = ()
    note: str = ""
    failed: Mapping[int, str] = field(default_factory=dict)


def choose_cards(data: ScoredData, photos: Mapping[int, Path] | None, room: int) -> ChosenCards:
    """Examples of all classes, the same number of each as far as they have them, until the room is used up.

    Pictures get smaller before there are fewer than WANTED of a kind. Where the smallest are too many for even one of
    each, there are boxes alone.

    Args:
        photos: {position of an image: its file}, where all examples come from; None: from any image, and no pictures.
        room: bytes of json.
    """
    shown = np.full(len(data.truth.images), photos is None, np.bool_)
    shown[list(photos or ())] = True
    chooser = ExampleChooser(data, shown, MOST)
    wanted = list(ranked(chooser.of_class(score) for score in data.evaluation.per_class))
    if not photos:
        return ChosenCards(_fill(_CardMaker(data, {}, LONGEST_SIDES[0]), wanted, room), _PLAIN)
    maker = _CardMaker(data, photos, _longest_side(data, photos, wanted, room))
    levels = _fill(maker, wanted, room)
    if wanted and not levels:
        return ChosenCards(_fill(_CardMaker(data, {}, LONGEST_SIDES[0]), wanted, room), _TOO_MANY, maker.failed)
    note = f"Examples come from the {len(photos):,} of {len(data.truth.images):,} images whose photos are at hand."
    if len(levels) < len(wanted):
        note += f" To keep this file small there are at most {len(levels)} of a kind."
    return ChosenCards(levels, note, maker.failed)


def place_cards(classes: Sequence[dict[str, Any]], levels: Iterable[Iterable[Card]]) -> None:
    """Put the cards into the classes of `ClassFacts`."""
    for level in levels:
        for card in level:
            classes[card.label]["examples"][card.kind].append(card.content)


class _CardMaker:
    def __init__(self, data: ScoredData, photos: Mapping[int, Path], longest_side: int) -> None:
        self._data = data
        self._taker = PictureTaker(photos, data.truth.sizes, longest_side)
        self.failed = self._taker.failed

    def __call__(self, examples: Sequence[Example]) -> list[Card]:
        pictures = self._taker.take([Shot(example.image, self._boxes(example)) for example in examples])
        return [
            Card(example.label, example.kind, self._content(example, picture))
            for example, picture in zip(examples, pictures, strict=True)
        ]

    def _boxes(self, example: Example) -> Any:
        boxes = [self._data.predictions.boxes[example.detection]] if example.detection >= 0 else []
        boxes += [self._data.truth.boxes[example.object]] if example.object >= 0 else []
        return np.array(boxes)

    def _content(self, example: Example, picture: Picture) -> dict[str, Any]:
        """Boxes are in pixels of the photo, as is the frame (x, y, width, height) that shows them."""
        frame, truth = picture.frame, self._data.truth
        known: dict[str, Any] = {"detection": None, "score": None, "right": False, "error": None}
        if example.detection >= 0:
            known = self._detection(example.detection)
        box = None if example.object < 0 else truth.boxes[example.object]
        return {
            **known,
            "name": visible(truth.images[example.image]),
            "frame": [frame.x1, frame.y1, frame.width, frame.height],
            "object": None if box is None else np.round(box, 1).tolist(),
            "size": None if box is None else np.round(box[2:] - box[:2], 1).tolist(),
            "label": None if example.object < 0 else int(truth.labels[example.object]),
            "overlap": round(example.overlap, 4),
            "picture": picture.uri,
        }

    def _detection(self, detection: int) -> dict[str, Any]:
        predictions, analysis = self._data.predictions, self._data.analysis
        error = int(analysis.errors.types[detection]) if analysis else NO_ERROR
        return {
            "detection": np.round(predictions.boxes[detection], 1).tolist(),
            "score": short(predictions.scores[detection]),
            "right": bool(self._data.evaluation.outcomes[detection] == HIT),
            "error": None if error == NO_ERROR else error,
        }


def _longest_side(data: ScoredData, photos: Mapping[int, Path], wanted: Sequence[Sequence[Example]], room: int) -> int:
    """The largest pictures of which WANTED of each kind fit, judged by a sample; else the smallest."""
    first = [example for level in wanted[:WANTED] for example in level]
    sample = first[:: max(1, -(-len(first) // SAMPLE))]
    for side in LONGEST_SIDES:
        if _size(_CardMaker(data, photos, side)(sample)) * len(first) <= room * len(sample):
            return side
    return LONGEST_SIDES[-1]


def _fill(maker: _CardMaker, wanted: Iterable[Sequence[Example]], room: int) -> list[list[Card]]:
    levels: list[list[Card]] = []
    for level in wanted:
        cards = maker(level)
        room -= _size(cards)
        if room < 0:
            break
        levels.append(cards)
    return levels


def _size(cards: Iterable[Card]) -> int:
    return sum(len(script_json(card.content)) + 1 for card in cards)
