"""Sections that do not fit one another are told at once, each at the line that is to be mended."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.fit import refuse_black_box
from kdsearch.spec.study_spec import load_spec
from tests.answering import save_onnx
from tests.toys import knowing_net

STUDY = """\
name: parts
task: {dataset: mnist5k}
student: {net: lenet5}
limits: {macs: [50%, 25%]}
strategy:
  name: STRATEGY
  optimizer: adamw
budget:
  trials: 1
finish:
  name: metapruning
"""


def mistakes(tmp_path, text: str, *sets: str) -> list[str]:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as refused:
        load_spec(path, sets)
    return str(refused.value).replace(f"{path}:", "").splitlines()


def test_every_part_that_does_not_fit_is_told_at_its_own_line(tmp_path):
    assert mistakes(tmp_path, STUDY.replace("STRATEGY", "scratch")) == [
        "9: budget.trials: 1 trial cannot serve the 2 budgets of limits; raise it",
        "11: finish.name: metapruning goes on from what strategy: {name: metapruning} prepares",
    ]
    assert mistakes(tmp_path, STUDY.replace("STRATEGY", "metapruning")) == [
        "7: strategy.optimizer: a PruningNet must be trained by sgd (got adamw)",
        "9: budget.trials: 1 trial cannot serve the 2 budgets of limits; raise it",
    ]


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (
            ("finish={name: kd, start: inherited}", "teacher={card: teachers/lenet5_mnist5k.yaml}"),
            "finish.start: strategy: {name: scratch} leaves no weights to inherit; say scratch",
        ),
        (
            ("strategy={name: metapruning}", "finish={name: scratch, start: inherited}"),
            "finish.start: scratch trains fresh weights; say finish.name: metapruning, or start: scratch",
        ),
    ],
)
def test_weights_to_inherit_must_be_there_and_be_taken(tmp_path, sets, told):
    text = STUDY.replace("STRATEGY", "scratch").replace("trials: 1", "trials: 8").replace("  optimizer: adamw\n", "")
    (said,) = mistakes(tmp_path, text, *sets)
    assert said.endswith(told)


@pytest.mark.parametrize(
    ("strategy", "finish", "start"),
    [
        ("metapruning", "{name: metapruning}", "inherited"),
        ("metapruning", "{name: metapruning, start: scratch}", "scratch"),
        ("metapruning", "{name: scratch}", "scratch"),
        ("scratch", "{name: scratch}", "scratch"),
    ],
)
def test_a_finish_by_the_search_itself_inherits_unless_it_says_otherwise(tmp_path, strategy, finish, start):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("STRATEGY", strategy).replace("trials: 1", "trials: 8").replace("adamw", "sgd"))
    assert load_spec(path, (f"finish={finish}",)).start == start


def test_a_part_that_was_set_on_the_command_line_is_told_there(tmp_path):
    text = STUDY.replace("STRATEGY", "scratch").replace("metapruning", "scratch").replace("trials: 1", "trials: 8")
    assert mistakes(tmp_path, text, "finish.name=metapruning") == [
        "--set finish.name=metapruning: finish.name: metapruning goes on from what strategy: {name: metapruning} "
        "prepares"
    ]


def test_parts_are_compared_without_torch(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("STRATEGY", "metapruning").replace("adamw", "sgd").replace("trials: 1", "trials: 8"))
    read = f"from kdsearch.spec.study_spec import load_spec; load_spec({str(path)!r})"
    code = f"import sys; {read}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_changed_on_the_command_line_says_how_to_leave_the_files_options_behind(tmp_path):
    text = STUDY.replace("STRATEGY", "scratch").replace("metapruning", "scratch").replace("trials: 1", "trials: 8")
    said = mistakes(tmp_path, text.replace("  optimizer: adamw\n", "  search_widths: true\n"), "strategy.name=scratch")
    assert said[0].startswith("7: strategy.search_widths: unknown key")
    assert said[0].endswith("; --set 'strategy={name: NAME}' leaves the file's options behind")


def test_a_section_that_an_option_made_is_blamed_on_it(tmp_path):
    text = STUDY.replace("STRATEGY", "scratch").replace("metapruning", "scratch").replace("trials: 1", "trials: 8")
    assert mistakes(tmp_path, text, "executor.workers=4") == [
        "--set executor.workers=4: executor: must name one of: process, serial"
    ]


def test_a_teacher_without_gradients_is_refused_where_they_are_needed(monkeypatch):
    """No strategy but a kd that is told so: whether it needs them is for its options to say."""
    learning = ("teacher=lenet5_mnist5k", "strategy={name: scratch}", "finish={name: kd}")
    spec = load_spec("quickstart", learning)
    refuse_black_box(spec, "onnx")
    monkeypatch.setattr(type(spec.finish.options), "descends_teacher", True)
    refuse_black_box(spec, "torchscript")
    with pytest.raises(SpecError, match="onnxruntime gives no gradients, which finish: kd needs; name a TorchScript"):
        refuse_black_box(spec, "onnx")


@pytest.fixture
def closed(tmp_path):
    """What a study says of a teacher without gradients."""
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    path = save_onnx(knowing_net().eval(), tmp_path / "net.onnx")
    return f"teacher={{file: {path}, shape: [1, 8, 8], classes: 3, mean: 0.3, std: 0.3}}"


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (
            ("strategy={name: dafl}", "finish={name: dafl}"),
            r"teacher\.file: onnxruntime gives no gradients, which strategy: dafl needs; name a TorchScript file, or "
            r"say strategy\.synthesis\.through: student",
        ),
        (
            ("task={name: classification, data: none}", "strategy={name: scratch}", "finish={name: scratch}"),
            r"which task\.data: none generates images; name a TorchScript file, or say task\.synthesis\.through: di",
        ),
        (
            ("task={data: none, synthesis: {through: student}}", "strategy={name: scratch}", "finish={name: scratch}"),
            r"task\.synthesis\.through: there is no student yet when the images are generated; say differences",
        ),
        (
            ("task={data: none, synthesis: {activation: 3}}", "strategy={name: scratch}", "finish={name: scratch}"),
            r"task: synthesis\.activation would read inside the teacher, and net\.onnx only answers; say synth",
        ),
    ],
)
def test_what_a_black_box_cannot_do_without_data_is_told_with_what_can_be_done(closed, sets, said):
    with pytest.raises(SpecError, match=said):
        load_spec("quickstart", (closed, *sets))


@pytest.mark.parametrize(
    "sets",
    [
        ("strategy={name: dafl, synthesis: {through: student}}", "finish={name: kd}"),
        ("strategy={name: dafl, synthesis: {through: differences}}", "finish={name: kd}"),
        ("task={data: none, synthesis: {through: differences}}", "strategy={name: scratch}", "finish={name: scratch}"),
    ],
)
def test_what_a_black_box_can_do_without_data_is_a_valid_study(closed, sets):
    assert load_spec("quickstart", (closed, *sets)).teacher.file.name == "net.onnx"
