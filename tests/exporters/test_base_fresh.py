from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from kdsearch.errors import ExportError
from kdsearch.exporters.base_fresh import Job, run_fresh

ECHO = "def run(path, pixels, shape):\n    return pixels, shape\n"


def test_the_pixels_reach_the_process_and_its_answer_comes_back(tmp_path):
    pixels = array("f", [0.5, 0.25])
    (answer,) = run_fresh([Job(tmp_path / "x", ECHO)], pixels.tobytes(), (1, 2))
    assert (answer.logits, answer.shape) == (pixels, (1, 2))


@pytest.mark.parametrize("package", ["kdsearch", "timm", "torchvision"])
def test_packages_that_an_application_lacks_cannot_be_imported(package):
    with pytest.raises(ExportError, match=f"cannot be run .*{package}"):
        run_fresh([Job(Path("x"), f"import {package}\n" + ECHO)], b"", (0,))


def test_a_killed_process_is_one_line():
    with pytest.raises(ExportError, match=r"x: .*ended with status -9"):
        run_fresh([Job(Path("x"), "import os\nos.kill(os.getpid(), 9)")], b"", (0,))


def test_a_process_that_never_answers_is_given_up():
    with pytest.raises(ExportError, match=r"within 0\.5 s"):
        run_fresh([Job(Path("x"), "import time\ntime.sleep(60)")], b"", (0,), limit_s=0.5)
