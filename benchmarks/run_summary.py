"""What a run of `googlenet-rcnn detect` took, from its records: seconds by stage, boxes, failures.

googlenet-rcnn detect PHOTOS --out OUT --config configs/detect_zero_shot.yaml
python benchmarks/run_summary.py OUT
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from measuring import spread

from detect.detection_records import read_records
from detect.run_kinds import DETECT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="output folder of a run, finished or not")
    records = list(read_records(parser.parse_args().out / DETECT.records))
    searched = [record for record in records if "error" not in record]
    boxes = np.array([record["num_proposals"] for record in searched])
    print(f"{len(records)} images, {len(records) - len(searched)} failed; median (quartiles) of an image:")
    print(f"{'boxes':24}{spread(boxes, '.0f')}, mean {boxes.mean():.0f}")
    for stage in searched[0]["seconds"]:
        print(f"{stage + ', seconds':24}{spread([record['seconds'][stage] for record in searched])}")
    per_region = np.array([1000 * record["seconds"]["classify"] for record in searched]) / boxes
    print(f"{'classify, ms a region':24}{spread(per_region)}")
    print(f"{'detections':24}{spread([len(record['detections']) for record in searched], '.0f')}")


if __name__ == "__main__":
    main()
