"""Nets in every state that they arrive in: a plain net of the same function, or one line that says what to do."""

from __future__ import annotations

import copy
import logging
import threading
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

from kdsearch.errors import SpecError
from kdsearch.models.given import Trial, hash_given, make_plain
from kdsearch.spec.sections import WidthOptions
from kdsearch.widths.finding import find_widths

pytestmark = [pytest.mark.timeout(30), pytest.mark.filterwarnings("ignore")]  # torch deprecates much of what is tried
IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
TRIAL = Trial(IMAGES, 5)


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.b = nn.Conv2d(16, 12, 3, padding=1)
        self.h = nn.Linear(12, 5)

    def early(self, image):
        return F.relu(self.bn(self.a(image)))

    def late(self, features):
        return self.h(F.relu(self.b(features)).mean((2, 3)))

    def forward(self, image):
        return self.late(self.early(image))


class KeepsMap(Base):
    def forward(self, image):
        self.kept = self.early(image)
        return self.late(self.kept)


class KeepsInObject(Base):
    def __init__(self) -> None:
        super().__init__()
        self.state = SimpleNamespace(map=None, maps={})

    def forward(self, image):
        self.state.map = self.early(image)
        self.state.maps["early"] = self.state.map
        return self.late(self.state.map)


class KeepsTuple(Base):
    def forward(self, image):
        features = self.early(image)
        self.kept = (features, [features.mean()])
        return self.late(features)


class Logs(Base):
    def __init__(self) -> None:
        super().__init__()
        self.log = []

    def forward(self, image):
        features = self.early(image)
        self.log.append(features.mean())
        return self.late(features)


class KeepsInBuffer(Base):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(()))

    def forward(self, image):
        features = self.early(image)
        if self.training:
            self.level = 0.9 * self.level + features.mean()  # its author forgot to detach it
        return self.late(features)


class Double(nn.Module):
    def forward(self, weight):
        return 2 * weight


def after_training(net: nn.Module) -> nn.Module:
    net.train()(IMAGES).sum().backward()
    return net


def old_weight_norm() -> nn.Module:
    net = Base()
    nn.utils.weight_norm(net.a)
    nn.utils.weight_norm(net.b, dim=None)
    return after_training(net)


def old_spectral_norm() -> nn.Module:
    net = Base()
    nn.utils.spectral_norm(net.b)
    nn.utils.spectral_norm(net.h)
    return after_training(net)


def on_layer(change, of=Base):
    def made() -> nn.Module:
        net = of()
        change(net)
        return net

    return made


def masked(net: nn.Module) -> None:
    prune.l1_unstructured(net.b, "weight", 0.3)
    prune.random_unstructured(net.b, "bias", 0.5)
    prune.ln_structured(net.a, "weight", 0.25, n=2, dim=0)


def twice_masked(net: nn.Module) -> None:
    prune.l1_unstructured(net.b, "weight", 0.3)
    prune.l1_unstructured(net.b, "weight", 0.3)
    net(IMAGES)


def watched(net: nn.Module) -> None:
    maps = []
    net.a.register_forward_hook(lambda _, __, output: maps.append(output))
    net.b.register_forward_pre_hook(lambda _, given: maps.append(given))
    net.h.register_full_backward_hook(lambda _, __, gradient: maps.append(gradient))
    after_training(net)


def lazy() -> nn.Module:
    layers = nn.LazyConv2d(16, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.LazyLinear(5))


def averaged() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(Base())


def compiled_part() -> nn.Module:
    net = Base()
    net.b = torch.compile(net.b)
    return net


def in_place_compiled() -> nn.Module:
    net = Base()
    net.compile()
    net.b.compile()
    return net


def timm_synced() -> nn.Module:
    from timm.layers import BatchNormAct2d, convert_sync_batchnorm

    net = Base()
    net.bn = BatchNormAct2d(16)
    return convert_sync_batchnorm(net)


def synced_vectors() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.extend([nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 5)])
    return nn.SyncBatchNorm.convert_sync_batchnorm(net)


def born_for_inference() -> nn.Module:
    with torch.inference_mode():
        return Base()


def steered() -> nn.Module:
    """A hook that the net's function needs."""
    net = Base()
    net.b.register_forward_hook(lambda _, __, output: output * 2)
    net.a.register_forward_hook(lambda *_: None)
    return net


