import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch.candidates.space import Candidate
from kdsearch.cost.flops import count_bytes, count_macs, count_parameters
from kdsearch.errors import WidthError
from kdsearch.spec.sections import WidthOptions
from kdsearch.widths.finding import find_widths
from tests.models.nets import Residual, Split, gap, random_gene, shaken, widths_of, zeroed

IMAGE = (3, 32, 32)
NAMED = ("lcnet_035", "regnetx_002", "convnext_atto")
_spaces = {}
pytestmark = pytest.mark.timeout(30)  # milliseconds each on a quiet machine


def space_of(kind):
    if kind not in _spaces:
        if isinstance(kind, str):
            _spaces[kind] = widths_of(kind, IMAGE)
        else:
            _spaces[kind] = find_widths(shaken(kind()), IMAGE, WidthOptions(divisor=1))
    return _spaces[kind]


def images(count=2, seed=0):
    return torch.randn(count, *IMAGE, generator=torch.Generator().manual_seed(seed))


def run(net, batch):
    with torch.no_grad():
        return net(batch)


@pytest.mark.medium
@pytest.mark.timeout(120)
@settings(max_examples=10, deadline=None)
@given(kind=st.sampled_from((*NAMED, Residual, Split)), seed=st.integers(0, 2**32 - 1))
def test_random_genes_crop_build_and_cost_alike(kind, seed):
    space = space_of(kind)
    gene = random_gene(space, np.random.default_rng(seed))
    compact = space.build(gene).eval()
    assert space.verify(gene, images()) <= 1e-5
    assert space.costs(gene) == {
        "macs": count_macs(compact, IMAGE),
        "parameters": count_parameters(compact),
        "size_bytes": count_bytes(compact),
    }


SEMANTIC = (
    ({"net": "vgg11_bn_cifar", "width": 0.25}, IMAGE),
    ({"timm": "mobilenetv2_050"}, IMAGE),
    ({"timm": "resnet50"}, IMAGE),
    ({"timm": "densenet121"}, IMAGE),
    ({"torchvision": "shufflenet_v2_x0_5"}, IMAGE),
    ({"timm": "regnety_002"}, IMAGE),
    ({"timm": "cs3darknet_focus_s"}, (3, 64, 64)),
    ({"timm": "resnext50_32x4d"}, IMAGE),
)


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("student", "image"), SEMANTIC, ids=lambda value: str(value)[:40])
def test_dropping_channels_equals_zeroing_them(student, image):
    space = widths_of(image=image, **student)
    gene = random_gene(space, np.random.default_rng(1))
    batch = torch.randn(2, *image, generator=torch.Generator().manual_seed(0))
    compact = run(space.build(gene).eval(), batch)
    with space.applied(space.full, zeroed(space, gene)):
        full = run(space.net, batch)
    assert float(compact.abs().max()) > 0
    assert gap(compact, full) <= 1e-4


@pytest.mark.parametrize("kind", [Residual, Split])
def test_dropping_channels_of_a_small_net_equals_zeroing_them(kind):
    space = space_of(kind)
    gene = random_gene(space, np.random.default_rng(3))
    with space.applied(space.full, zeroed(space, gene)):
        full = run(space.net, images())
    assert gap(run(space.build(gene).eval(), images()), full) <= 1e-5


def test_a_shortcut_ties_the_channels_it_adds():
    groups = {group.name: group.width for group in space_of(Residual).groups}
    assert groups == {"stem": 24, "expand": 40, "squeeze": 8}


def test_a_remembered_size_follows_the_crop():
    space = space_of(Split)
    gene = space.smallest
    compact = space.build(gene)
    assert compact.first.in_channels < 16
    assert compact.widths == [2 * compact.first.in_channels, compact.first.in_channels]
    assert space.net.widths == [32, 16]


def test_what_the_classifier_reads_stays_with_fix_last():
    free = find_widths(Residual(), IMAGE, WidthOptions())
    fixed = find_widths(Residual(), IMAGE, WidthOptions(fix_last=True))
    assert {g.name for g in free.groups} - {g.name for g in fixed.groups} == {"stem"}
    assert ("stem", "feeds the classifier (fix_last)") in fixed.frozen


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("student", "stages", "inner"),
    [
        ({"timm": "mobilenetv1_100"}, 13, 0),
        ({"net": "mobilenetv2_metapruning"}, 8, 17),
        ({"timm": "mobilenetv2_140"}, 8, 16),
        ({"timm": "resnet50"}, 4, 16),
    ],
    ids=str,
)
def test_the_gene_is_the_papers(student, stages, inner):
    """Sections 1.1 of MetaPruning: timm's MobileNetV2 lacks the expansion in its first block, hence 16."""
    options = WidthOptions(fix_last=True, tie_bottleneck=True)
    space = widths_of(image=IMAGE, options=options, **student)
    mids = [g for g in space.groups if g.name.endswith((".conv_pw", ".expand.0", ".conv1"))]
    mids = [] if "mobilenetv1" in str(student) else [g for g in mids if g.name.startswith(("blocks.", "layer"))]
    first_block = [g for g in mids if g.name == "blocks.0.0.conv_pw" and "140" in str(student)]
    assert len(mids) - len(first_block) == inner
    assert len(space.groups) == stages + inner


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_a_bottleneck_has_two_inner_widths_unless_they_are_tied():
    free = widths_of("resnet26", IMAGE)
    tied = widths_of("resnet26", IMAGE, WidthOptions(tie_bottleneck=True))
    assert len(free.groups) - len(tied.groups) == 8


