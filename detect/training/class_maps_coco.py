"""COCO's 80 class names in terms of the 200 ILSVRC detection classes.

`a | b | background`: an object of this name may be any of these. `background` alone: it is none of the 200.
"""

from __future__ import annotations

from collections.abc import Mapping

_BALLS = (
    "baseball | basketball | croquet ball | golf ball | ping-pong ball | rugby ball | soccer ball | tennis ball"
    " | volleyball"
)

COCO: Mapping[str, str] = {
    "person": "person",
    "bicycle": "bicycle",
    "car": "car",
    "motorcycle": "motorcycle",
    "airplane": "airplane",
    "bus": "bus",
    "train": "train",
    "truck": "car | snowplow | background",  # lorries, but pickups and vans too
    "boat": "watercraft",
    "traffic light": "traffic light",
    "fire hydrant": "background",
    "stop sign": "background",
    "parking meter": "background",
    "bench": "bench",
    "bird": "bird",
    "cat": "domestic cat",
    "dog": "dog",
    "horse": "horse",
    "sheep": "sheep",
    "cow": "cattle",
    "elephant": "elephant",
    "bear": "bear | giant panda",
    "zebra": "zebra",
    "giraffe": "background",
    "backpack": "backpack",
    "umbrella": "background",
    "handbag": "purse | plastic bag | background",  # shopping bags too
    "tie": "tie | bow tie",
    "suitcase": "background",
    "frisbee": "background",
    "skis": "ski",
    "snowboard": "background",
    "sports ball": f"{_BALLS} | background",
    "kite": "background",
    "baseball bat": "background",
    "baseball glove": "background",
    "skateboard": "background",
    "surfboard": "background",
    "tennis racket": "racket",
    # Beer, ketchup and medicine too.
    "bottle": (
        "water bottle | wine bottle | perfume | soap dispenser | cream | hair spray | salt or pepper shaker"
        " | background"
    ),
    "wine glass": "background",
    "cup": "cup or mug | background",  # tumblers and paper cups too
    "fork": "background",
    "knife": "background",
    "spoon": "ladle | spatula | background",
    "bowl": "bowl",
    "banana": "banana",
    "apple": "apple",
    "sandwich": "hamburger | burrito | bagel | background",
    "orange": "orange",
    "broccoli": "background",
    "carrot": "background",
    "hot dog": "hotdog",
    "pizza": "pizza",
    "donut": "bagel | background",  # bagels are often called so
    "cake": "background",
    "chair": "chair",
    "couch": "sofa",
    "potted plant": "flower pot | background",  # the box is the plant's and its pot's
    "bed": "baby bed | background",
    "dining table": "table",
    "toilet": "background",
    "tv": "tv or monitor",
    "laptop": "laptop",
    "mouse": "computer mouse",
    "remote": "remote control",
    "keyboard": "computer keyboard",
    "cell phone": "iPod | background",  # they look alike
    "microwave": "microwave",
    "oven": "stove | background",  # built-in ones without a stove too
    "toaster": "toaster",
    "sink": "background",
    "refrigerator": "refrigerator",
    "book": "background",
    "clock": "digital clock | background",
    "vase": "flower pot | pitcher | background",
    "scissors": "background",
    "teddy bear": "background",  # a toy, as `teddy` among the classification classes
    "hair drier": "hair dryer",
    "toothbrush": "background",
}

# Detection class: the names that every object of it would carry, all of them needed. Not here: table, flower pot,
# stove, purse, racket (those of badminton), ladle, hamburger, burrito, bagel, pitcher, baby bed, iPod, perfume, soap
# dispenser: some of them are called by none of these names.
COCO_COVERS: Mapping[str, str] = {
    "person": "person",
    "bicycle": "bicycle",
    "car": "car | truck",
    "motorcycle": "motorcycle",
    "airplane": "airplane",
    "bus": "bus",
    "train": "train",
    "watercraft": "boat",
    "traffic light": "traffic light",
    "bench": "bench",
    "bird": "bird",
    "domestic cat": "cat",
    "dog": "dog",
    "horse": "horse",
    "sheep": "sheep",
    "cattle": "cow",
    "elephant": "elephant",
    "bear": "bear",
    "giant panda": "bear",
    "zebra": "zebra",
    "backpack": "backpack",
    "tie": "tie",
    "bow tie": "tie",
    "ski": "skis",
    **dict.fromkeys(_BALLS.split(" | "), "sports ball"),
    "water bottle": "bottle",
    "wine bottle": "bottle",
    "cup or mug": "cup",
    "bowl": "bowl",
    "banana": "banana",
    "apple": "apple",
    "orange": "orange",
    "hotdog": "hot dog",
    "pizza": "pizza",
    "chair": "chair",
    "sofa": "couch",
    "tv or monitor": "tv",
    "laptop": "laptop",
    "computer mouse": "mouse",
    "remote control": "remote",
    "computer keyboard": "keyboard",
    "microwave": "microwave",
    "toaster": "toaster",
    "refrigerator": "refrigerator",
    "digital clock": "clock",
    "hair dryer": "hair drier",
}
