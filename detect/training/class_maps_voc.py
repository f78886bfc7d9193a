"""VOC's 20 class names in terms of the 200 ILSVRC detection classes, after VOC's annotation guidelines.

`a | b | background`: an object of this name may be any of these. `background` alone: it is none of the 200.
"""

from __future__ import annotations

from collections.abc import Mapping

VOC: Mapping[str, str] = {
    "aeroplane": "airplane",
    "bicycle": "bicycle",  # the guidelines add tricycles and unicycles, which are rare
    "bird": "bird",
    "boat": "watercraft",
    # "Plastic, glass or feeding bottles": beer and soda bottles are none of the 200.
    "bottle": "water bottle | wine bottle | perfume | soap dispenser | cream | hair spray | background",
    "bus": "bus",
    "car": "car",
    "cat": "domestic cat",
    "chair": "chair",
    "cow": "cattle",
    "diningtable": "table",
    "dog": "dog",
    "horse": "horse",
    "motorbike": "motorcycle",
    "person": "person",
    "pottedplant": "flower pot | background",  # the box is the plant's and its pot's
    "sheep": "sheep",
    "sofa": "sofa",
    "train": "train",
    "tvmonitor": "tv or monitor",
}

# Detection class: the names that every object of it would carry. Not here: table (desks and coffee tables are not
# annotated), flower pot (a pot is annotated with its plant, if at all), perfume and soap dispenser.
VOC_COVERS: Mapping[str, str] = {
    "airplane": "aeroplane",
    "bicycle": "bicycle",
    "bird": "bird",
    "watercraft": "boat",  # all but jet skis
    "water bottle": "bottle",
    "wine bottle": "bottle",
    "bus": "bus",
    "car": "car",  # all but emergency vehicles
    "domestic cat": "cat",
    "chair": "chair",  # all but wheelchairs
    "cattle": "cow",
    "dog": "dog",
    "horse": "horse",
    "motorcycle": "motorbike",
    "person": "person",
    "sheep": "sheep",
    "sofa": "sofa",
    "train": "train",
    "tv or monitor": "tvmonitor",  # laptops' screens neither here nor there
}
