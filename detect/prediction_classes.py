"""Which label of the ground truth a detector's class is."""

from __future__ import annotations

from collections.abc import Sequence

from detect.class_tables import DetectionClass


class ClassLookup:
    """Classes of a ground truth by WordNet id and by name. Where both are given, the WordNet id decides.

    "Bow" is the name of two things, and other data sets have their own names for the same thing, so a WordNet id
    that the ground truth does not know is not looked up by name, unless the ground truth has names only.
    """

    def __init__(self, classes: Sequence[DetectionClass]) -> None:
        self._by_wnid = {one.wnid: label for label, one in enumerate(classes) if one.wnid}
        self._by_name = {one.name: label for label, one in enumerate(classes)}

    def label(self, wnid: str, name: str) -> int | None:
        """The label, or None for a class that the ground truth does not know."""
        if wnid and self._by_wnid:
            return self._by_wnid.get(wnid)
        return self._by_name.get(name)
