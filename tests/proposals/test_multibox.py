"""MultiBox as a proposer: what it does with a network's answers, and with any picture."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from small_multibox import normalise, random_network, told_network
from torchvision.ops import nms

from proposals.multibox import MultiBox, MultiBoxSettings, suppressed
from proposals.multibox_network import MultiBoxNetwork
from proposals.proposals import Proposals, Proposer
from proposals.recall import box_overlaps

PHOTO = data.coffee()  # 400 × 600
BLACK = np.zeros((100, 200, 3), np.uint8)


def multibox(network: MultiBoxNetwork, *, precision: torch.dtype = torch.float32, **settings: Any) -> MultiBox:
    return MultiBox(
        network=network, normalise=normalise, size=56, precision=precision, settings=MultiBoxSettings(**settings)
    )


def check(found: Proposals, image: np.ndarray, limit: int = 200, nms_iou: float = 0.8) -> None:
    """What holds for every picture."""
    assert len(found) <= limit
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2:] <= [image.shape[1], image.shape[0]]).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    overlaps = box_overlaps(found.boxes, found.boxes)
    assert (overlaps[~np.eye(len(found), dtype=bool)] <= nms_iou + 1e-6).all()


def assert_same(one: Proposals, other: Proposals) -> None:
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_by_hand() -> None:
    boxes = [
        [0.0, 0.0, 0.5, 0.5],
        [0.0, 0.0, 0.5, 0.45],  # IoU with the first 0.9
        [-0.5, 0.5, 0.25, 1.5],  # reaches beyond the picture
        [0.5, 0.5, 0.5, 0.9],  # no width
        [0.9, 0.9, 0.8, 1.0],  # reversed
        [1.1, 0.0, 1.5, 1.0],  # outside
    ]
    found = multibox(told_network(boxes, [0.0, math.log(3), -math.log(3), 9.0, 9.0, 9.0]))(BLACK)
    # In pixels of 200 × 100; the second, of confidence 3/4, takes the first, of 1/2.
    np.testing.assert_allclose(found.boxes, [[0, 0, 100, 45], [0, 50, 50, 100]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.75, 0.25], rtol=1e-6)
    assert found.boxes.dtype == found.scores.dtype == np.float32


@pytest.mark.parametrize(("nms_iou", "kept"), [(0.79, 1), (0.8, 2), (0.81, 2)])
def test_an_overlap_of_exactly_the_threshold_stays(nms_iou: float, kept: int) -> None:
    # 64 of 80 rows: 0.8, once the corners are pixels.
    network = told_network([[0, 0, 0.5, 0.625], [0, 0, 0.5, 0.5]], [2.0, 1.0])
    assert len(multibox(network, nms_iou=nms_iou)(np.zeros((128, 128, 3), np.uint8))) == kept


@pytest.mark.parametrize("iou", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_suppression_keeps_what_torchvisions_does(seed: int, iou: float) -> None:
    """Whole pixels, so that many overlaps are alike, and some exactly the threshold."""
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 12, (300, 2))
    boxes = np.concatenate([corners, corners + generator.integers(1, 12, (300, 2))], axis=1).astype(np.float32)
    ranks = torch.arange(300, 0, -1, dtype=torch.float64)
    expected = nms(torch.from_numpy(boxes).double(), ranks, iou).tolist()
    for limit in (1, 5, 300):
        assert suppressed(boxes, iou, limit).tolist() == expected[:limit]
    assert suppressed(boxes[:0], iou, 5).tolist() == []


def test_suppression_sees_what_is_left_of_a_box_inside_the_picture() -> None:
    network = told_network([[-9.0, -9, 0.5, 0.5], [0, 0, 0.5, 0.5]], [1.0, 2.0])
    assert multibox(network)(BLACK).boxes.tolist() == [[0, 0, 100, 50]]


def test_the_best_within_the_limit() -> None:
    boxes = [[0.1 * i, 0.0, 0.1 * i + 0.1, 1.0] for i in range(10)]
    logits = [0.0, 5, 1, -2, 3, 2, -1, 4, -3, -4]
    network = told_network(boxes, logits)
    everything = multibox(network)(BLACK)
    assert len(everything) == 10
    order = sorted(range(10), key=lambda i: -logits[i])
    np.testing.assert_allclose(everything.boxes[:, 0], [20 * i for i in order], atol=1e-4)
    assert_same(multibox(network, limit=3)(BLACK), everything.best(3))
    assert_same(multibox(network, limit=10)(BLACK), everything)


def test_a_box_below_the_limit_is_not_lost_to_suppressed_ones() -> None:
    same = [[0, 0, 0.5, 1.0]] * 300
    found = multibox(told_network([*same, [0.5, 0, 1, 1]], [1.0] * 300 + [0.5]), limit=2)(BLACK)
    assert found.boxes.tolist() == [[0, 0, 100, 100], [100, 0, 200, 100]]


def test_equally_sure_boxes_keep_the_order_of_priors() -> None:
    boxes = [[i / 3000, 0.0, (i + 1) / 3000, 1.0] for i in range(3000)]
    found = multibox(told_network(boxes, [1.0] * 3000), limit=3000)(np.zeros((1, 3000, 3), np.uint8))
    np.testing.assert_allclose(found.boxes[:, 0], np.arange(3000), atol=0.01)
    # Of two that suppress each other, the earlier prior's stays.
    network = told_network([[0, 0, 1, 0.9], [0, 0, 1, 1]], [1.0, 1.0])
    assert multibox(network)(BLACK).boxes.tolist() == pytest.approx(np.float32([[0, 0, 200, 90]]))


def test_scores_never_increase_where_confidences_are_all_but_1() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (torch.rand(2000, generator=generator) * 40).tolist()
    boxes = [[i / 2000, 0.0, (i + 1) / 2000, 1.0] for i in range(2000)]
    found = multibox(told_network(boxes, logits), limit=2000)(BLACK)
    order = sorted(range(2000), key=lambda i: -logits[i])
    np.testing.assert_allclose(found.boxes[:, 0], [i / 10 for i in order], atol=1e-3)


def test_nothing_found() -> None:
    found = multibox(told_network([[0.5, 0.5, 0.5, 0.5]], [9.0]))(BLACK)
    assert found.boxes.shape == (0, 4)
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_it_is_a_proposer() -> None:
    proposer: Proposer = multibox(random_network())
    before = PHOTO.copy()
    found = proposer(PHOTO)
    check(found, PHOTO)
    assert len(found) > 20
    assert_same(proposer(PHOTO), found)
    np.testing.assert_array_equal(PHOTO, before)
    other = proposer(data.chelsea())
    assert not np.array_equal(other.scores[:5], found.scores[:5]), "it looks at the picture"


@pytest.mark.parametrize("crops", [1, 5])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 2), (37, 41), (3, 40_000)])
def test_any_picture(shape: tuple[int, int], crops: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    found = multibox(random_network(), crops=crops)(image)
    check(found, image)
    assert len(found)


def pictures() -> list[np.ndarray]:
    return [PHOTO, PHOTO[::4, ::2], data.chelsea(), BLACK, PHOTO[:, ::-1], PHOTO[:9], data.astronaut()[:, :99]]


@pytest.mark.parametrize("crops", [1, 5])
def test_several_at_a_time_by_default_give_the_same_bits(crops: int) -> None:
    """On a CPU each picture passes by itself."""
    ours = multibox(random_network(), crops=crops)
    for one, image in zip(ours.propose(pictures()), pictures(), strict=True):
        assert_same(one, ours(image))


@pytest.mark.parametrize("batch_size", [2, 3, 100])
def test_batches_across_pictures(batch_size: int) -> None:
    """Sums in another order for another number of pictures: not to the last bit."""
    network = random_network()
    alone, together = multibox(network), multibox(network, batch_size=batch_size)
    found = list(together.propose(pictures()))
    assert len(found) == 7
    for one, image in zip(found, pictures(), strict=True):
        np.testing.assert_allclose(one.scores, alone(image).scores, atol=1e-5)
        np.testing.assert_allclose(one.boxes, alone(image).boxes, atol=1e-2)


def test_pictures_are_read_as_they_are_needed() -> None:
    taken = []

    def endless() -> Any:
        for i in itertools.count():
            taken.append(i)
            yield BLACK

    found = multibox(random_network(), batch_size=3).propose(endless())
    assert taken == []
    for _ in range(4):
        next(found)
    assert taken == [0, 1, 2, 3, 4, 5]
    assert list(multibox(random_network()).propose([])) == []


def test_four_threads_find_what_one_does() -> None:
    ours = multibox(random_network(), crops=5)
    images = pictures() * 3
    expected = [ours(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(ours, images), expected, strict=True):
            assert_same(one, other)


def test_the_network_passes_under_the_process_wide_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []

    def switch(device: torch.device) -> nullcontext[None]:
        asked.append(device)
        return nullcontext()

    monkeypatch.setattr("proposals.multibox.exact_cudnn", switch)
    list(multibox(random_network()).propose([BLACK, PHOTO]))
    assert asked == [torch.device("cpu")] * 2


def test_bfloat16_is_close_and_the_network_given_is_not_changed() -> None:
    network = random_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rough = multibox(network, precision=torch.bfloat16)(PHOTO)
    check(rough, PHOTO)
    assert np.abs(rough.scores[:20] - multibox(network)(PHOTO).scores[:20]).max() < 0.02
    after = network.state_dict()
    assert all(torch.equal(after[name], before[name]) and after[name].dtype == before[name].dtype for name in before)


def test_a_mirrored_picture_has_mirrored_boxes() -> None:
    """Clipping, suppression and ranks do not know left from right."""
    low, high = torch.rand(2, 30, 2, generator=torch.Generator().manual_seed(0)).sort(dim=0).values
    boxes = torch.cat([low, high], dim=1)
    mirrored = torch.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], dim=1)
    logits = torch.linspace(3, -3, 30).tolist()
    found = multibox(told_network(boxes.tolist(), logits))(BLACK)
    other = multibox(told_network(mirrored.tolist(), logits))(BLACK)
    np.testing.assert_allclose(other.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [200, 0, 200, 0], found.boxes, atol=1e-3)
    np.testing.assert_array_equal(other.scores, found.scores)


def test_crops_by_hand() -> None:
    """A box in the middle of what the network sees lies elsewhere in each crop; the whole picture's comes first."""
    found = multibox(told_network([[0.25, 0.25, 0.75, 0.75]], [0.0]), crops=5)(np.zeros((30, 60, 3), np.uint8))
    # Crops of 40 × 20 pixels from x = 0 or 20, y = 0 or 10: a quarter of each is 10 × 5.
    expected = [[15, 7.5, 45, 22.5], [10, 5, 30, 15], [30, 5, 50, 15], [10, 15, 30, 25], [30, 15, 50, 25]]
    assert found.boxes.tolist() == expected


