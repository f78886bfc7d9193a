"""`python -m tools.check_install`: is the environment whole? Run by `make .venv`."""

from __future__ import annotations

import sys

from proposals.opencv_contrib import OpenCVError, check_one_opencv
from tools.exit_status import ERROR, OK
from tools.messages import complain


def main() -> int:
    """0 if there is exactly one OpenCV and it has the contrib modules."""
    try:
        check_one_opencv()
    except OpenCVError as error:
        complain(str(error))
        return ERROR
    return OK


if __name__ == "__main__":
    sys.exit(main())
