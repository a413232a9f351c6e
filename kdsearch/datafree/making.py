"""Makes a bank of images from a teacher alone, and decides how often a student learns from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.datafree.synthesis_learner import SynthesisLearner
from kdsearch.errors import SpecError
from kdsearch.spec.sections import Recipe
from kdsearch.spec.synthesis_sections import SynthesisOptions
from kdsearch.spec.terms import number
from kdsearch.training.loop import Setting, fit

if TYPE_CHECKING:
    from kdsearch.datafree.bank import Bank
    from kdsearch.teaching.teachers import Teacher

_EVALUATIONS = 10


def synthesise(
    teacher: Teacher, image_shape: tuple[int, int, int], options: SynthesisOptions, setting: Setting
) -> Bank:
    """The bank after ``options.steps`` steps of the generators; a checkpoint that is there is gone on from.

    Raises:
        KdsearchError: the generators' loss became infinite or nan.
        StoreError: the checkpoint is damaged, or is another synthesis's.
    """
    learner = make_synthesis(teacher, image_shape, options, setting.seed)
    fit(learner, setting)
    return learner.bank


def make_synthesis(
    teacher: Teacher, image_shape: tuple[int, int, int], options: SynthesisOptions, seed: int
) -> SynthesisLearner:
    """What ``synthesise`` drives, for whoever times its steps first.

    Raises:
        SpecError: its evaluations alone would ask about more images than the teacher may be asked about.
    """
    try:
        options.check_queries(_EVALUATIONS)
    except ValueError as error:
        raise SpecError(f"task.synthesis.{error}") from None
    rounds = -(-options.steps // _EVALUATIONS)
    rate = number(options.settled({}).learning_rate)
    recipe = Recipe(epochs=_EVALUATIONS, batch_size=options.batch_size, learning_rate=rate)
    return SynthesisLearner(teacher, image_shape, options, recipe, rounds=rounds, seed=seed)