def test_a_box_that_a_crop_cuts_off_is_dropped() -> None:
    """One along the right edge is whole in the picture and in the crops on its right, not in those on its left."""
    network = told_network([[0.5, 0.25, 0.96, 0.75]], [0.0])
    found = multibox(network, crops=5)(np.zeros((30, 60, 3), np.uint8))
    assert found.boxes[:, 2] == pytest.approx([57.6, 20 + 38.4, 20 + 38.4])
    nearer = told_network([[0.5, 0.25, 0.94, 0.75]], [0.0])
    assert len(multibox(nearer, crops=5)(np.zeros((30, 60, 3), np.uint8))) == 5


def test_crops_find_smaller_boxes() -> None:
    network = random_network()
    whole, cropped = multibox(network, limit=5000)(PHOTO), multibox(network, limit=5000, crops=5)(PHOTO)
    check(cropped, PHOTO, limit=5000)
    assert len(cropped) > 2 * len(whole)
    areas = [np.median((one.boxes[:, 2:] - one.boxes[:, :2]).prod(axis=1)) for one in (cropped, whole)]
    assert areas[0] < areas[1]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"image: expected uint8 \(H, W, 3\), got uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"got uint8 \(4, 4, 4\)"),
        (np.zeros((4, 0, 3), np.uint8), r"got uint8 \(4, 0, 3\)"),
        (np.zeros((4, 4, 3)), r"got float64 \(4, 4, 3\)"),
        ("photo.jpg", r"image: expected a uint8 array \(H, W, 3\), got str"),
    ],
)
def test_other_images_are_refused(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        multibox(random_network())(image)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0}, "limit: expected at least 1, got 0"),
        ({"nms_iou": 1.5}, r"nms_iou: expected a number in \[0, 1\], got 1.5"),
        ({"nms_iou": math.nan}, r"nms_iou: expected a number in \[0, 1\], got nan"),
        ({"crops": 2}, "crops: expected 1 or 5, got 2"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
    ],
)
def test_settings_that_are_none(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiBoxSettings(**settings)


def test_a_size_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        MultiBox(network=random_network(), normalise=normalise, size=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_what_the_cpu_does() -> None:
    network = random_network()
    ours = MultiBox(network=network, normalise=normalise, size=56, device="cuda")
    for one, image in zip(ours.propose(pictures()), pictures(), strict=True):
        check(one, image)
        np.testing.assert_allclose(one.scores, multibox(network)(image).scores, atol=1e-4)
    assert_same(ours(PHOTO), ours(PHOTO))


def test_importing_proposals_imports_no_torch() -> None:
    code = "import sys, proposals; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
