"""What is known of a teacher's file before anything of it runs, and what is refused by then."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zipfile

import pytest
import torch

from kdsearch.errors import ExportError, SpecError
from kdsearch.files import hash_file
from kdsearch.spec.distill_sections import TeacherOptions
from kdsearch.spec.study_spec import load_spec
from kdsearch.spec.teacher_file import read_file_facts
from tests.answering import CLASSES, manifest, named, rewrite, save_lite, save_onnx, save_ours, save_script
from tests.toys import SHAPE, knowing_net

FILES = [("ours.pt", "torchscript"), ("ours.ptl", "torchscript"), ("ours.onnx", "onnx")]
KD = ("strategy={name: kd, epochs: 1}", "finish={name: kd, epochs: 1}")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files that can teach: ours, a foreign script, one for phones, and ONNX."""
    folder, net = tmp_path_factory.mktemp("files"), knowing_net().eval()
    save_ours(folder / "ours.pt")
    save_script(net, folder / "foreign.pt")
    save_lite(folder / "ours.ptl")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    save_onnx(net, folder / "foreign.onnx")
    save_onnx(net, folder / "ours.onnx", **{"manifest.json": manifest()})
    return folder


@pytest.mark.parametrize(
    ("name", "kind"), [("ours.pt", "torchscript"), ("ours.ptl", "torchscript"), ("ours.onnx", "onnx")]
)
def test_what_kdsearch_exported_says_all_of_itself(files, name, kind):
    facts = read_file_facts(TeacherOptions(file=files / name))
    assert (facts.kind, facts.shape, facts.classes) == (kind, SHAPE, CLASSES)
    assert (facts.mean, facts.std) == ((0.0,), (1.0,))  # it normalises inside
    assert (facts.data_mean, facts.data_std) == ((0.3,), (0.3,))
    assert facts.metrics == {"validation_accuracy": 1.0}
    assert facts.sha256 == hash_file(files / name)


def test_the_manifest_beside_serves_as_well(files, tmp_path):
    path = shutil.copy(files / "foreign.pt", tmp_path / "bare.pt")
    about = json.loads(manifest(files={"torchscript": {"path": "bare.pt", "sha256": hash_file(path)}}))
    (tmp_path / "manifest.json").write_text(json.dumps(about))
    assert read_file_facts(TeacherOptions(file=path)).classes == CLASSES
    path.write_bytes((files / "ours.pt").read_bytes())
    with pytest.raises(ExportError, match=r"bare\.pt: its SHA-256 is not the one in manifest\.json beside it"):
        read_file_facts(TeacherOptions(file=path))


@pytest.mark.parametrize("name", ["foreign.pt", "foreign.onnx"])
def test_of_another_file_everything_is_said_or_missed(files, name):
    facts = read_file_facts(named(files / name, classes=CLASSES, mean=0.25, std=0.5))
    assert (facts.classes, facts.mean, facts.data_std) == (CLASSES, (0.25,), (0.5,))
    with pytest.raises(SpecError, match=rf"{name}: has no manifest .* so shape, classes, mean, std must be said"):
        read_file_facts(TeacherOptions(file=files / name))
    with pytest.raises(SpecError, match=rf"{name}: .* so classes must be said beside it, such as teacher: "):
        read_file_facts(named(files / name, classes=None))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        (
            "ours.pt",
            {"mean": None, "std": None, "classes": None},
            "its manifest says its shape; leave it out",
        ),
        ("foreign.pt", {"mean": (0.1, 0.2)}, "has 2 numbers, teacher.shape 1 channel; give one, or one a channel"),
        ("foreign.pt", {"sha256": "0" * 64}, r"is not the file of teacher\.sha256 \(its SHA-256 is [0-9a-f]{64}\)"),
    ],
)
def test_what_is_said_must_agree(files, name, changes, said):
    changes = {"std": (1.0, 1.0), **changes} if isinstance(changes.get("mean"), tuple) else changes
    with pytest.raises(SpecError, match=said):
        read_file_facts(named(files / name, **changes))


def test_the_hash_that_is_asked_for_is_accepted(files):
    read_file_facts(named(files / "foreign.pt", sha256=hash_file(files / "foreign.pt")))


def checkpoint(path):
    torch.save(knowing_net().state_dict(), path)


def truncated(path):
    save_script(knowing_net().eval(), path)
    path.write_bytes(path.read_bytes()[:-400])


def damaged(path):
    save_script(knowing_net().eval(), path)
    with zipfile.ZipFile(path) as archive:
        entry = next(info for info in archive.infolist() if info.filename.endswith(".py"))
    content = bytearray(path.read_bytes())
    name_length, extra_length = struct.unpack_from("<HH", content, entry.header_offset + 26)
    content[entry.header_offset + 30 + name_length + extra_length + 20] ^= 255
    path.write_bytes(content)


def half_onnx(path):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    path.write_bytes(save_onnx(knowing_net().eval(), path).read_bytes()[:-40])


def scattered_onnx(path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    model = onnx.load(save_onnx(knowing_net().eval(), path))
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)


def archive_of(*names):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(f"net/{name}", "")

    return write


