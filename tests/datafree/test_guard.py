import mmap
import multiprocessing
import os
import sqlite3
import subprocess
import threading
import time
from contextlib import chdir, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.io
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.datasets import ImageFolder

from kdsearch.datafree.guard import guarding
from kdsearch.errors import LeakError

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")


def fill(folder: Path) -> Path:
    """A folder with the same four pixels in every format."""
    (folder / "class").mkdir(parents=True)
    pixels = np.arange(4, dtype=np.uint8).reshape(2, 2)
    Image.fromarray(pixels).save(folder / "class/a.png")
    np.save(folder / "a.npy", pixels)
    (folder / "a.bin").write_bytes(pixels.tobytes())
    torch.save(torch.from_numpy(pixels), folder / "a.pt")
    save_file({"pixels": torch.from_numpy(pixels)}, folder / "a.safetensors")
    with sqlite3.connect(folder / "a.db") as database:
        database.execute("create table pixels (value)")
    database.close()
    return folder


def read_fd(folder: Path) -> None:
    """By a number of a folder that was open before, which only its number tells."""
    number = os.open(folder.parent, os.O_RDONLY)
    try:
        os.close(os.open(f"{folder.name}/a.bin", os.O_RDONLY, dir_fd=number))
    finally:
        os.close(number)


def read_link(folder: Path) -> None:
    link = folder.parent / f"link to {folder.name}"
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    (link / "a.bin").read_bytes()


def read_from_inside(folder: Path) -> None:
    with chdir(folder / "class"):
        Path("../a.bin").read_bytes()


def read_in_thread(folder: Path) -> None:
    met: list[BaseException] = []

    def read() -> None:
        try:
            (folder / "a.bin").read_bytes()
        except BaseException as error:  # noqa: BLE001
            met.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    if met:
        raise met[0]


READERS = {
    "torchvision data set": lambda folder: ImageFolder(folder),
    "np.load": lambda folder: np.load(folder / "a.npy"),
    "np.memmap": lambda folder: np.memmap(folder / "a.bin", mode="r"),
    "np.fromfile": lambda folder: np.fromfile(folder / "a.bin", dtype=np.uint8),
    "PIL": lambda folder: Image.open(folder / "class/a.png").close(),
    "torch.load": lambda folder: torch.load(folder / "a.pt"),
    "torch.load mmap": lambda folder: torch.load(folder / "a.pt", mmap=True),
    "os.listdir": os.listdir,
    "os.scandir": lambda folder: os.scandir(folder).close(),
    "os.walk": lambda folder: [*os.walk(folder)],
    "pathlib glob": lambda folder: [*folder.glob("*")],
    "torch.from_file": lambda folder: torch.from_file(str(folder / "a.bin"), size=4, dtype=torch.uint8),
    "storage from file": lambda folder: torch.UntypedStorage.from_file(str(folder / "a.bin"), False, 4),
    "torch's own archive reader": lambda folder: torch._C.PyTorchFileReader(str(folder / "a.pt")),
    "torchvision.io.read_file": lambda folder: torchvision.io.read_file(str(folder / "class/a.png")),
    "torchvision.io.read_image": lambda folder: torchvision.io.read_image(str(folder / "class/a.png")),
    "torchvision.io.decode_image": lambda folder: torchvision.io.decode_image(str(folder / "class/a.png")),
    "torchvision's operator": lambda folder: torch.ops.image.read_file(str(folder / "class/a.png")),
    "safe_open": lambda folder: safe_open(folder / "a.safetensors", framework="pt"),
    "safetensors load_file": lambda folder: load_file(folder / "a.safetensors"),
    "sqlite": lambda folder: sqlite3.connect(folder / "a.db").close(),
    "sqlite address": lambda folder: sqlite3.connect(f"file:{folder}/a.db?mode=ro", uri=True).close(),
    "os.open": lambda folder: os.close(os.open(folder / "a.bin", os.O_RDONLY)),
    "os.open of the folder": lambda folder: os.close(os.open(folder, os.O_RDONLY)),
    "os.open beside an open folder": read_fd,
    "bytes for a path": lambda folder: open(os.fsencode(folder / "a.bin"), "rb").close(),
    "symbolic link": read_link,
    "dots and slashes": lambda folder: Path(f"//{folder}/class/.././/a.bin").read_bytes(),
    "by way of the process": lambda folder: Path(f"/proc/self/root{folder}/a.bin").read_bytes(),
    "relative path": read_from_inside,
    "thread": read_in_thread,
    "hard link": lambda folder: os.link(folder / "a.bin", folder.parent / f"hard {folder.name} {time.time_ns()}"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return fill(home / "real"), fill(home / "real images of others")


@pytest.mark.parametrize("reader", READERS)
def test_what_reads_a_file_is_refused_below_the_roots_and_nowhere_else(reader, folders):
    real, other = folders
    read = READERS[reader]
    read(real)
    with guarding([real]):
        read(other)
    with pytest.raises(LeakError, match=f"was about to read {real}[/;]"), guarding([real]):
        read(real)
    read(real)


STARTERS = {
    "subprocess": lambda: subprocess.run(["true"], check=True),
    "os.system": lambda: os.system("true"),
    "os.popen": lambda: os.popen("true").close(),
    "os.posix_spawn": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0),
    "multiprocessing spawn": lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
    "multiprocessing forkserver": lambda: multiprocessing.get_context("forkserver").Process(target=print).start(),
}


@pytest.mark.parametrize("starter", STARTERS)
def test_no_program_is_started_that_could_read_unseen(starter, tmp_path):
    with pytest.raises(LeakError, match="start a program"), guarding([tmp_path]):
        STARTERS[starter]()


def test_a_file_opened_before_is_not_opened_again_by_its_number(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"pixels")
    with path.open("rb") as file:
        for way in (lambda: mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), lambda: os.fdopen(file.fileno())):
            with pytest.raises(LeakError, match="read"), guarding([tmp_path]):
                way()


def test_one_file_can_be_the_root(folders):
    real, _ = folders
    with guarding([real / "a.bin"]):
        np.load(real / "a.npy")
    with pytest.raises(LeakError, match=r"a\.bin"), guarding([real / "a.bin"]):
        np.fromfile(real / "a.bin", dtype=np.uint8)


def test_what_a_loader_hides_is_told_at_the_end(folders):
    real, _ = folders
    with pytest.raises(LeakError, match=r"a\.npy"), guarding([real]), suppress(Exception):
        np.load(real / "a.npy")


def test_an_error_of_the_block_itself_is_not_replaced(folders):
    real, _ = folders
    with pytest.raises(ZeroDivisionError), guarding([real]):
        1 / 0  # noqa: B018


def test_guards_nest_and_each_keeps_its_own_roots_out(folders):
    real, other = folders
    with guarding([real]):
        with guarding([other]):
            pass
        np.load(other / "a.npy")
    with pytest.raises(LeakError, match=f"read {real}/"), guarding([real]), guarding([other]):
        torch.from_file(str(real / "a.bin"), size=4, dtype=torch.uint8)


def test_without_roots_there_is_nothing_to_guard():
    with guarding([]):
        subprocess.run(["true"], check=True)
