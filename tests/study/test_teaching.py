"""A teacher that is a module passed from Python."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError, StoreError
from kdsearch.records import RunPaths
from kdsearch.spec.study_spec import dumps, load_spec, loads
from kdsearch.study.planning import plan
from kdsearch.study.references import check_references
from kdsearch.study.run import resume_study, run_study
from tests.cards import write_images
from tests.toys import knowing_net, make_task, make_toy

pytestmark = pytest.mark.timeout(60)

STUDY = (
    "name=taught",
    "student={net: given, divisor: 1}",
    "search={name: random}",
    "limits={macs: 60%, window: null}",
    "budget={trials: 2}",
    "finish.controls={uniform: false, full: false}",
    "export=[]",
)
GIVEN = "teacher={net: given, mean: 0, std: 1}"


def taught(name: str = "kd", *sets: str, teacher: str = GIVEN):
    """A study of the toy in which strategy and finish learn from a teacher."""
    recipe = f"{{name: {name}, epochs: 1, batch_size: 24}}"
    return load_spec("quickstart", (*STUDY, teacher, f"strategy={recipe}", f"finish={recipe}", *sets))


def knowing() -> nn.Module:
    return knowing_net().train()


def planned(folder, module, *sets: str, teacher: str = GIVEN):
    return plan(
        taught("kd", *sets, teacher=teacher), RunPaths(folder), task=make_task(), net=make_toy(), teacher=module
    )


class Several(nn.Module):
    """Gives its logits among other tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.net = knowing()

    def forward(self, image_BCHW):
        return {"features": image_BCHW.flatten(1), "logits": self.net(image_BCHW)}


@pytest.mark.parametrize("make", [knowing, Several, lambda: nn.DataParallel(knowing())])
def test_it_answers_as_it_was_passed_frozen_and_unchanged(tmp_path, make):
    module = make()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    teacher = planned(tmp_path, module).ctx.teaching.teacher
    pixels = make_task().images("validation").images_NCHW[:9]
    logits_BC, _ = teacher.answer(pixels, {})
    torch.testing.assert_close(logits_BC, knowing()(pixels.float() / 255))
    assert not any(parameter.requires_grad for parameter in teacher.net.parameters())
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (None, r"^teacher\.net: given stands for a module that is passed as kdsearch\.run_study\(teacher=\.\.\.\)"),
        (nn.Linear, r"^teacher: the module that was passed is the class Linear; pass a net made of it"),
        ("resnet", r"^teacher: the module that was passed is a str; pass a torch\.nn\.Module$"),
        (
            nn.Sequential(nn.Conv2d(1, 5, 8), nn.Flatten()),
            r"^teacher: the module that was passed gives \(2, 5\) for 2 images, the task has 3 classes; give its last",
        ),
        (nn.Conv2d(3, 3, 8), r"^teacher: the module that was passed cannot read images of 1x8x8: "),
    ],
)
def test_what_cannot_teach_this_task_is_one_line_at_planning(tmp_path, module, said):
    with pytest.raises(SpecError, match=said) as caught:
        planned(tmp_path, module)
    assert "\n" not in str(caught.value)


def test_workers_in_other_processes_cannot_be_handed_one(tmp_path):
    sets = ("student={net: resnet8, width: 0.25, divisor: 1}", "executor={name: process}")
    with pytest.raises(SpecError, match=r"executor: process cannot be handed a module; use executor: \{name: serial\}"):
        plan(taught("kd", *sets), RunPaths(tmp_path), task=make_task(), teacher=knowing())


def test_a_module_that_the_study_does_not_ask_for_is_refused(tmp_path):
    sets = (*STUDY, "strategy={name: scratch}", "finish={name: scratch}", "teacher=null")
    with pytest.raises(SpecError, match=r"the study must say teacher: \{net: given\}"):
        plan(load_spec("quickstart", sets), RunPaths(tmp_path), task=make_task(), net=make_toy(), teacher=knowing())


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("teacher={mean: 0, std: 1}", "needs exactly one of card, file, net"),
        ("teacher={net: given, mean: 0}", "std is missing; mean and std go together"),
        ("teacher={net: given, mean: 100, std: 1}", "must be 0 to 1, of pixels in 0..1"),
        (
            "teacher={card: teachers/resnet20_mnist5k.yaml, mean: 0, std: 1}",
            "mean goes with file or net: given; a card has its own",
        ),
        ("teacher={net: mine}", "given"),
    ],
)
def test_what_a_study_says_of_it_is_checked(teacher, said):
    with pytest.raises(SpecError, match=said):
        taught(teacher=teacher)


def test_its_section_reads_back_as_it_was_written():
    spec = taught()
    assert loads(dumps(spec)) == spec
    assert spec.modules == ("net", "teacher")


def test_one_that_knows_nothing_of_these_images_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"^teacher: Toy reaches .* no more than chance"):
        check_references(planned(tmp_path, make_toy(3)))


def test_without_numbers_of_its_own_it_reads_images_as_the_student_does(tmp_path):
    teacher = planned(tmp_path, knowing(), teacher="teacher={net: given}").ctx.teaching.teacher
    assert (teacher.mean, teacher.std) == ((0.3,), (0.3,))


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["kd", "cckd"])
def test_a_study_learns_from_it_and_is_resumed_with_the_same_one_only(tmp_path, monkeypatch, name):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    data = write_images(tmp_path / "bars.npz")
    spec = taught(name, f"task={{npz: {data}, validation_share: 0.2, test_share: 0.2}}", "storage=journal")

    def stop(progress) -> None:
        if progress.phase == "search" and progress.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(spec, tmp_path / "run", stop, net=make_toy(), teacher=knowing())
    with pytest.raises(
        SpecError, match=r"run's teacher was passed from Python; .*\(run_dir, net=\.\.\., teacher=\.\.\.\)"
    ):
        resume_study(tmp_path / "run", net=make_toy())
    other = knowing()
    with torch.no_grad():
        other[2].bias.add_(0.01)
    with pytest.raises(StoreError, match=r"was launched with another teacher \(SHA-256 "):
        resume_study(tmp_path / "run", net=make_toy(), teacher=other)
    summary = resume_study(tmp_path / "run", net=make_toy(), teacher=knowing())
    assert summary["state"] == "done"
    assert summary["teacher"]["name"] == "Sequential"
    assert summary["references"][0]["role"] == "teacher"
    assert summary["references"][0]["metrics"]["accuracy"] > 0.9
    assert summary["commands"]["resume"].endswith("net=..., teacher=...)")
