"""Either side of each bound."""

from __future__ import annotations

import pytest

from configs.ranges import check_choice, check_least


@pytest.mark.parametrize("value", [None, 3, 4])
def test_in_range(value: int | None) -> None:
    check_least("a-flag", value, 3)
    check_choice("a-flag", "x", ("x", "y"))


def test_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^--a-flag: expected at least 3, got 2$"):
        check_least("a-flag", 2, 3)
    with pytest.raises(ValueError, match=r"^--a-flag: expected one of x, y, got 'z'$"):
        check_choice("a-flag", "z", ("x", "y"))
