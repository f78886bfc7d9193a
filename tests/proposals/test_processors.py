"""The same boxes on processors with and without wide vector units."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SEARCH = """
import hashlib
from skimage import data
from proposals import selective_search
digest = hashlib.sha256()
for photo in (data.chelsea(), data.coffee(), data.astronaut()):
    digest.update(selective_search(photo).boxes.tobytes())
print(digest.hexdigest())
"""


def boxes_of(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SEARCH],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_opencv_without_its_vector_code_gives_the_same_boxes() -> None:
    """OpenCV chooses code by processor when it starts; this takes away what older ones lack."""
    assert boxes_of() == boxes_of(OPENCV_CPU_DISABLE="AVX512-SKX,AVX512-ICL,AVX512-CNL,AVX512-CLX,AVX2,FMA3,FP16,AVX")
