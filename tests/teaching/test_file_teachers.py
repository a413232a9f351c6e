"""Files that answer as the net that they were made of, and files that cannot teach."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdsearch.cost.deployed import freeze_trace
from kdsearch.errors import SpecError
from kdsearch.spec.distill_sections import TeacherOptions
from kdsearch.teaching.file_teachers import load_file_teacher
from tests.answering import Answers, named, save_lite, save_onnx, save_ours, save_script
from tests.toys import CPU, bars_teacher, knowing_net, make_task, make_toy

NO_ONNX = "onnx or onnxruntime is not installed: pip install -e '.[onnx]'"


def turned(turn, *, images=2, **said):
    """A maker of a script that turns the logits, and the images, into something else."""
    return lambda folder: named(save_script(Answers(turn), folder / "net.pt", images=images), **said)


def as_onnx(make=lambda: knowing_net().eval(), **given):
    """A maker of an ONNX file."""

    def write(folder):
        pytest.importorskip("onnx", reason=NO_ONNX)
        pytest.importorskip("onnxruntime", reason=NO_ONNX)
        return named(save_onnx(make(), folder / "net.onnx", **given))

    return write


class Last(nn.Module):
    """Reads images whose channels come last."""

    def __init__(self) -> None:
        super().__init__()
        self.net = knowing_net().eval()

    def forward(self, image_BHWC):
        return self.net(image_BHWC.permute(0, 3, 1, 2))


def other_order(folder):
    return named(save_script(knowing_net((2, 0, 1)).eval(), folder / "net.pt"), classes=(" ", "|", "-"))


SCRIPTS = {
    "ours": lambda folder: TeacherOptions(file=save_ours(folder / "net.pt")),
    "phone": lambda folder: TeacherOptions(file=save_lite(folder / "net.ptl")),
    "traced": lambda folder: named(save_script(knowing_net().eval(), folder / "net.pt")),
    "scripted": lambda folder: named(save_script(torch.jit.script(knowing_net().train()), folder / "net.pt")),
    "a dict": turned(lambda logits, image: {"image": image, "logits": logits}),
    "a tuple": turned(lambda logits, image: (image, logits)),
    "a map of one pixel": turned(lambda logits, _: logits[..., None, None]),
    "one image": turned(lambda logits, _: logits.reshape(1, 3), images=1),
    "probabilities": turned(lambda logits, _: logits.softmax(1), outputs="probabilities"),
    "other order": other_order,
}
ONNX = {
    "onnx": as_onnx(),
    "onnx, one image": as_onnx(batch=1, free=False),
    "onnx, four images": as_onnx(batch=4, free=False),
    "onnx, several outputs": as_onnx(lambda: Answers(lambda logits, image: (image * 2, logits))),
    "onnx, channels last": as_onnx(Last, shape=(8, 8, 1)),
}


def write(kind, folder):
    """A file of this kind that knows the bars, and the section that names it."""
    return {**SCRIPTS, **ONNX}[kind](folder)


@pytest.mark.parametrize("kind", [*SCRIPTS, *ONNX])
def test_it_answers_as_the_net_that_it_was_made_of(tmp_path, kind):
    task = make_task()
    teacher = load_file_teacher(write(kind, tmp_path), task, CPU)
    pixels = task.images("validation").images_NCHW[:9]
    wanted_BC, _ = bars_teacher().answer(pixels, {})
    for _ in range(3):  # a script that is profiled changes after some calls
        logits_BC, taps = teacher.answer(pixels, {})
        torch.testing.assert_close(logits_BC.softmax(1), wanted_BC.softmax(1))
        if kind != "probabilities":
            torch.testing.assert_close(logits_BC, wanted_BC)
    assert taps == {}
    assert not logits_BC.requires_grad
    assert teacher.net.queries == 27
    assert teacher.classes == task.classes


def descend(answer, pixels):
    """The gradient of the first class's probability by the pixels."""
    pixels = pixels.detach().requires_grad_()
    return torch.autograd.grad(answer(pixels).softmax(1)[:, 0].sum(), pixels)[0]


