"""Where objects might be: class-agnostic boxes, ranked best first."""

from proposals.proposals import Proposals

__all__ = ["Proposals"]
