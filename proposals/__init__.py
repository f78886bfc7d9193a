"""Where objects might be: class-agnostic boxes, ranked best first."""

from proposals.diversity import Diversity
from proposals.proposals import Proposals
from proposals.selective_search import selective_search

__all__ = ["Diversity", "Proposals", "selective_search"]
