from __future__ import annotations

import json
import os

from kdsearch.cost.machine import describe_machine


def test_a_machine_is_described_by_what_this_process_may_use():
    found = describe_machine()
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["cpu"]
    assert found["load_1min"] >= 0
    assert json.loads(json.dumps(found)) == found


def test_a_process_that_may_use_one_core_says_so():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert describe_machine()["cores"] == 1
    finally:
        os.sched_setaffinity(0, before)
