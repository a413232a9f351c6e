from __future__ import annotations

import pytest

from kdsearch.spec.synthesis_sections import SynthesisOptions


@pytest.mark.parametrize(
    ("paper", "weights"),
    [("mnist", (1, 5, 0.1)), ("cifar10", (0.05, 5, 0.01)), ("cifar100", (0.5, 20, 0.1)), ("celeba", (2, 10, 0.1))],
)
def test_the_paper_has_weights_for_each_of_its_data_sets(paper, weights):
    options = SynthesisOptions(preset="dafl-paper", paper=paper)
    assert (options.one_hot, options.entropy, options.activation) == weights
    assert (options.width, options.batch_norm) == (64, 0)
    assert options.learning_rate == (0.2 if paper == "mnist" else 0.02)


def test_what_the_preset_sets_cannot_be_set_beside_it():
    with pytest.raises(ValueError, match=r"preset: dafl-paper sets width to 64; remove one of the two"):
        SynthesisOptions(preset="dafl-paper", width=16)


def test_a_resolved_preset_reads_as_its_source_did():
    options = SynthesisOptions(preset="dafl-paper", paper="cifar100")
    assert SynthesisOptions.model_validate(options.model_dump(mode="json")) == options


def test_an_unknown_paper_has_the_usual_message():
    with pytest.raises(ValueError, match="mnist"):
        SynthesisOptions(preset="dafl-paper", paper="svhn")


def test_paper_without_the_preset_is_idle():
    assert "paper" in SynthesisOptions().idle()
    assert "paper" not in SynthesisOptions(preset="dafl-paper").idle()
    assert "directions" in SynthesisOptions().idle()
    assert "directions" not in SynthesisOptions(through="differences").idle()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"through": "student", "activation": 0.5},
            "through: student knows answers alone; say synthesis.act",
        ),
        ({"through": "differences", "meta_generator": 5}, "meta_generator: asks at each of its steps; leave it out"),
        ({"through": "student", "queries": 1415}, "queries: one step and 1 evaluation ask about 1,416 images; raise"),
    ],
)
def test_a_teacher_that_only_answers_is_asked_for_nothing_else(given, said):
    with pytest.raises(ValueError, match=said):
        SynthesisOptions(**given)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (
            {"through": "teacher", "procedural": 0},
            2 * 32,
        ),  # its images, and their pixels
        ({"through": "student", "procedural": 0}, 32),
        ({"through": "differences", "directions": 3, "procedural": 0}, 5 * 32),
        (
            {"through": "student", "procedural": 1.5, "batch_size": 10},
            10 + 2 * 15,
        ),  # two drawn for one that is kept
    ],
)
def test_what_a_step_asks_is_known_beforehand(given, asked):
    assert SynthesisOptions(**given).queries_a_step == asked
    assert SynthesisOptions(**given, queries=asked + 1000).queries == asked + 1000
