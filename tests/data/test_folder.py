from __future__ import annotations

import shutil

import pytest
import torch
from PIL import Image

from kdsearch.data import decode
from kdsearch.data.datasets import load_dataset
from kdsearch.errors import DataError, StoreError
from kdsearch.spec.task_sections import TaskOptions
from tests.pictures import green_corner, save_as_camera


def empty(folder):
    for file in folder.iterdir():
        file.unlink()


def load(folder, cache_dir, **options):
    return load_dataset(TaskOptions(folder=folder, validation_share=0.2, **options), cache_dir=cache_dir)


def test_val_becomes_the_test_part_where_there_is_no_other(image_folder, tmp_path):
    data = load(image_folder, tmp_path)
    assert data.classes == ("cat", "dog")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [16, 4, 6]
    assert data.image_shape == (3, 8, 12)
    colours = [[shade + number, 255 - shade, 7] for shade in (20, 120) for number in range(3)]
    assert data.test.images_NCHW[:, :, 3, 5].tolist() == colours
    assert data.test.labels_N.tolist() == [0, 0, 0, 1, 1, 1]


def test_three_folders_are_the_three_parts(image_folder, tmp_path):
    shutil.copytree(image_folder / "val", image_folder / "test")
    Image.new("RGB", (12, 8)).save(image_folder / "test" / "cat" / "another.png")
    data = load(image_folder, tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20, 6, 7]


def test_class_folders_alone_are_divided_in_three(image_folder, tmp_path):
    data = load(image_folder / "train", tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [14, 4, 2]


def test_images_of_other_sizes_are_cut_to_image_size(image_folder, tmp_path):
    Image.new("L", (5, 40)).save(image_folder / "train" / "cat" / "tall.png")
    assert load(image_folder, tmp_path, image_size=16, channels=1).image_shape == (1, 16, 16)
    with pytest.raises(DataError, match=r"tall\.png: is 5x40 pixels, the first image 12x8; set task\.image_size"):
        load(image_folder, tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_photographs_are_turned_upright(tmp_path, orientation, suffix):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(4):
            save_as_camera(green_corner(64), tmp_path / "pets" / name / f"{number}{suffix}", orientation)
    for image_size in (None, 16):
        image_CHW = load(tmp_path / "pets", tmp_path, image_size=image_size).train.images_NCHW[0].float()
        side = image_CHW.shape[1] // 2
        quarters = [
            float(image_CHW[1, top : top + side, left : left + side].mean()) for top in (0, side) for left in (0, side)
        ]
        assert [value > 128 for value in quarters] == [False, True, False, False]


def test_broken_images_of_a_part_are_all_named(image_folder, tmp_path):
    val = image_folder / "val"
    (val / "cat" / "0.png").write_bytes(b"no picture")
    whole = (val / "dog" / "1.png").read_bytes()
    (val / "dog" / "1.png").write_bytes(whole[: len(whole) - 30])
    Image.new("I;16", (12, 8)).save(val / "dog" / "2.png")
    with pytest.raises(DataError) as caught:
        load(image_folder, tmp_path)
    first, second, third = str(caught.value).splitlines()
    assert "cat/0.png: cannot be decoded" in first
    assert "dog/1.png: cannot be decoded" in second
    assert "dog/2.png: cannot be decoded (its pixels are of mode I;16, not of 8 bits)" in third


def test_ten_broken_images_are_named_and_all_parts_listed_in_a_file(image_folder, tmp_path):
    files = sorted([*(image_folder / "train").rglob("*.png"), *(image_folder / "val").rglob("*.png")])
    for file in files:
        file.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load(image_folder, tmp_path)
    *named, rest = str(caught.value).splitlines()
    assert len(named) == 10
    listing = tmp_path / "broken" / "pets.txt"
    assert rest == f"... and 16 more; all 26 are listed in {listing}"
    assert sorted(line.split(": ")[0] for line in listing.read_text().splitlines()) == [str(file) for file in files]


def break_three(image_folder):
    broken = [image_folder / part for part in ("train/cat/3.png", "train/dog/0.png", "val/dog/1.png")]
    for file in broken:
        file.write_bytes(b"no picture")
    return broken


@pytest.mark.parametrize("in_memory", [2**28, 100])
def test_broken_images_are_left_out_counted_and_named_where_the_study_says_so(
    image_folder, tmp_path, monkeypatch, caplog, in_memory
):
    monkeypatch.setattr(decode, "_IN_MEMORY_BYTES", in_memory)
    whole = load(image_folder, tmp_path)
    broken = break_three(image_folder)
    for _ in range(2):  # a second time from the cache
        caplog.clear()
        data = load(image_folder, tmp_path, skip_broken=True)
        seen = len(data.train) + len(data.validation)
        assert (seen, len(data.test)) == (18, 5)
        assert data.test.labels_N.tolist() == [0, 0, 0, 1, 1]
        assert data.test.images_NCHW[:, 0, 0, 0].tolist() == [20, 21, 22, 120, 122]
        assert torch.equal(data.train.labels_N, (data.train.images_NCHW[:, 0, 0, 0] >= 120).long())
        (note,) = data.notes
        assert note in caplog.text
        assert note.startswith("pets: 3 broken image(s) left out (task.skip_broken): ")
        assert all(str(file) in note for file in broken)
    assert len(whole.train) + len(whole.validation) == 20
    with pytest.raises(DataError, match=r"cat/3.png: cannot be decoded .*; replace or remove it, or set task.skip_b"):
        load(image_folder, tmp_path)


def test_an_image_of_another_size_is_no_broken_one(image_folder, tmp_path):
    Image.new("RGB", (5, 40)).save(image_folder / "train" / "cat" / "tall.png")
    with pytest.raises(DataError, match=r"tall\.png: is 5x40 pixels"):
        load(image_folder, tmp_path, skip_broken=True)


def test_a_class_whose_images_are_all_broken_is_refused(image_folder, tmp_path):
    for file in (image_folder / "train" / "cat").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"no training image of 1 class\(es\): 'cat'"):
        load(image_folder, tmp_path, skip_broken=True)


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Validation"])
@pytest.mark.parametrize("test", ["test", "testing", "TEST"])
@pytest.mark.parametrize("train", ["train", "training", "Train"])
def test_parts_may_bear_their_other_usual_names(image_folder, tmp_path, train, val, test):
    expected = load(image_folder, tmp_path)
    shutil.copytree(image_folder / "val", image_folder / "test-")
    (image_folder / "test-" / "cat" / "0.png").unlink()
    for before, after in (("train", train), ("val", val), ("test-", test)):
        (image_folder / before).rename(image_folder / after)
    data = load(image_folder, tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20, 6, 5]
    assert (data.classes, data.notes) == (expected.classes, ())


def test_a_folder_beside_train_that_nothing_reads_is_named(image_folder, tmp_path, caplog):
    for name in ("extra", "dev", ".hidden"):
        (image_folder / name).mkdir()
    data = load(image_folder, tmp_path)
    said = f"{image_folder}: dev/, extra/ beside train/ is not read; only train/, val/ and test/ are"
    assert data.notes == (said,)
    assert said in caplog.text


def test_two_folders_of_one_part_are_refused(image_folder, tmp_path):
    shutil.copytree(image_folder / "val", image_folder / "validation")
    with pytest.raises(DataError, match=r"has val and validation, which mean one part \(val\); keep one of them"):
        load(image_folder, tmp_path)


def test_a_class_may_be_called_as_a_part_is(image_folder, tmp_path):
    (image_folder / "train" / "cat").rename(image_folder / "train" / "valid")
    assert load(image_folder / "train", tmp_path).classes == ("dog", "valid")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, r"pets: folder not found; correct task\.folder"),
        (lambda root: shutil.rmtree(root / "train"), "has val but no train"),
        (
            lambda root: shutil.rmtree(root / "train" / "dog"),
            r"train: needs one folder a class, two or more \(found: cat\)",
        ),
        (
            lambda root: shutil.move(root / "val" / "dog", root / "val" / "wolf"),
            "wolf: no such class in the training part",
        ),
        (
            lambda root: [file.unlink() for file in (root / "train" / "cat").iterdir()],
            "train/cat: no image of this class",
        ),
        (lambda root: [file.unlink() for file in (root / "val" / "cat").iterdir()], "val/cat: no image of this class"),
    ],
)
def test_incomplete_folders_are_refused_in_one_line(image_folder, tmp_path, spoil, message):
    spoil(image_folder)
    with pytest.raises(DataError, match=message) as caught:
        load(image_folder, tmp_path)
    assert "\n" not in str(caught.value)


