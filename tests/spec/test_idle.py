"""Options that do nothing beside the others are named, with the line that wrote them."""

from __future__ import annotations

import pytest

from kdsearch.spec.idle import idle_options
from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.study_spec import load_document, to_yaml

GIVEN = "student={net: given, trained: true}"


def lines(study: str, *sets: str) -> list[str]:
    return idle_options(*load_document(study, sets))


@pytest.mark.parametrize(
    ("sets", "line"),
    [
        (["strategy.hidden=8"], "strategy.hidden: has no effect: generator: slim has no hidden layer"),
        (["strategy.generator=paper", "strategy.rank=3"], "strategy.rank: has no effect: generator: paper has none"),
        (["strategy.random_genes=3"], "strategy.random_genes: has no effect: sampling: single draws one gene a step"),
        (["strategy.init=scratch"], "strategy.pretrain_epochs: has no effect: init: scratch pretrains nothing"),
        ([GIVEN], "strategy.pretrain_epochs: has no effect: student.trained says that the net is trained already"),
        (["finish.optimizer=adamw", "finish.momentum=0.8"], "finish.momentum: has no effect: optimizer: adamw has"),
        (["finish.milestones=[0.3]"], "finish.milestones: has no effect: schedule: cosine has none, schedule: step"),
        (
            ["finish.finalists=1", "finish.finalist_epochs=2"],
            "finish.finalist_epochs: has no effect: finalists: 1 trains none",
        ),
        (
            ["finish={name: scratch, finalist_distance: 0.1}"],
            "finish.finalist_distance: has no effect: finalists: 1 trains none",
        ),
        (
            ["finish={name: metapruning, racing: true}"],
            "finish.racing: has no effect: only a search reads it; finish: metapruning trains what it made",
        ),
        (["search.generations=4"], "search.generations: has no effect: mode: steady goes on until budget.trials"),
        (
            ["search={name: evolution, mutation: 0, mutation_probability: 0.2}"],
            "search.mutation_probability: has no effect: mutation: 0 makes no mutations",
        ),
        (
            ["pruner={name: median}"],
            "pruner: has no effect: strategy: metapruning trains no candidate, so there is nothing to stop",
        ),
        (["search.migration=0.5"], "search.migration: has no effect: limits names one budget"),
        (["limits={window: 0.1}"], "limits.window: has no effect: there is no limit to stay close to"),
        (["task.root=/data"], "task.root: has no effect: torchvision and timm data have a root"),
    ],
)
def test_what_does_nothing_is_named_with_its_place_and_the_reason(sets, line):
    (found,) = lines("quickstart", *sets)
    assert f": {line}" in found
    assert found.startswith(("--set", "quickstart.yaml:"))


@pytest.mark.parametrize(
    "sets",
    [
        ["strategy.generator=lowrank", "strategy.rank=3", "strategy.hidden=8"],
        ["strategy.sampling=sandwich", "strategy.random_genes=3"],
        ["finish.schedule=step", "finish.milestones=[0.3]", "finish.momentum=0.8"],
        ["finish.finalists=2", "finish.finalist_epochs=2", "finish.finalist_distance=0.1"],
        ["search.mode=generational", "search.generations=4"],
        ["search.migration=0.5", "limits.macs=[50%, 25%]"],
        ["finish={name: metapruning, epochs: 3, batch_size: 32, calibration_images: 64}"],
        ["task={torchvision: CIFAR10, root: /data}"],
        ["search={name: random}"],
    ],
)
def test_what_does_something_is_not_named(sets):
    assert lines("quickstart", *sets) == []


def test_a_default_written_by_hand_is_named_and_one_that_a_run_wrote_is_not(tmp_path):
    (line,) = lines("quickstart", "search.generations=20")
    assert line.startswith("--set search.generations=20: search.generations: ")
    saved = tmp_path / "spec.yaml"
    saved.write_text(to_yaml(load_document("quickstart", ["strategy.hidden=8"])[0]))
    (line,) = lines(str(saved))
    assert line.startswith(f"{saved}:")
    assert "strategy.hidden: has no effect" in line


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_say_nothing_that_has_no_effect(name):
    assert lines(name) == []
