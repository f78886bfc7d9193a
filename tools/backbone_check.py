"""`train backbone --check-data`: how many images each class has, and which of them cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

from configs.backbone_data import read_backbone_data
from configs.backbone_training import BackboneTrainingConfig
from tools.folder_runs import usable_cores
from tools.messages import complain, tell
from tools.training_check import say_problems


def check_labels(config: BackboneTrainingConfig, out: Path) -> int:
    """`check_data` of images with a class each."""
    from rich.console import Console
    from rich.table import Table

    from configs.training_data import DATA
    from detect.training.data_check import check_images
    from detect.whole_files import write_whole

    data = read_backbone_data(config, out)
    complain(f"decoding {len(data.hashes)} images")
    problems = list(data.problems)
    for part in filter(None, (data.train, data.held_back)):
        problems += check_images(part.images, usable_cores(), decode=part.reader.decode)
    trained = data.train.counts().tolist()
    judged = [0] * len(trained) if data.held_back is None else data.held_back.counts().tolist()
    rows = list(zip(data.train.classes, trained, judged, strict=True))
    table = Table("class", title=data.train.name.encode("utf-8", "backslashreplace").decode())
    table.add_column("to train on", justify="right")
    table.add_column("held back", justify="right")
    for one, first, second in rows:
        table.add_row(one.name, str(first), str(second))
    Console().print(table)
    tell(data.in_words())
    classes = [
        {"wnid": one.wnid, "name": one.name, "images": first, "held_back": second} for one, first, second in rows
    ]
    report = {**data.counts(), "per_class": classes}
    write_whole(out / DATA / "report.json", json.dumps(report, indent=2).encode() + b"\n")
    return say_problems(problems, out / DATA)
