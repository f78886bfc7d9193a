"""Where objects might be: class-agnostic boxes, ranked best first."""

from proposals.proposals import Proposals
from proposals.selective_search import Diversity, selective_search

__all__ = ["Diversity", "Proposals", "selective_search"]
