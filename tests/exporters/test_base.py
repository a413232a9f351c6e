# ruff: noqa: ARG002
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from kdsearch.errors import ExportError
from kdsearch.exporters.base import Exporter, Format, export_student
from kdsearch.exporters.base_manifest import Manifest, read_manifest
from kdsearch.spec.sections import Section

# The runtime of these tests' own format: a file of logits that were computed beforehand.
REPLAY = "def run(path, pixels, shape):\n    return open(path, 'rb').read(), [3, 2]\n"
IMAGES = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(1))
MANIFEST = Manifest(image_shape=(1, 2, 2), mean=(0.5,), std=(0.25,), classes=("a", "b"))


def make_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


class Replay(Exporter):
    """Writes the logits of ``IMAGES`` themselves, ``shift`` added: enough to see what is accepted."""

    class Options(Section):
        shift: float = 0.0
        runtime: str = REPLAY
        name: str = "replay"

    options: Options

    def formats(self):
        return (Format(self.options.name, f"{self.options.name}.bin", self.options.runtime),)

    def write(self, converted, path, extra_files):
        path.write_bytes((converted(IMAGES) + self.options.shift).numpy().tobytes())
        path.with_suffix(".txt").write_text(extra_files["manifest.json"])

    def load(self, path):
        values = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.float32).reshape(3, 2)
        return lambda pixels: values[(pixels == IMAGES).flatten(1).all(1)]


def export(folder: Path, **options):
    net = options.pop("net", None) or make_net()
    manifest = options.pop("manifest", MANIFEST)
    exporter = Replay(Replay.Options(**options))
    return export_student(net, IMAGES, exporter=exporter, folder=folder, manifest=manifest)


def test_files_that_agree_are_renamed_in_with_a_manifest_beside_them(tmp_path):
    exported = export(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "replay.bin"]
    described = read_manifest(tmp_path)
    assert exported.parity == {"replay": 0.0} == described["parity"]
    assert described["files"]["replay"]["size_bytes"] == 3 * 2 * 4
    assert described["input"]["range"] == [0, 1]
    assert described["input"]["shape"] == [1, 1, 2, 2]


def test_the_reference_normalises_with_the_manifests_mean_and_std(tmp_path):
    net = make_net()
    exported = export(tmp_path, net=net)
    with torch.no_grad():
        by_hand = net((IMAGES - 0.5) / 0.25)
    written = torch.frombuffer(bytearray(exported.files["replay"].read_bytes()), dtype=torch.float32).reshape(3, 2)
    torch.testing.assert_close(written, by_hand)


@pytest.mark.parametrize("shift", [2e-3, float("nan"), float("inf")])
def test_a_file_that_differs_is_refused_and_nothing_is_left(tmp_path, shift):
    class Shifted(Replay):
        def write(self, converted, path, extra_files):
            path.write_bytes((converted(IMAGES) + shift).numpy().tobytes())

    with pytest.raises(ExportError, match=r"replay\.bin: differs from the net by"):
        export_student(make_net(), IMAGES, exporter=Shifted(Shifted.Options()), folder=tmp_path, manifest=MANIFEST)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 1, 2)])
def test_the_same_numbers_in_another_shape_are_refused(tmp_path, shape):
    class Reshaped(Replay):
        def load(self, path):
            run = super().load(path)
            return lambda pixels: run(pixels).reshape(shape)

    said = re.escape(f"replay.bin: gives logits of shape {shape} for an image, the net (1, 2)")
    with pytest.raises(ExportError, match=said):
        export_student(make_net(), IMAGES, exporter=Reshaped(Reshaped.Options()), folder=tmp_path, manifest=MANIFEST)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(2, 3), (6,), (3, 1, 2), (3, 2, 1)])
def test_a_fresh_process_that_turns_the_same_numbers_is_refused(tmp_path, shape):
    turned = f"def run(path, pixels, shape):\n    return open(path, 'rb').read(), {shape}\n"
    said = re.escape(f"replay.bin: gives logits of shape {shape}, the net (3, 2); not written")
    with pytest.raises(ExportError, match=said):
        export(tmp_path, runtime=turned)
    assert list(tmp_path.iterdir()) == []


def test_what_the_fresh_process_computes_decides_even_if_this_one_agrees(tmp_path):
    wrong = "def run(path, pixels, shape):\n    return bytes(3 * 2 * 4), [3, 2]\n"
    with pytest.raises(ExportError, match="differs from the net"):
        export(tmp_path, runtime=wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_needs_this_package_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"without kdsearch: .*kdsearch"):
        export(tmp_path, runtime="import kdsearch\n" + REPLAY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("mine")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(ExportError, match=r"taken.*: no folder to export to: "):
            export(folder)


@pytest.mark.parametrize("content", ["{}", "[]", "not json", '{"files": ["a"]}', '{"files": {"a": 1}}'])
def test_a_manifest_of_something_else_is_left_alone(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ExportError, match=r"manifest\.json: is no manifest of kdsearch; move it"):
        export(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("manifest.json", content)]


def test_too_few_logits_are_refused(tmp_path):
    with pytest.raises(ExportError, match="gives 0 logits where the net gives 6"):
        export(tmp_path, runtime="def run(path, pixels, shape):\n    return b'', [0, 2]\n")


def test_a_net_that_gives_nan_is_refused(tmp_path):
    net = make_net()
    with torch.no_grad():
        net[1].weight.fill_(float("nan"))
    with pytest.raises(ExportError, match="differs from the net by nan"):
        export(tmp_path, net=net)


def test_an_older_export_survives_a_refused_one(tmp_path):
    export(tmp_path)
    before = (tmp_path / "replay.bin").read_bytes()
    with pytest.raises(ExportError):
        export(tmp_path, runtime="import kdsearch\n" + REPLAY)
    assert (tmp_path / "replay.bin").read_bytes() == before
    read_manifest(tmp_path)


def test_two_exporters_share_one_manifest(tmp_path):
    export(tmp_path)
    export(tmp_path, name="other")
    described = read_manifest(tmp_path)
    assert set(described["files"]) == {"replay", "other"} == set(described["parity"])
    assert described["format"] == "replay"


def test_exporting_changes_neither_the_mode_nor_the_weights_of_the_net(tmp_path):
    net = make_net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    export(tmp_path, net=net)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_no_image_to_compare_on_is_an_error(tmp_path):
    with pytest.raises(ExportError, match="no image"):
        export_student(make_net(), IMAGES[:0], exporter=Replay(Replay.Options()), folder=tmp_path, manifest=MANIFEST)


def test_a_full_disk_is_one_line(tmp_path):
    class Full(Replay):
        def write(self, converted, path, extra_files):
            raise OSError(28, "No space left on device")

    with pytest.raises(ExportError, match="No space left on device"):
        export_student(make_net(), IMAGES, exporter=Full(Full.Options()), folder=tmp_path, manifest=MANIFEST)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_is_noticed_by_its_hash(tmp_path):
    exported = export(tmp_path)
    exported.files["replay"].write_bytes(b"something else")
    with pytest.raises(ExportError, match="SHA-256"):
        read_manifest(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    exported = export(tmp_path)
    exported.files["replay"].unlink()
    with pytest.raises(ExportError, match=r"replay\.bin: missing"):
        read_manifest(tmp_path)


def test_a_manifest_of_another_schema_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(ExportError, match="needs schema 1"):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(ExportError, match="cannot be read"):
        read_manifest(tmp_path)
