import importlib
import subprocess
import sys
from contextlib import suppress

import pytest
import torch
import torchvision.io
from safetensors import safe_open

from kdsearch.datafree.guard import guarding
from kdsearch.errors import LeakError


def test_what_was_wrapped_is_as_before_afterwards(tmp_path):
    def held() -> list[object]:
        return [torch.from_file, torch.ops.image.read_file, torchvision.io.decode_image, safe_open, subprocess.Popen]

    before, own = held(), set(vars(torch.UntypedStorage))
    first, second = guarding([tmp_path]), guarding([tmp_path])
    first.__enter__()
    second.__enter__()
    assert held() != before
    first.__exit__(None, None, None)  # the guards of two threads need not end in turn
    with pytest.raises(LeakError):
        torch.from_file(str(tmp_path / "a"), size=4)
    with suppress(LeakError):
        second.__exit__(None, None, None)
    assert held() == before
    assert set(vars(torch.UntypedStorage)) == own


def test_a_reader_that_is_imported_under_the_guard_is_wrapped_as_it_comes(tmp_path, monkeypatch):
    packages, real = tmp_path / "packages", tmp_path / "real"
    packages.mkdir()
    real.mkdir()
    (packages / "h5py.py").write_text("def File(name, mode='r'):\n    return name\n")
    monkeypatch.syspath_prepend(packages)
    monkeypatch.delitem(sys.modules, "h5py", raising=False)
    with suppress(LeakError), guarding([real]):
        h5py = importlib.import_module("h5py")
        assert h5py.File("elsewhere.h5") == "elsewhere.h5"
        with pytest.raises(LeakError, match=r"h5py\.File"):
            h5py.File(str(real / "images.h5"))
    assert h5py.File(str(real / "images.h5"))
    monkeypatch.delitem(sys.modules, "h5py")
