from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from kdsearch.candidates.space import Candidate
from kdsearch.widths.finding import find_widths
from tests.models.nets import gap, random_gene, zeroed
from tests.widths.slicing_nets import PARTS, Partial, Slicing

IMAGE = (3, 8, 8)


def count_failures(space, genes):
    """Genes that do not build and run with the output of the full net's shape, alike cropped and compact."""
    batch = torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    failed = 0
    for gene in genes:
        try:
            with torch.no_grad():
                compact = space.build(gene).eval()(batch)
                with space.applied(gene):
                    cropped = space.net(batch)
            failed += compact.shape != (2, 5) or float((compact - cropped).abs().max()) > 1e-5
        except RuntimeError:
            failed += 1
    return failed


@pytest.mark.parametrize(
    "width", [64, *(pytest.param(w, marks=pytest.mark.slow) for w in (32, 48, 80, 96, 112, 128, 160))]
)
@pytest.mark.parametrize(("kind", "how"), PARTS)
def test_every_gene_of_nets_that_remember_their_slices_runs(kind, how, width):
    torch.manual_seed(0)
    space = find_widths(Slicing(kind, how, width).eval(), IMAGE)
    rng = np.random.default_rng(0)
    assert (
        count_failures(space, [space.smallest, space.uniform(0.5), *(random_gene(space, rng) for _ in range(6))]) == 0
    )
    assert space.croppable_share() > 0.5


def test_each_width_alone_can_be_smallest_where_a_remembered_number_equals_two():
    torch.manual_seed(0)
    space = find_widths(Slicing(Partial, "slice", 64).eval(), IMAGE)
    full = {group.name: group.width for group in space.groups}
    genes = [Candidate.of(full | {group.name: group.choices[0]}) for group in space.groups]
    assert len(genes) > 4
    assert count_failures(space, genes) == 0


class RowOf(nn.Module):
    """Remembers its width and, equal by chance, a number that is none: where a row lies, by how much maps are moved."""

    USES: ClassVar = {
        "row": lambda x, at: x[:, :, at].unsqueeze(2),
        "rows": lambda x, at: x[:, :, at : at + 2],
        "column": lambda x, at: x.select(3, at).unsqueeze(3),
        "shift": lambda x, at: torch.roll(x, at, 2) * torch.arange(16.0).view(1, 1, 16, 1),
        "scale": lambda x, at: x / at,
        "power": lambda x, at: torch.sigmoid(x) ** at,
    }

    def __init__(self, use: str) -> None:
        super().__init__()
        self.conv, self.after, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Linear(8, 5)
        self.width, self.other, self.use = 8, 8, use

    def forward(self, image_BCHW):
        maps = torch.relu(self.conv(image_BCHW)).reshape(len(image_BCHW), self.width, -1, 16)
        return self.head(self.after(self.USES[self.use](maps, self.other)).mean((2, 3)))


@pytest.mark.parametrize("use", RowOf.USES)
def test_a_number_that_equals_a_width_and_is_none_stays_what_it_is(use):
    torch.manual_seed(0)
    net = RowOf(use).eval()
    space = find_widths(net, (3, 16, 16))
    assert len(space.groups) == 2
    images = torch.randn(2, 3, 16, 16)
    for gene in (space.smallest, space.uniform(0.5)):
        with torch.no_grad():
            compact = space.build(gene)(images)
            with space.applied(space.full, zeroed(space, gene)):
                assert gap(compact, net(images)) < 1e-5
