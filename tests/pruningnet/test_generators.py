"""Generators against plain torch: shapes, updates confined to the crop, gradients, checkpoints."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError
from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.pruningnet.generators import Generator
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.supernet import Supernet
from kdsearch.widths.crop import take
from tests.toys import bars, half, make_toy, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
NAMES = ("slim", "condscale", "condnorm", "lowrank", "paper")
CONDITIONED = ("condscale", "condnorm", "lowrank")
RATE = 0.1


def shaken(name: str) -> Generator:
    """A generator whose every tensor is random, as after some training (heads start at zero)."""
    net = make_toy(trained=True)
    generator = make_generator(name, net, toy_widths(net), hidden=4, rank=3)
    random = torch.Generator().manual_seed(7)
    state = {
        key: torch.randn(value.shape, generator=random) * 0.3
        if key.startswith(("trunk.", "first.", "basis."))
        else value
        for key, value in generator.state().items()
    }
    generator.load(state)
    return generator


def values_of(generator: Generator) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in generator.values().items()}


def probes(draft_tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(3)
    return {name: torch.randn(value.shape, generator=random) for name, value in sorted(draft_tensors.items())}


def step_on(generator: Generator, gene, descent: Descent) -> dict[str, Tensor]:
    """Updates on the loss sum(probe * weight); gives back the probes, which are the weights' gradients."""
    draft = generator.draft(gene)
    pulls = probes(draft.tensors)
    sum((draft.tensors[name] * pull).sum() for name, pull in pulls.items()).backward()
    generator.update(draft, descent)
    return pulls


@pytest.mark.parametrize("name", NAMES)
def test_weights_have_the_compact_nets_shapes_and_no_gradients(name):
    generator = shaken(name)
    widths = generator.widths
    for gene in (half(widths), widths.smallest, widths.full):
        built = dict(widths.build(gene).named_parameters())
        weights = generator.weights(gene)
        assert {key: value.shape for key, value in weights.items()} == {key: v.shape for key, v in built.items()}
        assert not any(value.requires_grad for value in weights.values())


@pytest.mark.parametrize("name", ["slim", *CONDITIONED])
def test_a_new_generator_gives_the_nets_own_crop(name):
    net = make_toy(trained=True)
    widths = toy_widths(net)
    generator = make_generator(name, net, widths)
    gene = half(widths)
    if name == "lowrank":
        assert generator.trunk.head.weight.abs().max() == 0
    expected = dict(widths.build(gene).named_parameters())
    for key, value in generator.weights(gene).items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_an_update_changes_nothing_outside_the_crop(name):
    generator = shaken(name)
    gene = half(generator.widths)
    for value in generator.momentum.values():
        value.fill_(0.5)
    before = {key: value.clone() for key, value in generator.state().items()}
    step_on(generator, gene, Descent(RATE, 0.9, 1e-2))
    after = generator.state()
    for key, full in generator.full.items():
        inside = torch.zeros_like(full)
        index = generator.index(gene)[key]
        mark(inside, index)
        for kind in ("full", "momentum"):
            changed = (after[f"{kind}.{key}"] != before[f"{kind}.{key}"]).float()
            assert not (changed * (1 - inside)).any(), (kind, key)
        assert (after[f"momentum.{key}"] != 0.5)[inside.bool()].all(), key


def mark(full: Tensor, index) -> None:
    """Ones at the places that the crop keeps, set one dimension at a time by hand."""
    keep = torch.ones_like(full)
    for dim, kept in enumerate(index):
        if kept is None:
            continue
        places = torch.arange(kept) if isinstance(kept, int) else kept
        line = torch.zeros(full.shape[dim]).index_fill_(0, places, 1)
        keep *= line.view([-1 if at == dim else 1 for at in range(full.ndim)])
    full.copy_(keep)