def shares() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *(nn.Conv2d(16, 16, 3, padding=1) for _ in range(2)))
    net[2].weight = net[1].weight
    net.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)])
    return net


ARRIVING = {
    "plain": Base,
    "in evaluation": lambda: Base().eval(),
    "old weight_norm": old_weight_norm,
    "old spectral_norm": old_spectral_norm,
    "weight_norm": on_layer(lambda net: (parametrizations.weight_norm(net.b), after_training(net))),
    "spectral_norm": on_layer(lambda net: (parametrizations.spectral_norm(net.b), after_training(net))),
    "orthogonal": on_layer(lambda net: parametrizations.orthogonal(net.h)),
    "own parametrization": on_layer(lambda net: parametrize.register_parametrization(net.a, "weight", Double())),
    "two parametrizations": on_layer(
        lambda net: [parametrize.register_parametrization(net.b, key, Double()) for key in ("weight", "bias")]
    ),
    "pruning masks": on_layer(masked),
    "pruned twice": on_layer(twice_masked),
    "hooks that keep maps": on_layer(watched),
    "a hook that matters": steered,
    "lazy": lazy,
    "SyncBatchNorm": lambda: nn.SyncBatchNorm.convert_sync_batchnorm(Base()),
    "SyncBatchNorm of vectors": synced_vectors,
    "timm's SyncBatchNorm": timm_synced,
    "compiled": lambda: torch.compile(Base()),
    "a part compiled": compiled_part,
    "compiled in place": in_place_compiled,
    "DataParallel": lambda: nn.DataParallel(Base()),
    "compiled DataParallel": lambda: torch.compile(nn.DataParallel(Base())),
    "an average of weights": averaged,
    "float64": lambda: Base().double(),
    "half": lambda: Base().half(),
    "bfloat16": lambda: Base().bfloat16(),
    "channels_last": lambda: Base().to(memory_format=torch.channels_last),
    "a graph of torch.fx": lambda: torch.fx.symbolic_trace(Base()),
    "made in inference mode": born_for_inference,
    "a kept map": lambda: after_training(KeepsMap()),
    "maps in an object": lambda: after_training(KeepsInObject()),
    "maps in a tuple": lambda: after_training(KeepsTuple()),
    "a growing list of losses": lambda: after_training(Logs()),
    "a buffer with a history": lambda: after_training(KeepsInBuffer()),
    "partly frozen": on_layer(lambda net: net.a.requires_grad_(False)),
    "shared parameters": shares,
}