def test_applied_gives_the_net_back_even_after_an_error():
    space = space_of(Residual)
    before = run(space.net, images())
    with pytest.raises(RuntimeError, match="channels"), space.applied(space.smallest):
        space.net(torch.zeros(1, 4, 8, 8))
    assert space.net.depthwise.groups == 40
    assert torch.equal(run(space.net, images()), before)


def test_gradients_reach_the_cropped_tensors_and_no_buffer_is_touched():
    space = space_of(Residual)
    own = space.layout.slots
    tensors = dict(space.crop(space.smallest, {n: own.tensors()[n].detach() for n in own.parameters}))
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    before = {name: own.tensors()[name].clone() for name in own.buffers}
    space.net.train()
    with space.applied(space.smallest, leaves | dict.fromkeys(own.buffers)):
        space.net(images()).square().sum().backward()
    space.net.eval()
    assert all(leaf.grad is not None and leaf.grad.shape == leaf.shape for leaf in leaves.values())
    assert float(leaves["stem.weight"].grad.abs().sum()) > 0
    assert all(torch.equal(own.tensors()[name], tensor) for name, tensor in before.items())


def test_a_crop_of_leading_channels_is_a_view():
    space = space_of(Residual)
    weight = torch.zeros(40, 24, 1, 1)
    space.decode(space.smallest).take("expand.weight", weight).fill_(1)
    kept = space.smallest.values
    assert int(weight.sum()) == int(kept["expand"]) * int(kept["stem"])


def test_sizes_of_layers_follow_the_crop():
    compact = space_of(Residual).build(Candidate.of({"stem": 12, "expand": 20, "squeeze": 4}))
    assert (compact.depthwise.in_channels, compact.depthwise.out_channels, compact.depthwise.groups) == (20, 20, 20)
    assert (compact.bn.num_features, compact.squeeze.in_features, compact.squeeze.out_features) == (12, 20, 4)
    assert compact.classifier.weight.is_contiguous()


def test_layer_widths_name_every_layer_once_in_call_order():
    rows = space_of(Residual).layer_widths(Candidate.of({"stem": 12, "expand": 20, "squeeze": 4}))
    assert rows == [
        ("stem", 24, 12),
        ("expand", 40, 20),
        ("depthwise", 40, 20),
        ("squeeze", 8, 4),
        ("excite", 40, 20),
        ("project", 24, 12),
        ("classifier", 5, 5),
    ]


def test_uniform_takes_the_nearest_choice():
    space = space_of(Residual)
    assert space.uniform(1.0) == space.full
    assert all(abs(int(space.uniform(0.5).values[g.name]) - g.width / 2) <= 1 for g in space.groups)


def test_a_gene_of_another_net_is_refused():
    space = space_of(Residual)
    with pytest.raises(WidthError, match="does not fit the net: expand, squeeze, stem, wrong"):
        space.costs(Candidate.of({"wrong": 3}))
    with pytest.raises(WidthError, match="stem keeps 25 channels; it may keep at most 24"):
        space.decode(Candidate.of(space.full.values | {"stem": 25}))


def test_verify_refuses_a_net_whose_forward_depends_on_more_than_its_tensors():
    calls = [0]

    class Drifting(Residual):
        def forward(self, x):
            calls[0] += 1
            return super().forward(x) + calls[0]

    space = find_widths(Drifting(), IMAGE)
    with pytest.raises(WidthError, match="differ by"):
        space.verify(space.smallest, images())


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_costs_take_less_than_100_microseconds_and_applied_less_than_a_millisecond():
    space = widths_of("mobilenetv2_140", IMAGE)
    genes = [random_gene(space, np.random.default_rng(seed)) for seed in range(20)]
    assert _best_us(lambda: [space.costs(gene) for gene in genes]) / len(genes) < 100
    tensors = space.crop(genes[0], space.layout.slots.tensors())

    def enter():
        with space.applied(genes[0], tensors):
            pass

    assert _best_us(enter) < 1000


def _best_us(call):
    times = []
    for _ in range(10):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times) * 1e6