@pytest.mark.parametrize(("decay", "clip"), [(0.0, None), (1e-2, None), (1e-2, 0.05)])
def test_two_steps_of_slim_are_two_steps_of_sgd_on_the_compact_net(decay, clip):
    net = make_toy(trained=True)
    net.dropout.p = 0.0
    widths = toy_widths(net)
    gene = half(widths)
    compact = widths.build(gene).train()
    supernet = Supernet(net.train(), widths, make_generator("slim", net, widths), distill=False)
    matrices = [value for value in compact.parameters() if value.ndim >= 2]
    vectors = [value for value in compact.parameters() if value.ndim < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors}]
    plain = torch.optim.SGD(groups, lr=RATE, momentum=0.9)
    images, labels = bars(24, 5).images_NCHW.float() / 255, bars(24, 5).labels_N
    for _ in range(2):
        plain.zero_grad()
        loss = nn.functional.cross_entropy(compact(images), labels, label_smoothing=0.1)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(compact.parameters(), clip)
        plain.step()
        found = supernet.step(images, labels, [gene], Descent(RATE, 0.9, decay, clip), 0.1)
        assert found == pytest.approx(loss.item(), abs=1e-6)
    learned = supernet.generator.weights(gene)
    for key, value in compact.named_parameters():
        torch.testing.assert_close(learned[key], value.detach(), rtol=0, atol=1e-6, msg=key)


def dense(name: str, generator: Generator, values: dict[str, Tensor], gene) -> dict[str, Tensor]:
    """The gene's weights by the formula as it stands: made at full size, cropped afterwards."""
    shares = torch.tensor([gene.values[g.name] / g.width for g in generator.widths.groups], dtype=torch.float64)
    hidden = torch.relu(values["trunk.hidden.weight"] @ (2 * shares - 1) + values["trunk.hidden.bias"])
    flat = values["trunk.head.weight"] @ hidden + values["trunk.head.bias"]
    codes = dict(zip(generator.trunk.sizes, flat.split(list(generator.trunk.sizes.values())), strict=True))
    weights = {key[5:]: value for key, value in values.items() if key.startswith("full.") and ":" not in key}
    for key, code in codes.items():
        full = weights[key]
        if name == "condscale":
            weights[key] = full * (1 + code).view(1, -1, *[1] * (full.ndim - 2))
        elif name == "condnorm":
            weights[key] = full * (1 + code) if key.endswith("weight") else full + code
        else:
            left, right = values[f"full.{key}:left"], values[f"full.{key}:right"]
            weights[key] = full + torch.einsum("or,r,ir...->oi...", left, code, right)
    index = generator.widths.decode(gene).index
    return {key: take(value, index[key]) for key, value in weights.items()}


@pytest.mark.parametrize("name", CONDITIONED)
def test_weights_and_gradients_are_those_of_the_dense_formula(name):
    generator = shaken(name)
    gene = half(generator.widths)
    before = values_of(generator)
    values = {key: value.double().requires_grad_() for key, value in before.items()}
    reference = dense(name, generator, values, gene)
    for key, value in generator.weights(gene).items():
        torch.testing.assert_close(value.double(), reference[key].detach(), rtol=1e-5, atol=1e-6, msg=key)
    pulls = step_on(generator, gene, Descent(RATE, 0.9))
    sum((reference[key] * pull.double()).sum() for key, pull in pulls.items()).backward()
    for key, value in values_of(generator).items():
        slope = values[key].grad if values[key].grad is not None else torch.zeros_like(values[key])
        step = (before[key] - value).double() / RATE
        torch.testing.assert_close(step, slope, rtol=1e-4, atol=2e-5, msg=key)


@pytest.mark.parametrize("name", CONDITIONED)
def test_the_trunk_keeps_its_momentum(name):
    generator = shaken(name)
    gene = half(generator.widths)
    key = "trunk_momentum.head.bias"
    step_on(generator, gene, Descent(0.0, 0.9))
    first = generator.state()[key].clone()
    step_on(generator, gene, Descent(0.0, 0.9))
    assert first.abs().max() > 0
    torch.testing.assert_close(generator.state()[key], 1.9 * first)


