from __future__ import annotations

import torch

from kdsearch.datafree.sums import Sums


def test_each_figure_has_a_mean_of_its_own_however_often_it_came():
    sums = Sums()
    for number in range(200):
        sums.add({"loss": torch.tensor(float(number))})
        if number % 2:
            sums.add({"rare": torch.tensor(3.0)})
    assert sums.means() == {"loss": 99.5, "rare": 3.0}


def test_when_it_is_read_and_kept_changes_nothing():
    numbers = torch.rand(150, generator=torch.Generator().manual_seed(0))
    asked, silent = Sums(), Sums()
    for number in numbers:
        silent.add({"loss": number})
        again = Sums()
        again.load(asked.state())
        asked = again
        asked.add({"loss": number})
    assert asked.means() == silent.means()
