from __future__ import annotations

import os
import signal
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a core: torch's threads would fight for them
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which xdist turns off, and tests of Ctrl-C need

import pytest
from hypothesis import settings

# The same examples in every run, and no example is late because something else has the processor.
settings.register_profile("googlenet-rcnn", derandomize=True, deadline=None)
settings.load_profile("googlenet-rcnn")


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The developers' folder of real weights and photos; a test that asks for it is skipped where it is absent.

    It is $GOOGLENET_RCNN_SHARED, or else `shared` beside the repository.
    """
    named = os.environ.get("GOOGLENET_RCNN_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "weights").is_dir():
        pytest.skip("needs the developers' shared folder: $GOOGLENET_RCNN_SHARED, or `shared` beside the repository")
    return folder