def made(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return ARRIVING[name]()


def reference(net: nn.Module) -> torch.Tensor:
    """What the net computes as it arrived, in evaluation; compiled ones by what they were compiled from."""
    while hasattr(net, "_orig_mod") or isinstance(net, nn.DataParallel):
        net = getattr(net, "_orig_mod", None) or net.module
    if isinstance(getattr(net, "b", None), nn.Module) and hasattr(net.b, "_orig_mod"):
        net.b = net.b._orig_mod
    for module in net.modules():
        module._compiled_call_impl = None
    dtype = next(net.parameters()).dtype
    modes = [(module, module.training) for module in net.modules()]
    with torch.no_grad():
        found = net.eval()(IMAGES.to(dtype))
    for module, mode in modes:
        module.training = mode
    return found.float()


@pytest.mark.parametrize("name", [name for name in ARRIVING if name != "lazy"])
def test_the_plain_net_computes_the_same(name):
    net = made(name)
    plain = make_plain(net, TRIAL)
    tolerance = {"half": 1e-2, "bfloat16": 5e-2}.get(name, 1e-5)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(IMAGES), reference(net), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", ARRIVING)
def test_the_plain_net_can_be_cropped_copied_and_trained(name):
    plain = make_plain(made(name), TRIAL)
    assert plain.training
    assert {parameter.dtype for parameter in plain.parameters()} == {torch.float32}
    widths = find_widths(plain, (3, 8, 8), WidthOptions(divisor=1))
    gene = widths.uniform(0.5)
    widths.verify(gene, IMAGES)
    for net in (plain, widths.build(gene).train()):
        net(IMAGES).square().sum().backward()
        net(IMAGES).square().sum().backward()  # what the first kept would be freed by now
        copy.deepcopy(net)
        trained = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
        assert all(parameter.grad is not None for parameter in trained.values())
    assert {name.rpartition(".")[2] for name, _ in plain.named_parameters()} <= {"weight", "bias"}


def test_the_net_that_was_passed_stays_as_it_was():
    net = made("old weight_norm")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    make_plain(net, TRIAL)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert isinstance(made("compiled"), nn.Module)


def test_chance_is_left_alone():
    before = torch.get_rng_state()
    make_plain(lazy(), TRIAL)
    after = torch.get_rng_state()
    assert torch.equal(before, after)
    lazies = [make_plain(lazy(), TRIAL).state_dict() for _ in range(2)]
    assert all(torch.equal(value, lazies[1][name]) for name, value in lazies[0].items())


def test_only_hooks_that_watch_are_taken_off():
    plain = make_plain(made("a hook that matters"), TRIAL)
    assert len(plain.b._forward_hooks) == 1
    assert len(plain.a._forward_hooks) == 0


def test_a_growing_list_grows_no_more():
    plain = make_plain(made("a growing list of losses"), TRIAL)
    for _ in range(3):
        plain(IMAGES)
    plain.eval()(IMAGES)
    assert plain.log == []


@pytest.mark.parametrize("kind", ["old", "new", "masks"])
def test_what_was_frozen_under_a_parametrisation_stays_frozen(kind):
    net = Base()
    if kind == "old":
        nn.utils.weight_norm(net.b)
    elif kind == "new":
        parametrizations.weight_norm(net.b)
    else:
        prune.l1_unstructured(net.b, "weight", 0.3)
    net.b.requires_grad_(False)
    plain = make_plain(net, TRIAL)
    assert isinstance(plain.b.weight, nn.Parameter)
    assert not plain.b.weight.requires_grad
    assert plain.a.weight.requires_grad


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("old weight_norm", r"weight_norm or spectral_norm written into the weights \(2\)"),
        ("pruning masks", r"pruning masks written into the weights, which may grow again \(3\)"),
        ("half", "torch.float16 parameters became torch.float32"),
        ("a growing list of losses", "what its forward keeps in log is let go of"),
        ("hooks that keep maps", "hooks that only watch taken off 3 modules"),
    ],
)
def test_what_was_done_is_said(name, said, caplog):
    with caplog.at_level(logging.WARNING):
        make_plain(made(name), TRIAL)
    assert len(caplog.records) == 1
    import re

    assert re.search(said, caplog.text)


def test_of_a_plain_net_nothing_is_said(caplog):
    make_plain(Base(), TRIAL)
    assert not caplog.records


