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
    assert SynthesisOptions(preset="dafl-paper").idle() == {}