def scripted(source):
    """A script whose forward does more than a net has to."""

    def write(path):
        save_script(knowing_net().eval(), path)
        rewrite(path, lambda text: text.replace(b"    return", f"    {source}\n    return".encode(), 1))

    return write


BAD = [
    ("net.pt", lambda _: None, r"net\.pt: no such file"),
    ("net.pt", lambda path: path.mkdir(), "is a folder; name the exported file"),
    ("net.pt", lambda path: path.touch(), "is empty; export it again"),
    ("net.pt", lambda path: path.write_bytes(b"\x80\x02}q\x00."), "is neither TorchScript nor ONNX"),
    ("net.pt", lambda path: path.write_text("name: card\n"), "is neither TorchScript nor ONNX"),
    ("net.pt", checkpoint, r"holds weights alone; .* kdsearch teach --from .*net\.pt --like NET"),
    ("net.pt", truncated, "is truncated or damaged"),
    ("net.pt", damaged, "is truncated or damaged"),
    ("net.pt", archive_of("readme.txt"), "is an archive without a net"),
    ("net.onnx", half_onnx, "is truncated or damaged"),
    ("net.onnx", scattered_onnx, r"has its weights in another file; export it as one, .*external_data=False"),
    ("net.pt", scripted('_9 = torch.from_file("x", True, 8)'), "its code names from_file, which reaches for files"),
    ("net.pt", scripted('torch.save(1, "x")'), "its code names save, which reaches for files"),
    ("net.pt", scripted('_9 = torch . \\\n from_file ("x")'), "its code names from_file"),
    ("net.pt", scripted('_9 = ops.image.read_file("x")'), "its code names read_file"),
]


@pytest.mark.parametrize(("name", "make", "said"), BAD)
def test_what_cannot_teach_is_refused_in_a_line_before_anything_of_it_runs(tmp_path, name, make, said):
    path = tmp_path / name
    make(path)
    with pytest.raises(SpecError, match=said) as caught:
        read_file_facts(named(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": "a b"}, "its manifest is damaged"),
        ({"input": {}}, "its manifest is damaged; export it again"),
        (
            {"output": {"meaning": "embeddings"}},
            "its outputs are embeddings, not classes; name a",
        ),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(tmp_path, changes, said):
    if changes.get("classes"):
        changes = {"classes": None}
    with pytest.raises(SpecError, match=said):
        read_file_facts(TeacherOptions(file=save_ours(tmp_path / "net.pt", **changes)))


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("{file: gone.pt}", r"gone\.pt: no such file; write where the exported net lies"),
        ("gone.onnx", r"gone\.onnx: no such file; write where the exported net lies"),
        ("{card: lenet5_mnist5k, shape: [1, 28, 28]}", "shape goes with file; a card has its own"),
        ("{net: given, outputs: probabilities}", "outputs goes with file"),
        ("{file: FOREIGN, shape: [1, 8]}", "teacher.shape"),
        ("{file: FOREIGN, sha256: abc}", "must be 64 hexadecimal digits"),
        ("{file: FOREIGN, classes: 1}", "classes"),
        ("FOREIGN", "has no manifest of kdsearch, so shape, classes, mean, std must be said"),
    ],
)
def test_what_a_study_says_of_a_file_is_checked(files, teacher, said):
    with pytest.raises(SpecError, match=said) as caught:
        load_spec("quickstart", (f"teacher={teacher.replace('FOREIGN', str(files / 'foreign.pt'))}", *KD))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("strategy", "reading"),
    [
        ("{name: cckd}", "cc"),
        ("{name: kd, terms: [kd, hint: {tap: embedding}, sp]}", "hint, sp"),
        ("{name: kd, sampler: {name: superclass, clusters: 3}}", "superclass"),
    ],
)
def test_what_reads_inside_a_teacher_does_not_go_with_one_that_only_answers(files, strategy, reading):
    sets = (f"teacher={files / 'ours.pt'}", f"strategy={strategy}", "finish={name: kd}", "search={name: random}")
    with pytest.raises(SpecError, match=rf"strategy: {reading} would read inside the teacher, and ours\.pt only"):
        load_spec("quickstart", sets)


def test_the_terms_of_its_logits_go_with_it_in_cckd_too(files):
    learned = "{name: cckd, terms: [ce, kd], sampler: {name: class_balanced, k: 4}}"
    spec = load_spec("quickstart", (f"teacher={files / 'ours.pt'}", f"strategy={learned}", f"finish={learned}"))
    assert spec.teacher.file == files / "ours.pt"


def test_a_run_is_read_again_when_its_file_has_gone(files, tmp_path):
    from kdsearch.spec.study_spec import dumps, loads

    path = shutil.copy(files / "ours.pt", tmp_path / "net.pt")
    spec = load_spec("quickstart", (f"teacher={path}", *KD))
    path.unlink()
    assert loads(dumps(spec)) == spec


def test_validating_a_study_with_a_file_needs_no_torch(files):
    program = (
        "import sys\nfrom kdsearch.spec.study_spec import load_spec\n"
        f"load_spec('quickstart', ('teacher={files}/ours.onnx', *{KD!r}))\n"
        "assert not {'torch', 'onnx', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
