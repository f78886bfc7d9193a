"""A folder of proposals: which file is of which image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from detect.detection_records import whole_records
from detect.folder_walk import walk
from detect.image_sources import IMAGE_SUFFIXES
from detect.proposal_names import SUFFIX, proposal_name
from detect.run_kinds import PROPOSE


@dataclass(frozen=True)
class ProposalFolder:
    """What `googlenet-rcnn propose`, or anybody, has left.

    Attributes:
        files: {path of the image below the folder that was searched, with its ending: file}.
        failed: {path of an image that could not be searched: the reason}.
    """

    files: Mapping[str, Path]
    failed: Mapping[str, str]


def open_proposal_folder(folder: Path) -> ProposalFolder:
    """All `.npz` files below a folder, named as the images are; `proposals.jsonl`, if it is there, tells what failed.

    Raises:
        ValueError: naming the folder, if it cannot be listed or has neither.
    """
    if not folder.is_dir():
        raise ValueError(f"--proposals: expected a folder, got {folder}")
    files = {}
    for found, error in walk(str(folder), None):
        if error is not None:
            raise ValueError(f"--proposals: {found}: {error}")
        if found.endswith(SUFFIX) and Path(found).name != SUFFIX:
            files[Path(found).relative_to(folder).as_posix()] = Path(found)
    names = {file: file.removesuffix(SUFFIX) for file in files}
    failed = {}
    records = folder / PROPOSE.records
    for record, _ in whole_records(records) if records.is_file() else ():
        image = record["image"]
        if not PurePosixPath(image).name:
            continue
        if (file := proposal_name(image)) in files:
            names[file] = image  # the name of the file may have been cut
        elif "error" in record:
            failed[image] = str(record["error"])
    if not files and not failed:
        raise ValueError(f"--proposals: expected {SUFFIX} files as `googlenet-rcnn propose` writes them in {folder}")
    return ProposalFolder({names[file]: path for file, path in files.items()}, failed)


def match_images(wanted: Sequence[str], there: Iterable[str], option: str = "--proposals") -> list[str | None]:
    """The image that each wanted name means, or None.

    Names stand for images under whatever folders each side knows them by. The first of these that holds decides:
    the paths are equal but for the image's ending; one path ends in the other, folder by folder; the bare names are
    equal.

    Args:
        wanted: paths without ending.
        there: paths with their ending.
        option: what an error begins with.
    Raises:
        ValueError: if a name could mean several images, or two names mean the same.
    """
    by_stem: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for image in there:
        path = PurePosixPath(image)
        parts = (path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path).parts
        by_stem[parts[-1]].append((parts, image))
    matched: list[str | None] = []
    taken: dict[str, str] = {}
    for name in wanted:
        meant = _meant(PurePosixPath(name).parts, by_stem, option)
        if meant is not None:
            if meant in taken:
                raise ValueError(f"{option}: {taken[meant]} and {name} of the ground truth are both {meant}")
            taken[meant] = name
        matched.append(meant)
    return matched


def _meant(
    wanted: tuple[str, ...], by_stem: Mapping[str, list[tuple[tuple[str, ...], str]]], option: str
) -> str | None:
    candidates = by_stem.get(wanted[-1], [])
    for agree in (_equal, _one_ends_in_the_other, _anything):
        images = [image for parts, image in candidates if agree(parts, wanted)]
        if len(images) > 1:
            raise ValueError(f"{option}: {'/'.join(wanted)} of the ground truth could be {images[0]} or {images[1]}")
        if images:
            return images[0]
    return None


def _equal(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return one == other


def _one_ends_in_the_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shared = min(len(one), len(other))
    return one[-shared:] == other[-shared:]


def _anything(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return True
