import math
import re
from dataclasses import replace

import pytest

from kdsearch.datafree.health import Past, find_collapse
from tests.datafree.readings import OPTIONS, SOUND, past, reading

BAD = {
    "entropy": (reading(class_entropy=0.89), replace(past(), low_entropies=1), "entropy 0.89 of 1, below 0.9 in 2"),
    "absent class": (reading(absent=(3,)), past(), "no image of class 3"),
    "many absent classes": (reading(absent=tuple(range(9))), past(), r"class 0, 1, 2, 3, 4, \.\.\."),
    "alike": (reading(diversity=29.9), past(), "vary by 29.9 grey levels, by 60.0 as a rule"),
    "nothing to learn": (reading(training_loss=9e-4, fresh_agreement=0.996), past(), "teach nothing"),
    "statistics": (reading(batch_norm_distance=18.1), past(), "batch-norm distance 18.1, 6 at best"),
    "no number": (reading(diversity=math.nan), Past(), "no numbers"),
    "infinite distance": (reading(batch_norm_distance=math.inf), Past(), "no numbers"),
}
FINE = {
    "sound": (SOUND, past()),
    "entropy once": (reading(class_entropy=0.89), past()),
    "half as diverse": (reading(diversity=30.0), past()),
    "a small loss with fresh mistakes": (reading(training_loss=9e-4, fresh_agreement=0.995), past()),
    "agreement with a loss": (reading(training_loss=1e-3, fresh_agreement=1.0), past()),
    "three times the distance": (reading(batch_norm_distance=18.0), past()),
    "diversities that make no median yet": (reading(diversity=1.0), past(2)),
    "neither student nor batch norms": (
        reading(batch_norm_distance=None, fresh_agreement=None, training_loss=None, probe_kl=None),
        past(),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_collapse_is_named_in_words(case):
    spoilt, before, words = BAD[case]
    assert re.search(words, find_collapse(spoilt, before, OPTIONS))


@pytest.mark.parametrize("case", FINE)
def test_what_stays_within_the_bounds_is_no_collapse(case):
    assert find_collapse(*FINE[case], OPTIONS) == ""


def test_the_past_keeps_what_is_compared_with():
    after = Past().followed_by(reading(class_entropy=0.5, batch_norm_distance=4.0, diversity=1.0), OPTIONS)
    after = after.followed_by(reading(class_entropy=0.5, batch_norm_distance=5.0, diversity=2.0), OPTIONS)
    assert after == Past(50, 2, (1.0, 2.0), 4.0)
    assert after.followed_by(SOUND, OPTIONS).low_entropies == 0


def test_bounds_are_those_of_the_options():
    loose = OPTIONS.model_copy(update={"diversity": 0.1, "batch_norm": 10.0})
    spoilt = reading(diversity=10.0, batch_norm_distance=50.0)
    assert find_collapse(spoilt, past(), OPTIONS)
    assert not find_collapse(spoilt, past(), loose)
