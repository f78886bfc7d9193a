from __future__ import annotations

from pathlib import Path

import pytest
from scored_pages import page_case, save_photos, scored
from scoring_cases import Case

from detect.score_page.example_cards import LONGEST_SIDES, MOST, ChosenCards, choose_cards, place_cards
from detect.score_page.page_data import ClassFacts, script_json

DATA = scored(page_case(images=30))
PLENTY = 10**8


def size(chosen: ChosenCards) -> int:
    return sum(len(script_json(card.content)) for level in chosen.levels for card in level)


def widest(chosen: ChosenCards) -> int:
    import base64
    from io import BytesIO

    from PIL import Image

    uris = [card.content["picture"] for level in chosen.levels for card in level]
    return max(max(Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))).size) for uri in uris)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return save_photos(tmp_path_factory.mktemp("photos"), 30)


@pytest.fixture(scope="module")
def everything(photos: dict[int, Path]) -> ChosenCards:
    return choose_cards(DATA, photos, PLENTY)


def test_room_for_all(everything: ChosenCards) -> None:
    chosen = everything
    assert len(chosen.levels) == MOST
    assert all(card.content["picture"] for level in chosen.levels for card in level)
    assert chosen.note == "Examples come from the 30 of 30 images whose photos are at hand."
    assert chosen.failed == {}


@pytest.mark.parametrize("share", [0.9, 0.5, 0.3, 0.15, 0.04])
def test_room_is_never_exceeded(photos: dict[int, Path], everything: ChosenCards, share: float) -> None:
    """The pictures shrink first; then there are fewer; then none."""
    room = int(share * size(everything))
    chosen = choose_cards(DATA, photos, room)
    assert size(chosen) <= room
    pictures = [card.content["picture"] for level in chosen.levels for card in level]
    if share > 0.1:
        assert all(pictures)
        assert len(chosen.levels) < MOST
        assert f"there are at most {len(chosen.levels)} of a kind" in chosen.note
    else:
        assert not any(pictures)
        assert "too many classes for pictures" in chosen.note


def test_pictures_get_smaller_before_there_are_too_few(photos: dict[int, Path], everything: ChosenCards) -> None:
    assert LONGEST_SIDES == (320, 256, 192)
    assert 256 < widest(everything) <= 320
    assert widest(choose_cards(DATA, photos, int(0.5 * size(everything)))) == 256
    assert widest(choose_cards(DATA, photos, int(0.3 * size(everything)))) == 192


def test_no_room_at_all(photos: dict[int, Path]) -> None:
    assert choose_cards(DATA, photos, 0).levels == []
    assert choose_cards(DATA, photos, -5).levels == []
    assert choose_cards(DATA, None, 0).levels == []


def test_without_photos_there_are_boxes() -> None:
    chosen = choose_cards(DATA, None, PLENTY)
    assert "--images" in chosen.note
    contents = [card.content for level in chosen.levels for card in level]
    assert contents
    assert all(one["picture"] is None for one in contents)
    assert all(one["frame"][2] > 0 and (one["object"] or one["detection"]) for one in contents)


def test_examples_come_from_images_at_hand(photos: dict[int, Path]) -> None:
    chosen = choose_cards(DATA, {4: photos[4]}, PLENTY)
    assert {card.content["name"] for level in chosen.levels for card in level} == {"val/image5"}
    assert "1 of 30 images" in chosen.note


def test_cards_go_to_their_class_and_kind() -> None:
    facts = ClassFacts(DATA)
    classes = [facts.of(score) for score in DATA.evaluation.per_class]
    chosen = choose_cards(DATA, None, PLENTY)
    place_cards(classes, chosen.levels)
    for one in classes:
        hits, wrong, missed = (one["examples"][kind] for kind in ("hit", "wrong", "missed"))
        assert all(card["right"] and card["label"] == classes.index(one) for card in hits)
        assert all(not card["right"] for card in wrong)
        assert all(card["label"] == classes.index(one) for card in missed)
        assert [card["score"] for card in hits] == sorted((card["score"] for card in hits), reverse=True)
        for kind, cards in one["examples"].items():
            assert len(cards) <= min(MOST, one["counts"][kind])
            assert bool(cards) == bool(one["counts"][kind])


def test_nothing_to_show() -> None:
    assert choose_cards(scored(Case([1, 2])), None, 10**6).levels == []
