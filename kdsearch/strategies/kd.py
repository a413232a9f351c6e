"""Knowledge distillation: cross-entropy and the teacher's softened predictions, or any other terms."""

from __future__ import annotations

from kdsearch.spec.distill_sections import DistillationOptions
from kdsearch.spec.terms import Term
from kdsearch.strategies.base_distilling import Distilling


class KnowledgeDistillation(Distilling):
    """Hinton et al. 2015 by default; ``terms`` names other losses and their weights."""

    class Options(DistillationOptions):
        """``terms`` as in every distillation: by default a tenth of cross-entropy beside temperature 4."""

        terms: tuple[Term, ...] = (
            Term.model_validate({"ce": 0.1}),
            Term.model_validate({"kd": {"weight": 0.9, "temperature": 4}}),
        )
