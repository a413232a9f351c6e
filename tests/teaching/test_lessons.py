"""How the teacher is asked, and that a lesson goes on where it stopped."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.spec.distill_sections import DistillationOptions
from kdsearch.spec.sections import Augmentation
from kdsearch.teaching.answer_mode import decide
from kdsearch.teaching.lessons import Lesson, _clusters, check_lesson, give_lesson
from kdsearch.training import loop
from kdsearch.training.initialise import initialise
from kdsearch.training.loop import Setting
from tests.toys import CPU, make_task, make_toy, toy_teaching

SHIFTED = Augmentation(flip=False)
pytestmark = [pytest.mark.medium, pytest.mark.timeout(60)]


def lesson(folder: Path, mode: str = "auto", **options) -> Lesson:
    written = {"terms": [{"ce": 1.0}, {"kd": 1.0}, {"cc": 10.0}], "batch_size": 24, "epochs": 3, "augment": SHIFTED}
    made = DistillationOptions.model_validate({**written, **options})
    return Lesson(make_task(), toy_teaching(folder, mode), made, CPU, 0)


def test_clusters_need_stored_answers(tmp_path):
    clustered = {"sampler": {"name": "superclass", "k": 4, "clusters": 3}}
    assert decide(lesson(tmp_path, **clustered), make_toy(), 1)["mode"] == "cached"
    with pytest.raises(SpecError, match=r"set teacher.mode: cached"):
        check_lesson(lesson(tmp_path, "online", **clustered), make_toy())
    with pytest.raises(SpecError, match=r"sampler.clusters: 97 of 96 training images"):
        check_lesson(lesson(tmp_path, sampler={"name": "superclass", "clusters": 97}), make_toy())
    with pytest.raises(ValidationError, match="a batch of 24 images is not made of groups of 5"):
        lesson(tmp_path, sampler={"name": "superclass", "clusters": 3, "k": 5})


def test_batches_of_clusters_hold_groups_of_the_teachers_clusters(tmp_path):
    still = Augmentation(crop=0, flip=False)
    given = lesson(tmp_path, "cached", sampler={"name": "superclass", "k": 4, "clusters": 3}, augment=still)
    cache = given.open_cache()
    cluster_N, label_N = _clusters(cache, 3, 0), given.task.images("train").labels_N
    upright, across = (set(cluster_N[label_N == label].tolist()) for label in (0, 1))
    assert len(upright) == len(across) == 1  # the toy's teacher sees a bar as a direction of its own
    assert upright != across
    full = [rows for rows in given.sampler(0, cache).batches(0) if len(rows) == 24][:-1]  # the last holds what is left
    assert full
    for rows in full:
        assert all(len(set(cluster_N[group].tolist())) == 1 for group in rows.split(4))


@pytest.mark.parametrize("mode", ["online", "cached"])
def test_a_lesson_that_was_stopped_ends_in_the_same_bits(tmp_path, mode):
    balanced = {"terms": [{"ce": 1.0}, {"kd": 1.0}, {"cc": {"balance": "gradient", "share": 0.3, "heads": 4}}]}
    given = replace(lesson(tmp_path, mode, **balanced, sampler="class_balanced"), mode=mode)
    nets = [make_toy() for _ in range(2)]
    for net in nets:
        initialise(net, 0)
    whole = give_lesson(given, nets[0], Setting(0, CPU))
    checkpoint = tmp_path / "lesson.pt"
    for _ in range(20):
        # a deadline that has passed stops the training after one step, saved
        parts = give_lesson(given, nets[1], Setting(0, CPU, checkpoint, deadline=time.monotonic()))
    assert len(parts) == len(whole) == 3
    assert all(torch.equal(value, nets[1].state_dict()[key]) for key, value in nets[0].state_dict().items())
    dropped = {"seconds"}
    assert [{k: v for k, v in record.items() if k not in dropped} for record in parts] == [
        {k: v for k, v in record.items() if k not in dropped} for record in whole
    ]


def test_a_stop_at_an_epochs_last_step_is_taken_up_there(tmp_path, monkeypatch):
    """The last step is saved before the epoch is closed: what goes on from there has no step left of it."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", 0.0)
    balanced = {"terms": [{"ce": 1.0}, {"cc": {"balance": "gradient"}}]}
    given = replace(lesson(tmp_path, "online", **balanced), mode="online")
    nets = [make_toy() for _ in range(2)]
    setting = Setting(0, CPU, evaluate_every_epochs=1)
    whole = give_lesson(given, nets[0], setting)

    class Stopping(type(given.task)):
        def evaluate(self, *_, **__):
            raise KeyboardInterrupt

    stopping = replace(given, task=Stopping(given.task.options, given.task.dataset))
    setting = replace(setting, checkpoint=tmp_path / "lesson.pt")
    with pytest.raises(KeyboardInterrupt):
        give_lesson(stopping, nets[1], setting)
    resumed = give_lesson(given, nets[1], setting)
    assert [record["cc_weight"] for record in resumed] == [record["cc_weight"] for record in whole]
    assert all(torch.equal(value, nets[1].state_dict()[key]) for key, value in nets[0].state_dict().items())


def test_a_student_without_a_teacher_learns_by_labels_alone(tmp_path):
    given = replace(lesson(tmp_path, terms=[{"ce": 1.0}]), teaching=None)
    history = give_lesson(given, make_toy(), Setting(0, CPU))
    assert history[-1]["ce"] < history[0]["ce"]
    assert history[-1]["ce_share"] == 1


def test_maps_that_only_relations_read_are_stored_as_their_means_and_teach_the_same(tmp_path):
    """A term that reads the whole map, at a weight of zero, makes the whole map be stored."""
    taps = {"student": {"map": "last"}, "teacher": {"map": "1"}}
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    net = nn.Sequential(*layers).eval().requires_grad_(False)
    cc, hint = {"cc": {"weight": 10.0, "tap": "map"}}, {"attention": {"weight": 0.0, "tap": "map"}}
    means = lesson(tmp_path, "cached", terms=[{"kd": 1.0}, cc], taps=taps)
    teaching = replace(means.teaching, teacher=replace(means.teaching.teacher, net=net))
    means = replace(means, teaching=teaching)
    whole = replace(lesson(tmp_path, "cached", terms=[{"kd": 1.0}, cc, hint], taps=taps), teaching=teaching)
    assert (means.cache_key().pooled, whole.cache_key().pooled) == (("map",), ())
    sizes = [made.open_cache().size_bytes for made in (means, whole)]
    assert sizes[1] - sizes[0] == 2 * 3 * 96 * 4 * (6 * 6 - 1)
    nets = []
    for made in (means, whole):
        nets.append(make_toy())
        initialise(nets[-1], 0)
        give_lesson(made, nets[-1], Setting(0, CPU))
    for own, other in zip(*(net.state_dict().values() for net in nets), strict=True):
        torch.testing.assert_close(own, other, rtol=0.02, atol=0.02)


def test_clusters_are_of_means_so_no_more_is_stored_for_a_sampler(tmp_path):
    sampler = {"name": "superclass", "k": 2, "clusters": 3}
    assert lesson(tmp_path, "cached", terms=[{"kd": 1.0}], sampler=sampler).cache_key().pooled == ("embedding",)
