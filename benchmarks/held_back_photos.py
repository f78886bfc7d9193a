"""Lists of the photos that a training run held back: half of them to fit on, the other half to judge on.

    python benchmarks/held_back_photos.py --data voc=FOLDER --data coco=FILE,FOLDER --out LISTS [--held-back 0.1]

LISTS/NAME_fit.txt and LISTS/NAME_judge.txt of each data set, in the order of the set, for scripts that take a .txt list
of photos. Chosen by content, as in training (`validation.held_back`), so copies are on the same side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training_data import add_photo_options, split_photos

from detect.whole_files import write_whole


def on_the_fit_side(digest: str) -> bool:
    """By digits of the hash that holding back does not look at."""
    return int(digest[-1], 16) % 2 == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the lists")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for one in options.data:
        split = argparse.Namespace(**vars(options) | {"data": [one], "train_images": None, "val_images": None})
        _, held_back, hashes = split_photos(split)
        for name, fit in (("fit", True), ("judge", False)):
            paths = [path for path in held_back.images if on_the_fit_side(hashes[path]) is fit]
            lines = [f"{path.resolve()}\n" for path in paths]
            stem = Path(one.partition("=")[2].partition(",")[0]).stem
            write_whole(options.out / f"{stem}_{name}.txt", "".join(lines).encode())
            print(f"{stem}: {len(paths)} photos to {name}{' on' if fit else ''}")


if __name__ == "__main__":
    main()