def quantised(step: str) -> nn.Module:
    import torch.ao.quantization as q

    net = nn.Sequential(q.QuantStub(), nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.extend([nn.Linear(8, 5), q.DeQuantStub()])
    if step == "qat":
        net.qconfig = q.get_default_qat_qconfig("fbgemm")
        return q.prepare_qat(net.train())
    net.eval().qconfig = q.get_default_qconfig("fbgemm")
    net = q.prepare(net)
    net(IMAGES)
    return q.convert(net) if step == "int8" else net


def patched() -> nn.Module:
    net = Base()
    forward = net.forward
    net.forward = lambda image: 2 * forward(image)
    return net


def patched_part() -> nn.Module:
    net = Base()
    forward = net.b.forward
    net.b.forward = lambda features: 2 * forward(features)
    return net


class Hides(Base):
    def __init__(self, kind) -> None:
        super().__init__()
        self.more = kind(nn.Conv2d(16, 16, 1))

    def forward(self, image):
        more = self.more["x"] if isinstance(self.more, dict) else self.more[0]
        return self.late(more(self.early(image)))


class Complex(Base):
    def __init__(self) -> None:
        super().__init__()
        self.phase = nn.Parameter(torch.ones(16, 1, 1, dtype=torch.complex64))

    def forward(self, image):
        return self.late((self.early(image) * self.phase).real)


class Needs(Base):
    def forward(self, image, label):  # noqa: ARG002
        return super().forward(image)


class TrainsByLabel(Base):
    def forward(self, image, label=None):
        return super().forward(image) + (F.one_hot(label) if self.training else 0)


class InPlace(Base):
    def forward(self, image):
        return self.late(torch.sigmoid(self.early(image)).mul_(2).sigmoid_().add_(1))


class Detached(Base):
    def forward(self, image):
        return super().forward(image).detach()


class ReadsWithGradients(Base):
    def forward(self, image):
        return self.late(self.early(image) * float(self.early(image).numpy().mean()))


def locked() -> nn.Module:
    net = Base()
    net.lock = threading.Lock()
    return net


def exported() -> nn.Module:
    return torch.export.export(Base().eval(), (IMAGES,)).module()


def with_sparse() -> nn.Module:
    net = Base()
    net.h.weight = nn.Parameter(net.h.weight.detach().to_sparse())
    return net


REFUSED = {
    "prepared for qat": (lambda: quantised("qat"), "is prepared for quantisation; pass the float net"),
    "prepared for int8": (lambda: quantised("observed"), "is prepared for quantisation; pass the float net"),
    "int8": (lambda: quantised("int8"), r"is converted to int8; pass the float net that it was made from \(at 0\)"),
    "scripted": (lambda: torch.jit.script(Base()), "is TorchScript; pass the torch.nn.Module that it was made from"),
    "traced": (lambda: torch.jit.trace(Base().eval(), IMAGES), "is TorchScript; pass the torch.nn.Module"),
    "exported": (exported, "is a program of torch.export, which cannot be trained; pass the torch.nn.Module"),
    "meta": (lambda: Base().to("meta"), r"lies on the meta device, without values; make it .* \(at a.weight\)"),
    "complex": (Complex, r"has torch.complex64 parameters; pass a net of real numbers \(at phase\)"),
    "sparse": (with_sparse, r"has parameters of layout torch.sparse_coo; make them dense"),
    "all frozen": (lambda: Base().requires_grad_(False), r"is frozen: .* net.requires_grad_\(True\)"),
    "without parameters": (nn.Flatten, "has no parameter; pass a net with convolutions or linear layers"),
    "a class": (lambda: Base, r"is the class Base; pass a net made of it: Base\(\)"),
    "a dictionary": (lambda: Base().state_dict(), "is a OrderedDict; pass a torch.nn.Module"),
    "patched forward": (patched, "a forward was replaced on the object; write it into the class"),
    "patched part": (patched_part, "a forward was replaced on the object; write it into the class"),
    "layers in a list": (lambda: Hides(lambda conv: [conv]), "keeps layers in more, where torch does not see them"),
    "layers in a dictionary": (lambda: Hides(lambda conv: {"x": conv}), "keeps layers in more, where torch does not"),
    "layers in a tuple": (lambda: Hides(lambda conv: (conv,)), "keeps layers in more, where torch does not see them"),
    "a lock": (locked, "cannot be copied: cannot pickle '_thread.lock' object; take what holds a lock"),
    "two inputs": (Needs, "cannot read images of 3x8x8: .* missing 1 required positional argument: 'label'"),
    "changes in place": (InPlace, "cannot be trained: its backward pass fails: one of the variables needed"),
    "detached": (Detached, "cannot be trained: what it gives depends on no parameter; do not detach it"),
    "values read with gradients": (ReadsWithGradients, "does not run where gradients are kept: Can't call numpy"),
    "labels in training": (TrainsByLabel, "does not run in training mode: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_made_plain_is_refused_in_a_line(name):
    make, said = REFUSED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = make()
    with pytest.raises(SpecError, match=said) as raised:
        make_plain(net, TRIAL)
    assert str(raised.value).startswith("student: the module that was passed ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ARRIVING)
def test_every_net_that_can_be_made_plain_has_a_hash_by_which_a_run_knows_it_again(name):
    assert hash_given(made(name)) == hash_given(made(name))


def test_a_hash_tells_other_weights_and_refuses_what_a_plan_refuses():
    other = made("plain")
    with torch.no_grad():
        other.h.bias.add_(1)
    assert hash_given(made("plain")) != hash_given(other)
    assert hash_given(nn.DataParallel(other)) == hash_given(other)
    with pytest.raises(SpecError, match="is the class Base"):
        hash_given(Base)
