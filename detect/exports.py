"""Other people's formats, made from a finished `detections.jsonl`, a record at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.detection_records import Record, read_records
from detect.image_index import image_number
from detect.whole_files import write_lines

FILES = {"coco": "coco.json", "ilsvrc": "ilsvrc.txt", "csv": "detections.csv"}


def parse_formats(text: str) -> tuple[str, ...]:
    """Read "coco,csv" as ("coco", "csv"), empty text as (); a format named twice counts once.

    Raises:
        ValueError: for an unknown format.
    """
    formats = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in formats:
        if name not in FILES:
            raise ValueError(f"--export: expected any of {','.join(FILES)}, got {name!r}")
    return formats


def write_export(
    name: str, records: Path, classes: Sequence[DetectionClass], index: Mapping[str, int] | None = None
) -> Path:
    """Write one format beside the records; returns the file.

    Raises:
        ValueError: as `ilsvrc_lines`, and if the records are damaged.
        OutputError: if the file cannot be written.
    """
    path = records.with_name(FILES[name])
    if name == "coco":
        write_lines(path, coco_lines(records, classes))
    elif name == "ilsvrc":
        write_lines(path, ilsvrc_lines(records, index))
    else:
        write_lines(path, csv_lines(records))
    return path


def check_det_classes(classes: Iterable[DetectionClass]) -> None:
    """Make sure that detections of these classes can be written as DET ids.

    Raises:
        ValueError: naming a class that is not one of the 200.
    """
    known = {c.wnid for c in ilsvrc_detection_classes()}
    for one in classes:
        if one.wnid not in known:
            raise ValueError(f"--export ilsvrc: the model's {one.name!r} is none of the 200 ILSVRC detection classes")


def coco_lines(records: Path, classes: Sequence[DetectionClass]) -> Iterator[str]:
    """A COCO json with images, categories, and one scored annotation per detection; opens in pycocotools.

    Images are numbered from 1 in the order of the records; category ids are label + 1 (the DET id for the 200
    classes); boxes are x, y, width, height. Images that failed are left out.
    """
    categories = [{"id": label + 1, "name": c.name, "wnid": c.wnid} for label, c in enumerate(classes)]
    yield '{"categories": ' + json.dumps(categories) + ',\n"images": [\n'
    separator = ""
    for number, record in _searched(records):
        image = {
            "id": number,
            "file_name": record["image"],
            "width": record["width"],
            "height": record["height"],
        }
        yield separator + json.dumps(image)
        separator = ",\n"
    yield '\n],\n"annotations": [\n'
    separator, annotation = "", 0
    for number, record in _searched(records):
        for found in record["detections"]:
            annotation += 1
            yield separator + json.dumps(_coco_annotation(annotation, number, found))
            separator = ",\n"
    yield "\n]}\n"


def ilsvrc_lines(records: Path, index: Mapping[str, int] | None) -> Iterator[str]:
    """ILSVRC DET submission: `index det_id score xmin ymin xmax ymax`, inclusive 0-based pixels.

    Continuous edges x1, x2 become the pixels x1 … x2 − 1, so that ILSVRC's width, xmax − xmin + 1, is the box's.

    Args:
        index: image name → number, as in `val.txt`; None: position in the records, from 1.
    Raises:
        ValueError: if an image is not listed, or a class has no DET id.
    """
    for number, record in _searched(records):
        image = number if index is None else image_number(record["image"], index)
        if image is None:
            raise ValueError(f"--image-index: no line for {record['image']}")
        for found in record["detections"]:
            if found["det_id"] is None:
                raise ValueError(f"--export ilsvrc: {found['name']!r} is not one of the 200 ILSVRC detection classes")
            x1, y1, x2, y2 = found["box"]
            corners = " ".join(f"{round(edge, 2):.10g}" for edge in (x1, y1, x2 - 1, y2 - 1))
            yield f"{image} {found['det_id']} {found['score']:.7g} {corners}\n"


def csv_lines(records: Path) -> Iterator[str]:
    """A table with one row per detection, for spreadsheets; images without detections have no row.

    A byte of a name that is not UTF-8 is written as an escape such as \\udcf6.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["image", "name", "wnid", "det_id", "score", "x1", "y1", "x2", "y2"])
    for _, record in _searched(records):
        for found in record["detections"]:
            det_id = "" if found["det_id"] is None else found["det_id"]
            row = [record["image"], found["name"], found["wnid"], det_id, found["score"], *found["box"]]
            writer.writerow(
                [cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell for cell in row]
            )
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _searched(records: Path) -> Iterator[tuple[int, Record]]:
    """Records without an error, with their position from 1."""
    for number, record in enumerate(read_records(records), start=1):
        if "error" not in record:
            yield number, record


def _coco_annotation(number: int, image: int, found: Record) -> Record:
    x1, y1, x2, y2 = found["box"]
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    return {
        "id": number,
        "image_id": image,
        "category_id": found["label"] + 1,
        "bbox": [x1, y1, width, height],
        "area": round(width * height, 2),
        "iscrowd": 0,
        "score": found["score"],
    }
