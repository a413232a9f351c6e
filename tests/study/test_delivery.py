"""What a finished study leaves behind."""

from __future__ import annotations

import pytest
import torch

from kdsearch.data.split import spread_over_classes
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.study.delivery import deliver
from kdsearch.study.file_size import file_overhead
from kdsearch.study.final_trainings import train_here
from kdsearch.study.finishing import collect, list_entrants
from kdsearch.weights import load_weights
from tests.toys import half, toy_study

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]


def test_the_manifest_has_the_figures_of_the_weights_beside_it_and_the_mean_apart(tmp_path):
    study = toy_study(tmp_path, "finish.seeds=3", "finish.controls={uniform: false, full: false}")
    entrants = list_entrants(study, [half(study.ctx.widths)])
    for training in entrants[0].trainings():
        train_here(study, training)
    (student,), _ = deliver(study, collect(study, entrants), (), lambda _: None)
    files = [tmp_path / path for name, path in student.files.items() if name != "weights"]
    assert student.costs["size_bytes"] == max(path.stat().st_size for path in files)
    most = file_overhead(study.ctx.widths, study.task, study.spec.export, seeds=3)
    assert student.costs["size_bytes"] <= study.ctx.widths.costs(student.candidate)["size_bytes"] + most
    manifest = read_manifest(tmp_path / "students/winner")
    net = study.ctx.widths.build(student.candidate)
    net.load_state_dict(load_weights(tmp_path / "students/winner/weights.safetensors"))
    for part, name in (("test", "accuracy"), ("validation", "validation_accuracy")):
        own = study.task.evaluate(net, part, device=study.ctx.device)["accuracy"]
        assert manifest["metrics"][name] == pytest.approx(own)
        assert manifest["over_seeds"]["mean"][name] == student.metrics[name]
    assert student.spread["accuracy"] > 0  # so that a mean is not one of them by chance
    assert manifest["over_seeds"]["deviation"] == student.spread
    assert manifest["over_seeds"]["trainings"] == 3


@pytest.mark.parametrize(
    ("labels", "count", "rows"),
    [
        ([0, 0, 0, 1, 1, 2], 4, [0, 3, 5, 1]),
        ([2, 1, 0], 2, [2, 1]),
        ([0, 0], 5, [0, 1]),
        (sorted(range(1000)) * 2, 3, [0, 1, 2]),
    ],
)
def test_parity_images_are_drawn_over_classes(labels, count, rows):
    assert spread_over_classes(labels, count) == rows


def test_winners_are_exported_and_all_but_random_controls_are_timed(tmp_path):
    study = toy_study(tmp_path, "finish.controls={uniform: true, full: false, random: 1}")
    entrants = list_entrants(study, [half(study.ctx.widths)])
    for training in [training for entrant in entrants for training in entrant.trainings()]:
        train_here(study, training)
    notes: list[str] = []
    made, _ = deliver(study, collect(study, entrants), (), lambda progress: notes.append(progress.note))
    students = {student.id: student for student in made}
    assert notes == ["latency", "winner"]
    assert students["winner"].costs["latency_ms"] > 0
    assert students["uniform"].costs["latency_ms"] > 0
    assert "latency_ms" not in students["random-0"].costs
    assert students["uniform"].files == {}
    winner, folder = students["winner"], tmp_path / "students/winner"
    assert winner.files["weights"] == "students/winner/weights.safetensors"
    manifest = read_manifest(folder)
    assert manifest["widths"] == half(study.ctx.widths).values
    assert manifest["lineage"]["data_hash"] == "bars"
    net = study.ctx.widths.build(winner.candidate)
    net.load_state_dict(load_weights(folder / "weights.safetensors"))
    pixels = study.task.images("test").images_NCHW[:16].float() / 255
    with torch.no_grad():
        expected = net.eval()((pixels - 0.3) / 0.3)
        found = torch.jit.load(folder / "model.pt")(pixels)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
