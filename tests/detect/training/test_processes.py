"""Who waits for whom."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from detect.training.processes import is_main_process, main_process_first, process_count, process_number

PROGRAM = """
import sys, time
from pathlib import Path
from detect.training.processes import MainProcessFailed, is_main_process, main_process_first, process_count
out, fails = Path(sys.argv[1]), sys.argv[2] == "fails"
try:
    with main_process_first():
        if is_main_process():
            time.sleep(1)
            (out / "made").write_text("")
            if fails:
                raise ValueError
        else:
            (out / "saw").write_text(f"{(out / 'made').exists()} {process_count(1)}")
except (MainProcessFailed, ValueError) as error:
    (out / type(error).__name__).write_text("")
"""


def test_one_process_is_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with main_process_first():
        assert (process_number(), is_main_process(), process_count(3)) == (0, True, 3)
    monkeypatch.setenv("LOCAL_RANK", "1")  # of Lightning's: the main one has begun to train
    monkeypatch.setenv("WORLD_SIZE", "2")
    with main_process_first():
        assert (process_number(), is_main_process(), process_count(2)) == (1, False, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "files"), [("works", {"made", "saw"}), ("fails", {"made", "ValueError", "MainProcessFailed"})]
)
def test_under_torchrun_the_others_wait(tmp_path: Path, how: str, files: set[str]) -> None:
    program, out = tmp_path / "program.py", tmp_path / "out"
    program.write_text(textwrap.dedent(PROGRAM))
    out.mkdir()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run([*launcher, str(program), str(out), how], check=True, timeout=120, capture_output=True)
    assert {path.name for path in out.iterdir()} == files
    if how == "works":
        assert (out / "saw").read_text() == "True 2"