@pytest.mark.parametrize("name", NAMES)
def test_state_and_load_go_round_to_the_bit(name):
    taught = shaken(name)
    step_on(taught, half(taught.widths), Descent(RATE, 0.9, 1e-2))
    saved = {key: value.clone() for key, value in taught.state().items()}
    fresh = make_generator(name, taught.widths.net, taught.widths, hidden=4, rank=3)
    fresh.load(copy.deepcopy(saved))
    for key, value in fresh.state().items():
        assert torch.equal(value, saved[key]), key
    for generator in (taught, fresh):
        step_on(generator, half(taught.widths), Descent(RATE, 0.9, 1e-2))
    for key, value in fresh.state().items():
        assert torch.equal(value, taught.state()[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_values_alone_generate_the_same_weights_and_no_training_goes_on_from_them(name):
    taught = shaken(name)
    step_on(taught, half(taught.widths), Descent(RATE, 0.9, 1e-2))
    values = values_of(taught)
    assert not any("momentum" in key for key in values)
    fresh = make_generator(name, taught.widths.net, taught.widths, hidden=4, rank=3)
    fresh.load(values, momenta=False)
    for gene in (half(taught.widths), taught.widths.full):
        for key, value in taught.weights(gene).items():
            assert torch.equal(fresh.weights(gene)[key], value), key
    with pytest.raises(KeyError, match="momentum"):
        fresh.load(values)


def test_shares_are_in_the_order_of_the_groups():
    generator = shaken("slim")
    groups = generator.widths.groups
    assert generator.shares(generator.widths.full) == [1.0] * len(groups)
    kept = {group.name: group.choices[at % 2] for at, group in enumerate(groups)}
    gene = type(generator.widths.full).of(kept)
    assert generator.shares(gene) == [kept[group.name] / group.width for group in groups]


@pytest.mark.parametrize("name", [*CONDITIONED, "paper"])
def test_the_gene_changes_what_is_kept_by_both(name):
    generator = shaken(name)
    widths = generator.widths
    key = "stem.0.weight" if name != "condnorm" else "stem.1.weight"
    key = "classifier.weight" if name in ("condscale", "lowrank") else key
    small, large = generator.weights(widths.smallest)[key], generator.weights(widths.full)[key]
    shared = take(large, generator.index(widths.smallest)[key])
    assert not torch.allclose(small, shared)


def test_a_parameter_that_the_loss_does_not_reach_rests():
    generator = shaken("slim")
    gene = generator.widths.full
    draft = generator.draft(gene)
    draft.tensors["classifier.weight"].sum().backward()
    before = generator.full["stem.0.weight"].clone()
    generator.update(draft, Descent(RATE, 0.9, 1e-2))
    assert torch.equal(generator.full["stem.0.weight"], before)


FROZEN = ("stem.0.weight", "stem.1.weight", "block.0.weight", "branch.0.bias", "classifier.weight")


def frozen_toy() -> nn.Module:
    net = make_toy(trained=True)
    for name in FROZEN:
        net.get_parameter(name).requires_grad_(False)
    return net


@pytest.mark.parametrize("name", NAMES)
def test_frozen_parameters_are_cropped_as_they_are_and_never_trained(name):
    net = frozen_toy()
    generator = make_generator(name, net, toy_widths(net), hidden=4, rank=2)
    generator.load({k: v + 0.1 if k.startswith(("trunk", "first")) else v for k, v in generator.state().items()})
    gene = half(generator.widths)
    given = generator.widths.crop(gene, dict(net.named_parameters()))
    before = generator.weights(gene)
    for _ in range(2):
        draft = generator.draft(gene)
        trained = [t for t in draft.tensors.values() if t.requires_grad]
        sum((tensor.square().sum() for tensor in trained), torch.zeros(())).backward()
        generator.update(draft, Descent(RATE, 0.9, 0.01, clip_norm=1.0))
    after = generator.weights(gene)
    for key in net.state_dict():
        if key in FROZEN:
            assert torch.equal(before[key], given[key]), key
            assert torch.equal(after[key], given[key]), key
            assert not any(key in stored for stored in generator.momenta()), key
        elif key in after:
            assert not torch.equal(after[key], before[key]), key


@pytest.mark.parametrize("name", [*CONDITIONED, "paper"])
def test_a_generator_with_nothing_to_steer_says_so(name):
    net = make_toy().requires_grad_(False)
    net.branch[0].bias.requires_grad_(name in ("condscale", "lowrank", "paper"))
    with pytest.raises(SpecError, match=f"strategy.generator: {name} finds no trained parameter .* use slim"):
        make_generator(name, net, toy_widths(net))
