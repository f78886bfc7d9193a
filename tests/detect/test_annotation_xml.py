"""One annotation file: its corners by name, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from detect.annotation_xml import AnnotatedObject, read_annotation

OBJECT = "<object><name> dog </name><bndbox>{}</bndbox></object>"
CORNERS = "<xmin>1</xmin><ymin>2</ymin><xmax>30.5</xmax><ymax>4</ymax>"


def file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "a.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_both_orders_of_corners(tmp_path: Path) -> None:
    ilsvrc = OBJECT.format("<xmin>1</xmin><xmax>30.5</xmax><ymin>2</ymin><ymax>4</ymax>")
    annotation = read_annotation(file(tmp_path, f"<annotation>{OBJECT.format(CORNERS)}{ilsvrc}</annotation>"))
    assert annotation.size == (0, 0)
    assert annotation.objects == (AnnotatedObject("dog", (1, 2, 30.5, 4), False),) * 2


def test_size_difficult_and_the_parts_of_a_person(tmp_path: Path) -> None:
    part = f"<part><name>head</name><bndbox>{CORNERS.replace('2', '3')}</bndbox></part>"
    text = (
        "<annotation><size><width>60</width><height> 50 </height></size><object>"
        f"{part}<difficult>1</difficult><name>person</name><bndbox>{CORNERS}</bndbox></object></annotation>"
    )
    annotation = read_annotation(file(tmp_path, text))
    assert annotation.size == (50, 60)
    assert annotation.objects == (AnnotatedObject("person", (1, 2, 30.5, 4), True),)


def test_a_box_of_one_pixel_is_a_box(tmp_path: Path) -> None:
    corners = "<xmin>3</xmin><ymin>3</ymin><xmax>3</xmax><ymax>3</ymax>"
    annotation = read_annotation(file(tmp_path, f"<annotation>{OBJECT.format(corners)}</annotation>"))
    assert annotation.objects[0].box == (3, 3, 3, 3)


def test_no_objects(tmp_path: Path) -> None:
    assert read_annotation(file(tmp_path, "<annotation/>")).objects == ()


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        (CORNERS.replace("<ymax>4</ymax>", ""), r"a\.xml, object 1 \(dog\): expected <bndbox> with <ymax>, found none"),
        (CORNERS.replace("30.5", "nan"), r"a\.xml, object 1 \(dog\): expected a number of pixels as xmax, got 'nan'"),
        (CORNERS.replace("30.5", "1e999"), r"a number of pixels as xmax, got '1e999'"),
        (CORNERS.replace("30.5", "3_0"), r"a number of pixels as xmax, got '3_0'"),
        (CORNERS.replace("30.5", ""), r"a number of pixels as xmax, got ''"),
        (CORNERS.replace("30.5", "0"), r"object 1 \(dog\): expected xmin <= xmax and ymin <= ymax, got 1 2 0 4"),
    ],
)
def test_corners_that_are_wrong(tmp_path: Path, corners: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_annotation(file(tmp_path, f"<annotation>{OBJECT.format(corners)}</annotation>"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^.*a\.xml: expected XML: no element found"),
        ("<annotation>", r"a\.xml: expected XML: no element found"),
        ("<annotation><x></annotation>", r"a\.xml: expected XML: mismatched tag"),
        (b"\xff\xfe\x00", r"a\.xml: expected XML: "),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', r"a\.xml: expected XML: .*klingon|unknown encoding"),
        ("<html/>", r"a\.xml: expected <annotation>, got <html>"),
        ("<annotation><object/></annotation>", r"a\.xml, object 1: expected a <name>, found none"),
        ("<annotation><object><name>a</name></object></annotation>", r"object 1 \(a\): expected <bndbox> with <xmin>"),
        ("<annotation><size><width>-1</width></size></annotation>", r"a\.xml: expected whole numbers of pixels"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_annotation(file(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_grow(tmp_path: Path, encoding: str) -> None:
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 20))
    text = f'<!DOCTYPE annotation [<!ENTITY e0 "laugh">{levels}]><annotation>&e19;</annotation>'
    with pytest.raises(ValueError, match=r"a\.xml: expected XML: a DOCTYPE is not accepted"):
        read_annotation(file(tmp_path, text.encode(encoding)))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.xml: no such file"):
        read_annotation(tmp_path / "none.xml")
    with pytest.raises(ValueError, match=r"cannot read .*: Is a directory"):
        read_annotation(tmp_path)


@pytest.mark.parametrize(
    ("text", "difficult"),
    [("", False), ("<difficult/>", False), ("<difficult> 0 </difficult>", False), ("<difficult>1</difficult>", True)],
)
def test_difficult(tmp_path: Path, text: str, difficult: bool) -> None:
    found = OBJECT.format(CORNERS).replace("<object>", f"<object>{text}")
    assert read_annotation(file(tmp_path, f"<annotation>{found}</annotation>")).objects[0].difficult is difficult


@pytest.mark.parametrize("text", ["2", "true", "Unspecified"])
def test_a_difficulty_that_is_neither(tmp_path: Path, text: str) -> None:
    found = OBJECT.format(CORNERS).replace("<object>", f"<object><difficult>{text}</difficult>")
    with pytest.raises(ValueError, match=rf"object 1 \(dog\): expected 0 or 1 as difficult, got '{text}'"):
        read_annotation(file(tmp_path, f"<annotation>{found}</annotation>"))
