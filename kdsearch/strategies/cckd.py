"""Correlation congruence distillation: the batch's pairwise similarities are learned beside the predictions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from kdsearch.spec.distill_sections import DistillationOptions, SamplerOptions
from kdsearch.spec.terms import Term
from kdsearch.strategies.base_distilling import Distilling

_PAPER: dict[str, Any] = {
    # alpha 0: no cross-entropy; the paper gives no temperature for CIFAR, and 4 is the usual one
    "terms": [
        {"kd": {"weight": 1.0, "temperature": 4}},
        {"cc": {"weight": 0.003, "kernel": "rbf_taylor", "gamma": 0.4, "order": 2, "heads": 128}},
    ],
    "sampler": {"name": "class_balanced", "k": 4},
}


class CorrelationCongruence(Distilling):
    """Peng et al. 2019, with the exact kernel on rows of unit length and no projection heads.

    The paper's weight of 0.003 goes with features that are not normalised. On rows of unit length the term is at most 1
    and the weight that it needs grows tenfold and more while training, so it is balanced by its share of the gradient.
    """

    class Options(DistillationOptions):
        """``preset: cckd-paper`` sets the paper's terms and sampler; without it these are the defaults, or yours.

        The paper's weight gives cc next to nothing of the gradient (5e-6 where it was measured, each term's share is
        logged): such a training is KD in class-balanced batches. Without the preset cc has three tenths.
        """

        preset: Literal["cckd-paper"] | None = None
        terms: tuple[Term, ...] = (
            Term.model_validate({"ce": 0.1}),
            Term.model_validate({"kd": {"weight": 0.9, "temperature": 4}}),
            Term.model_validate({"cc": {"balance": "gradient", "share": 0.3}}),
        )
        sampler: SamplerOptions = SamplerOptions(name="class_balanced", k=4)

        @model_validator(mode="before")
        @classmethod
        def _as_in_the_paper(cls, given: Any) -> Any:
            if not isinstance(given, dict) or given.get("preset") != "cckd-paper":
                return given
            for key, value in _PAPER.items():
                if given.get(key) is not None and cls._read(key, given[key]) != cls._read(key, value):
                    raise ValueError(f"preset: cckd-paper sets {key}; remove one of the two")
            return {**given, **_PAPER}

        @classmethod
        def _read(cls, key: str, value: Any) -> Any:
            """As the option is written out in full, so that a resolved study reads as its source did."""
            if key == "sampler":
                return SamplerOptions.model_validate(value)
            return tuple(Term.model_validate(item) for item in value) if isinstance(value, list | tuple) else value
