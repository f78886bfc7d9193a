"""A score and its reasons as one html file: for reading, on a desk or a phone, without a network."""

from detect.score_page.page import LARGEST, Captions, ScorePage, score_page
from detect.score_page.picture_folder import find_photos
from detect.score_page.scored_data import ScoredData

__all__ = ["LARGEST", "Captions", "ScorePage", "ScoredData", "find_photos", "score_page"]
