"""What tells one training from another, so that a checkpoint goes on in its own alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from kdsearch.training.learner import Learner

_SHOWN = 24  # the longest value that a message shows; longer ones, and digests, tell a person nothing

Identity = dict[str, str]


def describe_training(learner: Learner, seed: int) -> Identity:
    """Every number that the training depends on, as text by its name: the recipe's keys, seed, data, and its own."""
    recipe = {key: json.dumps(value) for key, value in learner.recipe.model_dump(mode="json").items()}
    own = {"learner": type(learner).__name__, "seed": str(seed), "data": learner.data}
    return recipe | own | dict(learner.identity())


def find_difference(before: object, now: Identity) -> str:
    """What a checkpoint was made with and this training is not, in words; empty where they agree."""
    if not isinstance(before, Mapping):
        return "it does not say which"
    differing = [key for key in (*now, *(before.keys() - now.keys())) if before.get(key) != now.get(key)]
    return ", ".join(_say(key, before.get(key), now.get(key)) for key in differing)


def digest_of(value: object) -> str:
    """What stands for a value that is too long to be kept: equal for values that print alike."""
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _say(key: str, before: object, now: str | None) -> str:
    both = (before, now)
    if key == "data" or any(value is None or len(str(value)) > _SHOWN for value in both):
        return f"other {key}"
    return f"{key} {before} there, {now} here"
