from __future__ import annotations

import pytest
import torch

from kdsearch.errors import SpecError
from kdsearch.teaching.script_runner import ScriptRunner
from tests.answering import rewrite, save_lite, save_ours, save_script
from tests.toys import CPU, bars_teacher, knowing_net


def load(path):
    return ScriptRunner(path.read_bytes(), path, CPU)


@pytest.mark.parametrize("write", [save_ours, save_lite, lambda path: save_script(knowing_net().eval(), path)])
def test_what_it_holds_is_counted_frozen_or_not(tmp_path, write):
    # a convolution of 2 x 1 x 8 x 8 weights and 2 biases, a layer of 3 x 2 weights and 3 biases
    assert load(write(tmp_path / "net.pt")).held == 128 + 2 + 6 + 3


@pytest.mark.parametrize("write", [save_ours, lambda path: save_script(knowing_net().eval(), path)])
def test_it_can_be_timed_as_it_is(tmp_path, write):
    from kdsearch.cost.deployed import Deployed, freeze_trace

    image = torch.rand(1, 1, 8, 8)
    again = freeze_trace(Deployed(load(write(tmp_path / "net.pt")).frozen, (0.0,), (1.0,)), image)
    torch.testing.assert_close(again(image), bars_teacher().net(image))


@pytest.mark.parametrize(
    ("called", "said"),
    [
        (
            "ops.prepacked.conv2d_clamp_run",
            "optimize_for_mobile has packed its weights .*; export the net again",
        ),
        ("ops.somebody.conv", "it calls somebody::conv, which no package here brings; import what does, or export"),
    ],
)
def test_a_script_that_calls_what_is_not_here_says_what_that_is(tmp_path, called, said):
    path = rewrite(save_ours(tmp_path / "net.pt"), lambda text: text.replace(b"torch.linear", called.encode()))
    with pytest.raises(SpecError, match=rf"net\.pt: torch\.jit cannot load it: {said}") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_script_that_does_not_compile_is_one_line(tmp_path):
    path = rewrite(save_ours(tmp_path / "net.pt"), lambda text: text.replace(b"return", b"retrun"))
    with pytest.raises(
        SpecError, match=r"net\.pt: torch\.jit cannot load it: .*; export it again with this torch"
    ) as caught:
        load(path)
    assert "\n" not in str(caught.value)
