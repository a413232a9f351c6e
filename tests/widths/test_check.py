import numpy as np
import pytest
import torch

from kdsearch.candidates.space import Candidate
from kdsearch.widths.finding import find_widths
from tests.models.nets import random_gene
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
