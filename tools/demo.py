"""`make demo`: detect objects on the sample photos that scikit-image ships, print a table, write pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.cli import main as googlenet_rcnn
from tools.exit_status import OK, USAGE, UsageError
from tools.messages import complain, tell
from tools.parser import make_parser

PHOTOS = ("chelsea", "coffee", "astronaut", "motorcycle_left", "rocket")
ROWS_PER_PHOTO = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    parser = make_parser("Detect objects on scikit-image's sample photos: a table here, pictures in OUT/pictures.")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results")
    parser.add_argument("--model", type=str, default="det200", help="model name or file")
    try:
        options = parser.parse_args(list(sys.argv[1:] if argv is None else argv))
    except UsageError as error:
        complain(str(error))
        return USAGE
    photos = [str(path) for path in sample_photos()]
    tell(f"Searching {len(photos)} photos: some seconds, and half a minute more the first time, to compile.")
    status = googlenet_rcnn(["detect", *photos, "--out", str(options.out), "--model", options.model, "--overwrite"])
    if status == OK:
        tell(best_detections(options.out))
    return status


def sample_photos() -> list[Path]:
    """Paths of the photos, which come with scikit-image's package; nothing is downloaded."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".png", ".jpg")]
    return [path for name in PHOTOS for path in files if path.stem == name]


def best_detections(out: Path) -> str:
    """The best few detections of each photo, as a table."""
    from detect.detection_records import read_records
    from detect.run_kinds import DETECT

    lines = [f"{'photo':22}{'name':24}{'score':>6}   box (x1, y1, x2, y2)"]
    for record in read_records(out / DETECT.records):
        if not record["detections"]:
            lines.append(f"{record['image']:22}nothing above the threshold")
        for found in record["detections"][:ROWS_PER_PHOTO]:
            corners = ", ".join(f"{edge:.0f}" for edge in found["box"])
            lines.append(f"{record['image']:22}{found['name']:24}{found['score']:6.2f}   {corners}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