def normalised(teacher, pixels):
    """Pixels in 0..1 as a teacher of one channel reads them."""
    return (pixels - teacher.mean[0]) / teacher.std[0]


@pytest.mark.parametrize("kind", SCRIPTS)
def test_gradients_reach_the_images_through_any_script(tmp_path, kind):
    task = make_task()
    teacher = load_file_teacher(write(kind, tmp_path), task, CPU)
    assert teacher.gives == "gradients"
    pixels = task.images("validation").images_NCHW[:9] / 255
    found = descend(lambda each: teacher.logits(normalised(teacher, each)), pixels)
    torch.testing.assert_close(found, descend(knowing_net(), pixels), rtol=1e-4, atol=1e-5)


def test_the_gradients_of_folded_batch_norms_are_those_of_the_net(tmp_path):
    net = make_toy(trained=True).eval()
    frozen = save_script(freeze_trace(net, torch.rand(1, 1, 8, 8)), tmp_path / "net.pt")
    teacher = load_file_teacher(named(frozen), make_task(), CPU)
    pixels = torch.rand(5, 1, 8, 8)
    found, wanted = (
        descend(lambda each: teacher.logits(normalised(teacher, each)) / 100, pixels),
        descend(lambda each: net(each) / 100, pixels),
    )
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize(
    ("said", "like"),
    [
        ({"mean": 0.25, "std": 0.5}, (0.25, 0.5)),
        ({"mean": 0, "std": 1}, (0.5, 0.25)),  # it normalises inside
        ({"mean": 0, "std": 1 / 255}, (0.5, 0.25)),  # it reads pixels of 0..255
        ({"mean": 1, "std": 0.5}, (0.5, 0.25)),
    ],
)
def test_what_it_takes_its_images_for_is_what_images_can_be(tmp_path, said, like):
    """A generator of images for it makes them about that mean, as far about it as that."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    teacher = load_file_teacher(named(save_script(net, tmp_path / "net.pt"), **said), make_task(), CPU)
    assert (*teacher.mean, *teacher.std) == like
    pixels = torch.randint(256, (4, 1, 8, 8), dtype=torch.uint8)
    wanted = net((pixels / 255 - said["mean"]) / said["std"])
    torch.testing.assert_close(teacher.answer(pixels, {})[0], wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ONNX)
def test_an_onnx_file_gives_logits_alone(tmp_path, kind):
    teacher = load_file_teacher(write(kind, tmp_path), make_task(), CPU)
    assert teacher.gives == "logits"
    assert not teacher.net(torch.rand(2, 1, 8, 8, requires_grad=True)).requires_grad


@pytest.mark.parametrize("kind", ["ours", "onnx"])
def test_a_copy_answers_alike_and_has_nothing_to_train_or_tap(tmp_path, kind):
    teacher = load_file_teacher(write(kind, tmp_path), make_task(), CPU)
    image = torch.rand(4, 1, 8, 8)
    other = copy.deepcopy(teacher.net).to(torch.float32).train().eval()
    torch.testing.assert_close(other(image), teacher.net(image))
    assert list(teacher.net.modules()) == [teacher.net]
    assert not any(parameter.requires_grad or parameter.numel() for parameter in teacher.net.parameters())


def test_what_decides_its_answers_decides_its_identity(tmp_path):
    one = write("traced", tmp_path)
    same = load_file_teacher(one, make_task(), CPU).identity
    assert load_file_teacher(one, make_task(), CPU).identity == same
    assert load_file_teacher(named(one.file, mean=0.5), make_task(), CPU).identity != same
    with torch.no_grad():
        (other := knowing_net().eval())[2].bias.add_(0.01)
    assert load_file_teacher(named(save_script(other, one.file)), make_task(), CPU).identity != same


class Chance(nn.Module):
    """Answers otherwise each time."""

    def forward(self, image_BCHW):
        return torch.rand(image_BCHW.shape[0], 3)


class Mixing(nn.Module):
    """What it says of an image depends on the others, as with a batch norm in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.net = knowing_net().eval()

    def forward(self, image_BCHW):
        logits_BC = self.net(image_BCHW)
        return logits_BC - logits_BC.mean(0) / 2


