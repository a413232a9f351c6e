"""Studies whose teacher is an exported file."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from kdsearch.errors import SpecError, StoreError
from kdsearch.executors.process import Process
from kdsearch.executors.serial import Serial
from kdsearch.files import hash_file
from kdsearch.progress import unwatched
from kdsearch.records import RunPaths, Trial
from kdsearch.spec.study_spec import dumps, load_spec
from kdsearch.study.planning import plan
from kdsearch.study.preparing import prepare, start_workers
from kdsearch.study.references import check_references, measure_references
from kdsearch.study.run import resume_study, run_study
from kdsearch.study.sharing import moved_spec, shared_files
from kdsearch.study.timing import time_nets
from kdsearch.study.trial import run_trial
from tests.answering import Answers, manifest, save_onnx, save_ours, save_script
from tests.cards import CLASSES, write_images
from tests.executors.elsewhere import Elsewhere
from tests.toys import knowing_net, make_task, make_toy

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("one_thread")]
RECIPE = "{name: kd, epochs: 1, batch_size: 24}"
SETS = (
    "name=answered",
    "search={name: random}",
    "limits={macs: 60%, window: null}",
    "budget={trials: 2}",
    f"strategy={RECIPE}",
    f"finish={RECIPE}",
    "finish.controls={uniform: false, full: false}",
    "export=[]",
)
SAID = "shape: [1, 8, 8], classes: 3, mean: 0, std: 1"


def files(folder, kind):
    """What a study says of a teacher that is a file of this kind."""
    if kind == "ours":
        return f"teacher={{file: {save_ours(folder / 'net.pt')}}}"
    if kind == "script":
        return f"teacher={{file: {save_script(knowing_net().eval(), folder / 'net.pt')}, {SAID}}}"
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install -e '.[onnx]'")
    return f"teacher={{file: {save_onnx(knowing_net().eval(), folder / 'net.onnx')}, {SAID}}}"


def bars(folder):
    """The task of the images that are written there, whose classes an exported file of theirs names."""
    return f"task={{npz: {write_images(folder / 'bars.npz')}, validation_share: 0.2, test_share: 0.2}}"


def planned(folder, teacher, *sets):
    spec = load_spec("quickstart", (*SETS, "student={net: given, divisor: 1}", teacher, *sets))
    return plan(spec, RunPaths(folder / "run"), task=make_task(), net=make_toy())


@pytest.mark.parametrize("kind", ["ours", "script", "onnx"])
def test_it_has_a_row_of_its_own_with_what_can_be_known_of_it(tmp_path, kind):
    study = planned(tmp_path, files(tmp_path, kind))
    check_references(study)
    (row,) = measure_references(study)
    assert (row["role"], row["metrics"]["accuracy"]) == ("teacher", 1.0)
    timings = time_nets(study, [], {})
    if kind == "onnx":
        assert row["costs"] == {}
        assert row["unmeasured"] == dict.fromkeys(("macs", "parameters", "size_bytes"), "its runtime does not tell")
        assert timings.unmeasured == {"teacher": "its runtime is not torch"}
    else:
        # 2 x 64 MACs of the convolution and 2 x 3 of the layer behind it
        assert row["costs"] == {"macs": 134, "parameters": 139, "size_bytes": 556}
        assert timings.measured["teacher"]["frozen"]["thread_ms"] > 0


def test_one_whose_classes_are_in_another_order_is_refused(tmp_path):
    path = save_script(knowing_net((1, 0, 2)).eval(), tmp_path / "net.pt")
    with pytest.raises(SpecError, match=r"^teacher: net\.pt is right on .* put them into the data's order"):
        check_references(planned(tmp_path, f"teacher={{file: {path}, {SAID}}}"))


def test_one_that_is_far_from_what_its_manifest_says_is_doubted(tmp_path, caplog):
    with torch.no_grad():
        (weak := knowing_net().eval())[2].weight[0].zero_()  # it sees no upright bars
    path = save_script(weak, tmp_path / "net.pt", **{"manifest.json": manifest()})
    check_references(planned(tmp_path, f"teacher={path}"))
    assert "teacher: net.pt reaches" in caplog.text
    assert "its card or manifest says 100.0 %" in caplog.text


def test_what_reads_inside_it_is_refused_at_planning_however_the_options_came_about(tmp_path):
    from dataclasses import replace

    study = planned(tmp_path, files(tmp_path, "ours"))
    inside = load_spec("quickstart", ("teacher=lenet5_mnist5k", "strategy={name: cckd}", "finish={name: cckd}"))
    strategy = inside.strategy.find()(inside.strategy.options)
    with pytest.raises(
        SpecError, match=r"^teacher: cc would read inside the teacher, and net\.pt only answers; say the"
    ):
        strategy.check(replace(study.ctx, students_taught=1))


DATA_FREE = "{name: dafl, epochs: 1, rounds: 4, student_steps: 2, batch_size: 24, synthesis: {width: 4, CLOSED}}"


def data_free(folder, teacher, closed):
    recipe = DATA_FREE.replace("CLOSED", closed)
    return planned(folder, teacher, f"strategy={recipe}", f"finish={recipe}")


@pytest.mark.parametrize(
    ("kind", "closed", "said"),
    [
        (
            "script",
            "activation: 0.5, batch_norm: 2",
            r"strategy: synthesis\.activation, synthesis\.batch_norm would read inside the teacher, and net\.pt only "
            r"answers; say synthesis\.activation: 0 and synthesis\.batch_norm: 0, or name a teacher's card",
        ),
        (
            "script",
            "batch_norm: 2",
            r"strategy: synthesis\.batch_norm would read inside .* say synthesis\.batch_norm: 0, or",
        ),
        ("onnx", "noise: 8", "onnxruntime gives no gradients, which strategy: dafl needs; name a"),
    ],
)
def test_what_data_free_learning_needs_of_a_teacher_is_told_before_anything_runs(tmp_path, kind, closed, said):
    with pytest.raises(SpecError, match=said):
        data_free(tmp_path, files(tmp_path, kind), closed)


def test_a_script_without_gradients_is_refused_at_planning(tmp_path):
    path = save_script(Answers(lambda logits, _: logits.detach()), tmp_path / "net.pt")
    with pytest.raises(SpecError, match=r"^teacher: net\.pt gives no gradients, which data-free learning needs; name"):
        data_free(tmp_path, f"teacher={{file: {path}, {SAID}}}", "noise: 8")


@pytest.mark.parametrize(("kind", "more"), [("ours", "noise: 8"), ("script", "noise: 8"), ("onnx", "through: student")])
def test_a_file_teaches_without_data(tmp_path, kind, more):
    study = data_free(tmp_path, files(tmp_path, kind), f"{more}, bank: 300, probe: 48, test: 48")
    prepare(study, unwatched)
    outcome = run_once(study)
    assert outcome.state == "done", outcome.error
    assert outcome.metrics["probe_kl"] > 0


def run_once(study):
    executor = Serial(Serial.Options())
    start_workers(executor, study)
    return executor.submit(run_trial, Trial(0, study.ctx.uniform[0])).result()


def test_a_worker_is_handed_the_file_and_the_manifest_beside_it(tmp_path):
    path = save_script(knowing_net().eval(), tmp_path / "net.pt")
    listed = {"torchscript": {"path": "net.pt", "sha256": hash_file(path)}}
    (tmp_path / "manifest.json").write_text(manifest(files=listed))
    study = planned(tmp_path, f"teacher={path}")
    prepare(study, unwatched)
    files = shared_files(study)
    assert files["teacher.file/net.pt"] == path
    assert files["teacher manifest/manifest.json"] == tmp_path / "manifest.json"
    places = {}
    for name, file in files.items():
        if file.is_file():
            places[name] = tmp_path / "away" / name
            places[name].parent.mkdir(parents=True)
            shutil.move(file, places[name])
    (tmp_path / "scratch").mkdir()
    moved = moved_spec(dumps(study.spec), places, tmp_path / "scratch")
    again = plan(moved, RunPaths(tmp_path / "other"), task=make_task(), net=make_toy())
    assert again.ctx.teaching.teacher.identity == study.ctx.teaching.teacher.identity


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("kind", "mode"), [("ours", "cached"), ("onnx", "online")])
def test_workers_elsewhere_learn_from_it_what_the_driver_would(tmp_path, monkeypatch, kind, mode):
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    monkeypatch.setenv("KDSEARCH_CACHE", str(home / "cache"))
    teacher = files(home, kind)
    if kind == "ours":
        save_ours(home / "net.pt", classes=list(CLASSES))
    student = "student={net: resnet8, width: 0.25, divisor: 1}"
    asked = (teacher, f"teacher.mode={mode}", "teacher.views=2")
    study = plan(load_spec("quickstart", (*SETS, *asked, bars(home), student)), home / "run")
    prepare(study, unwatched)
    elsewhere = Elsewhere(Process.Options(workers=1, threads=1), away, forbidden=home)
    found = []
    for executor in (Serial(Serial.Options()), elsewhere):
        start_workers(executor, study)
        found.append(executor.submit(run_trial, Trial(0, study.ctx.uniform[0])).result())
        executor.shutdown()
    assert [outcome.state for outcome in found] == ["done", "done"]
    assert found[0].metrics == found[1].metrics
    assert found[0].metrics["term_kd"] > 0


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["ours", "onnx"])
def test_a_run_learns_from_it_and_goes_on_with_the_same_file_only(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    teacher = files(tmp_path, kind)
    if kind == "ours":
        save_ours(tmp_path / "net.pt", classes=list(CLASSES))
    path = next(tmp_path.glob("net.*"))
    student = "student={net: given, divisor: 1}"
    spec = load_spec("quickstart", (*SETS, teacher, bars(tmp_path), student, "storage=journal"))

    def stop(progress) -> None:
        if progress.phase == "search" and progress.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(spec, tmp_path / "run", stop, net=make_toy())
    kept = path.read_bytes()
    with torch.no_grad():
        (other := knowing_net().eval())[2].bias.add_(0.01)
    if kind == "ours":
        save_script(other, path, **{"manifest.json": manifest(classes=list(CLASSES))})
    else:
        save_onnx(other, path)
    with pytest.raises(StoreError, match=r"was launched with another teacher \(SHA-256 "):
        resume_study(tmp_path / "run", net=make_toy())
    path.write_bytes(kept)
    summary = resume_study(tmp_path / "run", net=make_toy())
    assert summary["state"] == "done"
    assert summary["teacher"]["name"] == path.name
    assert summary["teacher"]["sha256"] == hash_file(path)
    assert summary["references"][0]["metrics"]["accuracy"] > 0.9
    assert json.loads((tmp_path / "run/summary.json").read_text())["references"][0]["costs"].keys() == (
        set() if kind == "onnx" else {"macs", "parameters", "size_bytes", "latency_ms"}
    )
    assert "teacher" in (tmp_path / "run/report.html").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_without_data_learns_from_a_black_box_and_says_what_it_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    made = "width: 4, noise: 8, batch_size: 32, bank: 300, probe: 48, test: 48, procedural: 1, steps: 20"
    task = f"task={{data: none, synthesis: {{{made}, through: differences}}}}"
    asking = f"augment: {{crop: 0, flip: false}}, synthesis: {{{made}, through: student, queries: 1500}}"
    recipe = f"{{name: dafl, epochs: 1, rounds: 10, student_steps: 2, batch_size: 24, {asking}}}"
    said = "teacher.mean=0.3", "teacher.std=0.3"  # it is given images like those that generators make about its mean
    sets = (files(tmp_path, "onnx"), *said, "student={net: given, divisor: 1}", "storage=journal")
    spec = load_spec("quickstart", (*SETS, *sets, task, f"strategy={recipe}", f"finish={recipe}"))
    summary = run_study(spec, tmp_path / "run", net=make_toy())
    assert summary["state"] == "done"
    # 5 steps of 32 images and twice 32 that are drawn, and an evaluation; a sixth would be one too many
    assert summary["students"][0]["history"][-1]["queries"] == 5 * 96 + 1000
    page = (tmp_path / "run/report.html").read_text()
    assert "experimental: through student; " in page
    assert "about 1,480 images for winner" in page
