"""A slow obvious analysis of a `Case`, one detection at a time, in inclusive pixels.

What was found by what is taken from the evaluation, whose own oracle is in scoring_cases.py. The rest is written from
TIDE's paper and Hoiem's, and shares nothing with the code that it tests.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scoring_cases import Case, Corners, Row, curve, overlap, random_case, voc_ap

from detect.scoring import HIT, MISS, Evaluation, Protocol
from detect.scoring.analysis import ERROR_TYPES

Point = tuple[float, tuple[int, ...], int, str]  # score, tie-break, class, outcome
NAMES = {HIT: "hit", MISS: "miss"}


def mixed_case(seed: int, protocol: Protocol) -> Case:
    """A random case with what the protocol knows; many detections given another class, and many on the same object."""
    case = random_case(seed, blacklist=protocol == "ilsvrc", difficult=protocol != "ilsvrc")
    rng = random.Random(seed)
    objects = [rng.choice(case.objects) for _ in range(8 if case.objects and rng.random() < 0.5 else 0)]
    rows: list[Row] = [
        (n, rng.randrange(case.classes) if rng.random() < 0.4 else k, score, box) for n, k, score, box in case.rows
    ]
    rows += [(number, label, rng.randint(0, 9) / 10, box) for number, label, box, _ in objects]
    return dataclasses.replace(case, rows=rows)


@dataclass
class SlowErrors:
    types: list[str]
    objects: list[int]
    missed: list[bool]
    costs: dict[str, list[float]]  # of each class; NaN without average precision


class SlowAnalysis:
    """`objects` and `rows` of the case, where the objects are sorted by image as in `Case.truth`."""

    def __init__(self, case: Case, evaluation: Evaluation) -> None:
        position = {number: i for i, number in enumerate(case.numbers)}
        self.case, self.protocol = case, evaluation.protocol
        self.objects = sorted(case.objects, key=lambda one: position[one[0]])
        self.counts = [(o[0], o[1]) not in case.blacklist and not o[3] for o in self.objects]
        self.outcomes = [NAMES.get(one, "ignored") for one in evaluation.outcomes.tolist()]
        self.matched = evaluation.matched.tolist()
        self.found = {self.matched[i] for i, one in enumerate(self.outcomes) if one == "hit"}
        self.not_found = [k for k, counts in enumerate(self.counts) if counts and k not in self.found]
        self.totals = [
            sum(c for c, o in zip(self.counts, self.objects, strict=True) if o[1] == k) for k in range(case.classes)
        ]

    def rank(self, i: int) -> tuple[float, tuple[int, ...]]:
        row = self.case.rows[i]
        return -row[2], (i,) if self.protocol.startswith("voc") else (row[0], i)

    def errors(self) -> SlowErrors:
        judged = [self.judge(i) if one == "miss" else ("", -1) for i, one in enumerate(self.outcomes)]
        types, about = [one[0] for one in judged], [one[1] for one in judged]
        claims: dict[int, int] = {}
        for i in sorted(range(len(types)), key=self.rank):
            if types[i] in ("classification", "localisation") and about[i] in self.not_found:
                claims.setdefault(about[i], i)
        missed = [k for k in self.not_found if k not in claims]
        costs = {}
        for name in ERROR_TYPES[:5]:
            fixed = self.points()
            for i, one in enumerate(types):
                if one == name:
                    score, ties, _, _ = fixed[i]
                    claimed = claims.get(about[i]) == i
                    label = self.objects[about[i]][1] if claimed else self.case.rows[i][1]
                    fixed[i] = score, ties, label, "hit" if claimed else "ignored"
            costs[name] = self.costs(fixed, self.totals)
        costs["missed"] = self.costs(self.points(), self.without(missed))
        costs["false negatives"] = self.costs(self.points(), self.without(self.not_found))
        # All false positives behind all hits, as TIDE has it.
        ranked = [(-1.0 if p[3] == "hit" else 0.0, p[1], p[2], p[3]) for p in self.points()]
        costs["false positives"] = self.costs(ranked, self.totals)
        return SlowErrors(types, about, [k in missed for k in range(len(self.objects))], costs)

    def judge(self, i: int) -> tuple[str, int]:
        number, label, _, box = self.case.rows[i]
        overlaps = {
            k: overlap(box, o[2]) for k, o in enumerate(self.objects) if self.counts[k] and o[0] == number
        }  # -inf where they do not meet
        overlaps = {k: iou for k, iou in overlaps.items() if iou > 0}
        same = {k: iou for k, iou in overlaps.items() if self.objects[k][1] == label}
        other = {k: iou for k, iou in overlaps.items() if self.objects[k][1] != label}
        same_reached = {k: iou for k, iou in same.items() if iou >= self.threshold(k)}
        other_reached = {k: iou for k, iou in other.items() if iou >= self.threshold(k)}
        if not same_reached and max(same.values(), default=0) >= 0.1:
            return "localisation", max(same, key=lambda k: same[k])
        if other_reached:
            return "classification", max(other_reached, key=lambda k: other_reached[k])
        if same_reached:
            return "duplicate", max(same_reached, key=lambda k: same_reached[k])
        if max(other.values(), default=0) >= 0.1:
            return "both", max(other, key=lambda k: other[k])
        return "background", -1

    def threshold(self, k: int) -> float:
        if self.protocol != "ilsvrc":
            return 0.5
        x1, y1, x2, y2 = self.objects[k][2]
        width, height = x2 - x1 + 1, y2 - y1 + 1
        return min(0.5, width * height / ((width + 10) * (height + 10)))

    def points(self) -> list[Point]:
        return [(*self.rank(i), row[1], self.outcomes[i]) for i, row in enumerate(self.case.rows)]

    def without(self, objects: list[int]) -> list[int]:
        return [n - sum(self.objects[k][1] == label for k in objects) for label, n in enumerate(self.totals)]

    def averages(self, points: list[Point], totals: list[int]) -> list[float]:
        values = []
        for label, total in enumerate(totals):
            outcomes = [point[3] for point in sorted(point for point in points if point[2] == label)]
            precision, recall = curve(outcomes, total)
            if not total:  # nothing was found, so nothing is left
                values.append(0.0)
            elif self.protocol in ("voc07", "coco"):
                levels = np.linspace(0, 1, 11 if self.protocol == "voc07" else 101)
                slack = 1e-12 if self.protocol == "voc07" else 0
                at = [[p for p, r in zip(precision, recall, strict=True) if r >= t - slack] for t in levels]
                values.append(sum(max((p for p in one if p == p), default=0) for one in at) / len(levels))
            else:
                values.append(voc_ap(precision, recall))
        return values

    def costs(self, points: list[Point], totals: list[int]) -> list[float]:
        before, after = self.averages(self.points(), self.totals), self.averages(points, totals)
        return [b - a if n else math.nan for a, b, n in zip(before, after, self.totals, strict=True)]

    def by_size(self, bin_of: Callable[[Corners, int], int], bins: int) -> list[list[float]]:
        """Average precisions of each class in each bin; NaN without objects. `bin_of`: of a box and its class."""
        result = []
        for number in range(bins):
            inside = [c and bin_of(o[2], o[1]) == number for c, o in zip(self.counts, self.objects, strict=True)]
            points = []
            for i, (score, ties, label, outcome) in enumerate(self.points()):
                right = inside[self.matched[i]] if outcome == "hit" else bin_of(self.case.rows[i][3], label) == number
                points.append((score, ties, label, outcome if right else "ignored"))
            totals = [
                sum(c for c, o in zip(inside, self.objects, strict=True) if o[1] == label)
                for label in range(self.case.classes)
            ]
            averages = self.averages(points, totals)
            result.append([a if n else math.nan for a, n in zip(averages, totals, strict=True)])
        return result


def size(box: Corners) -> float:
    """Area in pixels; 0 of a reversed box."""
    return max(box[2] - box[0] + 1, 0) * max(box[3] - box[1] + 1, 0)


def coco_bin(box: Corners, _: int) -> int:
    return 0 if size(box) < 1024 else 1 if size(box) <= 9216 else 2


def percentile_bin(slow: SlowAnalysis) -> Callable[[Corners, int], int]:
    def bin_of(box: Corners, label: int) -> int:
        known = [size(o[2]) for c, o in zip(slow.counts, slow.objects, strict=True) if c and o[1] == label]
        below, equal = sum(one < size(box) for one in known), sum(one == size(box) for one in known)
        return sum(100 * (2 * below + equal) >= edge * 2 * len(known) for edge in (10, 30, 70, 90)) if known else 0

    return bin_of