def answering(turn):
    return lambda: Answers(turn)


def wide(channels, columns):
    return lambda: nn.Sequential(nn.Conv2d(channels, columns, 8), nn.Flatten())


BAD = {
    "other channels": (wide(1, 3), {"shape": (3, 8, 8)}, "reads images of 3x8x8, the task's are 1x8x8"),
    "other channels than said": (
        lambda: torch.jit.script(wide(3, 3)()),
        {},
        r"cannot read 1 float32 image of 1x8x8: .* to have 3 channels, but got 1 channels instead; correct teacher",
    ),
    "another size": (knowing_net, {"shape": (1, 6, 6)}, "reads images of 1x6x6, the task's are 1x8x8"),
    "fewer classes said": (knowing_net, {"classes": 4}, "has 4 classes, the task 3"),
    "unknown classes": (knowing_net, {"classes": ("|", "-", "x")}, "does not know 1 of the task's 3 classes: ' '"),
    "more answers": (
        wide(1, 5),
        {},
        r"gives \(1, 5\) for 1 image, not a column for each of 3 classes; correct teacher\.classes",
    ),
    "an image": (nn.Identity, {}, r"gives \(1, 1, 8, 8\) for 1 image, not a column for each of 3"),
    "no logits": (answering(lambda _, image: {"i": image * 2}), {}, r"gives \(1, 1, 8, 8\) for 1 image"),
    "two of logits": (
        answering(lambda logits, _: {"a": logits, "b": -logits}),
        {},
        r"gives 2 outputs of 3 columns \(.*\); export it with its logits alone",
    ),
    "nan": (answering(lambda logits, _: logits / 0 * 0), {}, r"answers nan or infinity; correct teacher\.mean"),
    "infinity": (answering(lambda logits, _: logits / 0), {}, "answers nan or infinity"),
    "probabilities": (
        answering(lambda logits, _: logits.softmax(1)),
        {},
        r"gives probabilities \(each row adds up to 1\); say teacher\.outputs: probabilities",
    ),
    "no probabilities": (
        knowing_net,
        {"outputs": "probabilities"},
        r"gives no probabilities .*; leave teacher\.outputs out",
    ),
    "chance": (Chance, {}, r"answers the same image in two ways \(dropout\?\); export it after net\.eval\(\)"),
    "mixed rows": (Mixing, {}, r"answers an image otherwise beside others .*; export it after net\.eval\(\)"),
    "a batch of two": (
        answering(lambda logits, _: logits.reshape(2, 3)),
        {},
        r"cannot read 1 float32 image of 1x8x8: .*invalid for input of size 3; correct teacher\.shape, or export it",
    ),
}


SCRIPTS_ONLY = ("other channels than said", "a batch of two", "chance", "infinity")


@pytest.mark.parametrize("kind", BAD)
def test_a_script_that_cannot_teach_is_one_line_at_planning(tmp_path, kind):
    make, changes, said = BAD[kind]
    path = save_script(make().eval(), tmp_path / "net.pt")
    with pytest.raises(SpecError, match=said) as caught:
        load_file_teacher(named(path, **changes), make_task(), CPU)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind not in SCRIPTS_ONLY])
def test_an_onnx_file_that_cannot_teach_is_one_line_at_planning(tmp_path, kind):
    pytest.importorskip("onnx", reason=NO_ONNX)
    pytest.importorskip("onnxruntime", reason=NO_ONNX)
    make, changes, said = BAD[kind]
    path = save_onnx(make().eval(), tmp_path / "net.onnx")
    with pytest.raises(SpecError, match=said) as caught:
        load_file_teacher(named(path, **changes), make_task(), CPU)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path, monkeypatch):
    options = write("traced", tmp_path)
    real = load_file_teacher.__globals__["read_file_facts"]

    def overwritten(named):
        facts = real(named)
        save_ours(options.file)
        return facts

    monkeypatch.setitem(load_file_teacher.__globals__, "read_file_facts", overwritten)
    with pytest.raises(SpecError, match="was written while it was read; start again"):
        load_file_teacher(options, make_task(), CPU)
