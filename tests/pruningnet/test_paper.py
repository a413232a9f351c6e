"""The paper's generator against its own formula: the full matrix, then the crop."""

from __future__ import annotations

import pytest
import torch

from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.paper import Paper
from tests.toys import half, make_toy, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
HIDDEN = 5


def make_paper() -> Paper:
    net = make_toy(trained=True)
    return make_generator("paper", net, toy_widths(net), hidden=HIDDEN)


def dense(generator: Paper, values: dict[str, torch.Tensor], gene) -> dict[str, torch.Tensor]:
    """Two fully connected layers a convolution, fed with the scales of the groups it touches."""
    widths = generator.widths
    shares = [gene.values[group.name] / group.width for group in widths.groups]
    weights = {key[5:]: value for key, value in values.items() if key.startswith("full.")}
    for layer, (name, groups) in enumerate(generator.touched.items()):
        scales = torch.tensor([shares[group] for group in groups], dtype=torch.float64)
        first = values["first.weight"][layer][:, : len(groups)] @ scales + values["first.bias"][layer]
        basis = values[f"basis.{name}"]
        weights[name] = weights[name] + (basis @ torch.relu(first)).reshape(weights[name].shape)
    return widths.crop(gene, weights)


def test_one_step_is_a_step_of_full_matrix_then_crop():
    generator = make_paper()
    gene = half(generator.widths)
    before = {key: value.clone() for key, value in generator.state().items() if "momentum" not in key}
    values = {key: value.double().requires_grad_() for key, value in before.items()}
    reference = dense(generator, values, gene)
    draft = generator.draft(gene)
    random = torch.Generator().manual_seed(3)
    pulls = {name: torch.randn(value.shape, generator=random) for name, value in draft.tensors.items()}
    for name, value in draft.tensors.items():
        torch.testing.assert_close(value.detach().double(), reference[name].detach(), rtol=1e-5, atol=1e-6)
    sum((draft.tensors[name] * pull).sum() for name, pull in pulls.items()).backward()
    generator.update(draft, Descent(0.1, momentum=0.0))
    sum((reference[name] * pull.double()).sum() for name, pull in pulls.items()).backward()
    moved = {key for key, value in before.items() if not torch.equal(value, generator.state()[key])}
    assert {"first.weight", "first.bias", "basis.block.0.weight"} <= moved
    for key, start in before.items():
        slope = values[key].grad if values[key].grad is not None else torch.zeros_like(values[key])
        expected = start.double() - 0.1 * slope
        torch.testing.assert_close(generator.state()[key].double(), expected, rtol=0, atol=1e-5, msg=key)


def test_every_basis_is_updated_with_momentum_and_decay_inside_the_crop_alone():
    generator = make_paper()
    gene = half(generator.widths)
    before = {name: value.clone() for name, value in generator.basis.items()}
    for _ in range(2):
        draft = generator.draft(gene)
        sum(value.square().sum() for value in draft.tensors.values()).backward()
        generator.update(draft, Descent(0.05, 0.9, 1e-2))
    for name, basis in generator.basis.items():
        outputs, inputs = draft.tensors[name].shape[:2]
        changed = (basis != before[name]).any(-1).any(-1)
        assert int(changed.sum()) == outputs * inputs, name
        momentum = generator.basis_momentum[name].abs().sum((2, 3)) > 0
        assert torch.equal(momentum, changed), name


def test_momentum_and_decay_of_a_basis_are_sgds():
    generator = make_paper()
    gene = generator.widths.full
    name = "block.0.weight"
    plain = generator.basis[name].clone().requires_grad_()
    optimiser = torch.optim.SGD([plain], lr=0.05, momentum=0.9, weight_decay=1e-2)
    for _ in range(2):
        draft = generator.draft(gene)
        layer = list(generator.basis).index(name)
        code = draft.hidden_LH[layer].detach()
        pull = torch.ones_like(draft.tensors[name])
        sum(value.sum() for value in draft.tensors.values()).backward()
        generator.update(draft, Descent(0.05, 0.9, 1e-2))
        plain.grad = pull.flatten(2).unsqueeze(-1) * code
        optimiser.step()
    torch.testing.assert_close(generator.basis[name], plain.detach(), rtol=0, atol=1e-6)


def test_each_convolution_reads_the_scales_of_its_own_groups_only():
    generator = make_paper()
    widths = generator.widths
    names = [group.name for group in widths.groups]
    touched = {names[at] for at in generator.touched["stem.0.weight"]}
    assert len(touched) == 1
    other = next(group for group in widths.groups if group.name not in touched)
    gene = widths.full
    changed = type(gene).of(gene.values | {other.name: other.choices[0]})
    full, part = generator.weights(gene)["stem.0.weight"], generator.weights(changed)["stem.0.weight"]
    assert torch.equal(full, part)