def test_other_files_are_left_out_with_a_warning(image_folder, tmp_path, caplog):
    (image_folder / "train" / "cat" / "notes.txt").write_text("hello")
    assert len(load(image_folder, tmp_path).train) == 16
    assert "train/cat: 1 file(s) are no images by their suffix" in caplog.text


def test_large_sets_are_decoded_once_into_a_mapped_file(image_folder, tmp_path, monkeypatch):
    in_memory = load(image_folder, tmp_path)
    monkeypatch.setattr(decode, "_IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(decode, "_CHUNK", 3)
    mapped = load(image_folder, tmp_path)
    assert mapped.digest == in_memory.digest
    files = sorted((tmp_path / "images").glob("*.npy"))
    assert len(files) == 3
    written = [file.stat().st_mtime_ns for file in files]
    assert load(image_folder, tmp_path).digest == in_memory.digest
    assert [file.stat().st_mtime_ns for file in files] == written
    assert torch.equal(mapped.train.subset(torch.tensor([1])).images_NCHW, in_memory.train.images_NCHW[1:2])


def test_a_changed_image_is_decoded_again(image_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "_IN_MEMORY_BYTES", 100)
    before = load(image_folder, tmp_path)
    Image.new("RGB", (12, 8), (1, 2, 3)).save(image_folder / "val" / "dog" / "2.png")
    after = load(image_folder, tmp_path)
    assert after.test.images_NCHW[5, :, 0, 0].tolist() == [1, 2, 3]
    assert before.test.images_NCHW[5, :, 0, 0].tolist() == [122, 135, 7]


def test_a_disk_too_small_for_the_decoded_images_is_an_error(image_folder, tmp_path, monkeypatch, tiny_disk):
    monkeypatch.setattr(decode, "_IN_MEMORY_BYTES", 100)
    with pytest.raises(DataError, match=r"the decoded images take 0\.0 GB, 0\.0 GB are free"):
        load(image_folder, tiny_disk, image_size=200)


def test_a_disk_that_fills_up_while_decoding_is_an_error(image_folder, tmp_path, monkeypatch, tiny_disk):
    monkeypatch.setattr(decode, "_IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(decode.Decoder, "_check_space", lambda *_: None)
    with pytest.raises(StoreError, match="no space left on device"):
        load(image_folder, tiny_disk, image_size=200)
    assert list(tiny_disk.rglob("*.npy")) == []
