"""Classification classes outside the 200 detection classes whose objects may nevertheless be called one of them.

505 of the 1000 classes are outside by WordNet. The box of a suit holds a person; a television is a "tv or monitor" to
whoever looks at it. For the others, everything that the tables here do not name, `background` holds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from detect.class_tables import DetectionClass

# Outcomes: indices of the classification classes, that is, outputs of the network.
OUTSIDE_LEAVES: Mapping[str, tuple[int, ...]] = {
    # Called otherwise in WordNet, but the thing itself.
    "airplane": (895,),  # warplane
    "elephant": (101,),  # tusker
    "sunglasses": (836,),  # sunglass
    "tv or monitor": (851,),  # television
    # Worn: abaya, academic gown, apron, bearskin, bib, bonnet, breastplate, bulletproof vest, cardigan, chain mail,
    # cloak, cuirass, feather boa, fur coat, gasmask, gown, hoopskirt, jean, jersey, kimono, lab coat, mask, military
    # uniform, mortarboard, overskirt, oxygen mask, pajama, poncho, sarong, ski mask, snorkel, stole, suit, sweatshirt,
    # trench coat, vestment, wig.
    "person | background": (
        *(399, 400, 411, 439, 443, 452, 461, 465, 474, 490, 501, 524, 552, 568, 570, 578, 601, 608, 610, 614, 617),
        *(643, 652, 667, 689, 691, 697, 735, 775, 796, 801, 824, 834, 841, 869, 887, 903),
    ),
    "person | brassiere | maillot | background": (445,),  # bikini
    "person | maillot | background": (638,),  # maillot, the other one
    "helmet | background": (715,),  # pickelhaube
    # Vehicles.
    "train | background": (547, 565, 705, 820),  # electric locomotive, freight car, passenger car, steam locomotive
    "train | bus | background": (829,),  # streetcar
    "car | background": (675, 717, 734, 864),  # moving van, pickup, police van, tow truck
    "car | bus | background": (757,),  # recreational vehicle
    "car | watercraft | background": (408,),  # amphibian
    "car | golfcart | background": (573,),  # go-kart
    "bicycle | background": (870,),  # tricycle
    "airplane | background": (812, 908),  # space shuttle, wing
    "watercraft | background": (694,),  # paddlewheel
    "cart | background": (428, 791),  # barrow, shopping cart
    "dog | person | background": (537,),  # dogsled
    # Animals and plants.
    "dog | background": (273, 676),  # dingo, muzzle
    "dragonfly | background": (320,),  # damselfly
    "snail | background": (112,),  # conch
    "lobster | background": (124,),  # crayfish
    "mushroom | background": (991, 992, 993, 994, 995, 996, 997),  # coral fungus … bolete
    "cucumber | background": (939,),  # zucchini
    "artichoke | background": (946,),  # cardoon
    # Vessels.
    "bowl | background": (666, 925, 926, 959),  # mortar, consomme, hot pot, carbonara
    "cup or mug | background": (967, 969),  # espresso, eggnog
    "cup or mug | beaker | background": (647,),  # measuring cup
    "flower pot | pitcher | background": (883,),  # vase
    "frying pan | background": (909,),  # wok
    "pitcher | background": (505, 849, 899, 901),  # coffeepot, teapot, water jug, whiskey jug
    "water bottle | background": (737,),  # pop bottle
    "wine bottle | background": (440, 966),  # beer bottle, red wine
    # Things of the house.
    "bookshelf | background": (454, 495, 624),  # bookshop, china cabinet, library
    "tv or monitor | background": (527, 598),  # desktop computer, home theater
    "tv or monitor | bookshelf | background": (548,),  # entertainment center
    "computer keyboard | background": (810, 878),  # space bar, typewriter keyboard
    "digital clock | background": (531, 826),  # digital watch, stopwatch
    "iPod | background": (487, 590),  # cellular telephone, hand-held computer
    "lamp | background": (619, 818),  # lampshade, spotlight
    "printer | background": (713,),  # photocopier
    "stove | background": (766,),  # rotisserie
    "table | background": (406,),  # altar
    "tape player | background": (485, 754),  # CD player, radio
    "purse | background": (893,),  # wallet
    "backpack | purse | background": (636,),  # mailbag
    "ladle | spatula | background": (910,),  # wooden spoon
    "ruler | background": (798,),  # slide rule
    "nail | background": (783,),  # screw
    "dumbbell | background": (422,),  # barbell
    "horizontal bar | background": (702,),  # parallel bars
    # Music.
    "drum | background": (542,),  # drumstick
    "oboe | background": (432,),  # bassoon
    "piano | background": (687,),  # organ
}

# Of these, the ones whose every object is of that class to whoever annotates photos, so that a detector may sum their
# probability too: the things themselves; an espresso, which is photographed in its cup; parts of a train.
KINDRED: Mapping[str, tuple[int, ...]] = {
    **{name: leaves for name, leaves in OUTSIDE_LEAVES.items() if "|" not in name},
    "cup or mug": (967,),
    "train": OUTSIDE_LEAVES["train | background"],
}

# What a person wears. Its box is nearly the person's, and of 1000 classes only three are people; but empty clothes are
# nobody, which only a detector that is trained with these among its members can know.
WORN: Mapping[str, tuple[int, ...]] = {"person": OUTSIDE_LEAVES["person | background"]}

# Detection classes of which other kinds than the image's own leaf are often beside it, unannotated: the bride beside
# the groom, parked cars behind the convertible, a floor lamp beside the table lamp, ewes beside the ram.
OTHERS_NOT_ANNOTATED = frozenset(
    (
        *("person", "car", "watercraft", "chair", "table", "bowl", "cup or mug", "lamp", "tv or monitor", "bookshelf"),
        *("sheep", "cattle", "horse", "apple", "motorcycle", "airplane", "train", "guitar"),
    )
)


def with_kindred(classes: Sequence[DetectionClass], *, worn: bool = False) -> tuple[DetectionClass, ...]:
    """ILSVRC's detection classes with `KINDRED` among their members; others, of other names, as they are.

    Args:
        worn: and `WORN`, for who is trained so.
    """
    tables = (KINDRED, WORN) if worn else (KINDRED,)
    more = {name: [leaf for table in tables for leaf in table.get(name, ())] for table in tables for name in table}
    return tuple(
        dataclasses.replace(one, members=tuple(sorted({*one.members, *more.get(one.name, ())}))) for one in classes
    )
