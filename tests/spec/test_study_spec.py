from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch import registry
from kdsearch.errors import SpecError
from kdsearch.models.zoo import OWN
from kdsearch.spec.limits_sections import Bound
from kdsearch.spec.plugins import FinishPlugin, StrategyPlugin
from kdsearch.spec.reading import known_keys
from kdsearch.spec.sections import OWN_NETS
from kdsearch.spec.study_spec import StudySpec, dumps, files_named, load_document, load_spec, loads, to_yaml

STUDY = """\
name: digits
seed: 3
task: {name: classification, dataset: mnist5k}
student: {timm: mobilenetv2_100, stem_stride: 1}
limits: {macs: [50%, 3e6]}
search: {name: evolution, population: 20, parents: 5, mutation: 10, crossover: 5}
strategy:
  name: metapruning
  learning_rate: 1e-3
  augment: {flip: no}
finish: {name: scratch, epochs: 2, seeds: 3, controls: {random: 2}}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "a.yaml") -> str:
        Path(name).write_text(text, encoding="utf-8")
        return name

    return write


def lines_of(study: str, *sets: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(study, sets)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sqlite:///study.db", "sqlite:///{here}/study.db"),
        ("sqlite+pysqlite:///below/study.db?timeout=9", "sqlite+pysqlite:///{here}/below/study.db?timeout=9"),
        ("sqlite:////var/study.db", "sqlite:////var/study.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://host/studies", "postgresql://host/studies"),
        ("journal", "journal"),
    ],
)
def test_an_sqlite_file_stays_where_the_study_was_loaded(write, given, kept, tmp_path):
    spec = load_spec(write(STUDY + f"storage: '{given}'\n"))
    assert spec.storage == kept.format(here=tmp_path)
    assert loads(dumps(spec)) == spec


def test_a_study_becomes_typed_options_of_its_plug_ins(write):
    spec = load_spec(write(STUDY))
    assert spec.seed == 3
    assert spec.limits.macs == (Bound(share=0.5), Bound(value=3e6))
    assert spec.search.name == "evolution"
    assert isinstance(spec.search.options, registry.find("kdsearch.searchers", "evolution").Options)
    assert spec.search.options.population == 20
    assert spec.strategy.options.learning_rate == 0.001
    assert spec.strategy.options.augment.flip is False
    assert (spec.finish.seeds, spec.finish.controls.random, spec.finish.controls.uniform) == (3, 2, True)
    assert spec.finish.options.epochs == 2
    assert [plugin.name for plugin in spec.export] == ["torchscript"]
    assert spec.executor.name == "serial"


def test_json_and_yaml_bring_the_same_study_back(write):
    spec = load_spec(write(STUDY))
    assert loads(dumps(spec)) == spec
    assert load_spec(write(to_yaml(spec), "b.yaml")) == spec
    assert to_yaml(load_spec("b.yaml")) == to_yaml(spec)


@given(st.decimals("0.001", "100", places=6))
def test_a_share_survives_being_written(percent):
    bound = Bound.read(f"{percent}%")
    assert Bound.read(bound.model_dump()) == bound


def test_every_mistake_is_reported_at_once_with_its_line(write):
    wrong = write(
        "name: my study\n"
        "task: {name: classification, dataset: mnist5k}\n"
        "student: {timm: mobilenetv2_100, stem_strid: 1}\n"
        "limits: {macs: 0%}\n"
        "search:\n"
        "  name: evolution\n"
        "  population: 0\n"
        "  flops: 3\n"
        "strategy: {name: metaprunin}\n"
        "finish: {name: scratch, seeds: 0, epochs: 2.5, controls: {unifrm: true}}\n"
        "budgett: {trials: 3}\n"
        "seed: true\n"
    )
    assert lines_of(wrong) == [
        "a.yaml:1: name: must be at most 100 letters, digits, '.', '_' and '-', no blanks (got my study)",
        "a.yaml:3: student.stem_strid: unknown key; did you mean 'stem_stride'?",
        "a.yaml:4: limits.macs: must be a share such as 50% or a number above 0 such as 300M (got 0%)",
        "a.yaml:7: search.population: must be >= 2 (got 0)",
        "a.yaml:8: search.flops: unknown key; known: name, mode, population, parents, mutation, crossover, "
        "mutation_probability, generations, bends, migration",
        "a.yaml:9: strategy.name: unknown name 'metaprunin'; did you mean 'metapruning'?",
        "a.yaml:10: finish.controls.unifrm: unknown key; did you mean 'uniform'?",
        "a.yaml:10: finish.epochs: must be a whole number (got 2.5)",
        "a.yaml:10: finish.seeds: must be >= 1 (got 0)",
        "a.yaml:11: budgett: unknown key; did you mean 'budget'?",
        "a.yaml:12: seed: must not be true or false (got true)",
    ]


def test_a_rule_across_keys_is_reported_at_its_section(write):
    assert lines_of(write(STUDY.replace("parents: 5", "parents: 21"))) == [
        "a.yaml:6: search: parents (21) must not exceed population (20)"
    ]
    assert lines_of(write(STUDY.replace("timm: mobilenetv2_100, ", ""))) == [
        "a.yaml:4: student: needs exactly one of timm, torchvision, net (got none)"
    ]


def test_missing_sections_and_names_are_said_where_they_belong(write):
    assert lines_of(write("name: a\nstrategy: {epochs: 3}\nfinish: scratch\n")) == [
        "a.yaml:1: student: is missing",
        "a.yaml:1: task: is missing",
        "a.yaml:2: strategy: must name one of: " + ", ".join(registry.available("kdsearch.strategies")),
        "a.yaml:3: finish: must be a section of its own: 'key: value' lines (got scratch)",
    ]
    assert "a.yaml:1: must be a section of its own: 'key: value' lines (got 5)" in lines_of(write("5\n"))
    assert "a.yaml:1: name: is missing" in lines_of(write(""))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            "storage: journl",
            "storage: must be journal, or an Optuna storage URL such as sqlite:///study.db (got journl)",
        ),
        ("export: [{name: torchscript}, {name: torchscript}]", "export: names torchscript twice; keep one of them"),
        ("export: [{name: torchscript, lit: true}]", "export[0].lit: unknown key; did you mean 'lite'?"),
        ("export: {name: torchscript}", "export: must be a list (got a section)"),
        ("budget: {minutes: .inf}", "budget.minutes: must be a number (got .inf)"),
        ("budget: {minutes: 1e999}", "budget.minutes: must be a finite number (got inf)"),
        (
            "teacher: net.yaml",
            "teacher: net.yaml: no such teacher card, nor a shipped one (lenet5_mnist5k.yaml, lenet5bn_mnist5k.yaml, "
            "resnet20_cifar10.yaml, resnet20_mnist5k.yaml, resnet56_cifar10.yaml, timm_checkpoint.yaml)",
        ),
        ("teacher: net.pt", "teacher: net.pt: no such file; write where the exported net lies"),
        ("teacher: [1]", "teacher: must be a section of its own: 'key: value' lines (got [1])"),
        ("teacher: {card: lenet5_mnist5k, views: 0}", "teacher.views: must be >= 1 (got 0)"),
        ('"bud\\nget": {}', "bud\\nget: unknown key; did you mean 'budget'?"),
        ("budget: {trials: null}", "budget.trials: must be a whole number (got nothing)"),
        ("executor: {name: serial, options: {x: 1}}", "executor.options: unknown key; known: name"),
        ("compress: [{name: int8}]", "compress[0].name: unknown name 'int8'; known: low_rank"),
    ],
)
def test_each_kind_of_mistake_has_its_words(write, given, line):
    assert lines_of(write(STUDY + given)) == [f"a.yaml:12: {line}"]


def test_a_net_that_does_not_exist_is_named_without_torch(write):
    (line,) = lines_of(write(STUDY), "student={net: resnet99}")
    assert line.endswith("student: unknown net 'resnet99'; did you mean 'resnet8'?")
    assert set(OWN_NETS) == OWN.keys()


def test_lists_that_say_nothing_and_ranges_that_fall_are_refused(write):
    sets = (
        "limits.macs=[]",
        "limits.parameters=[50%, 1M, 50%]",
        "student.scales=[]",
        "strategy.augment.resized_crop=[1, 0.1]",
    )
    wrong = [line.split(": ", 1)[1] for line in lines_of(write(STUDY), *sets)]
    assert sorted(wrong) == [
        "limits.macs: must name at least one, or be left out (got [])",
        "limits.parameters: names 50% twice; keep one of them",
        "strategy.augment.resized_crop: must be [least, most] (got [1, 0.1])",
        "student.scales: must be paper, fine, or a list of one share or more (got [])",
    ]


def test_options_of_the_wrong_kind_show_what_they_got_and_what_is_allowed(write):
    study = write(STUDY)
    assert lines_of(study, "student.stem_stride=9", "strategy.augment=5", "strategy.schedule=a", "name=7") == [
        "--set name=7: name: must be text; put it in quotes (got 7)",
        "--set strategy.augment=5: strategy.augment: must be a section of its own: 'key: value' lines (got 5)",
        "--set strategy.schedule=a: strategy.schedule: must be 'linear', 'cosine', 'step' or 'constant' (got a)",
        "--set student.stem_stride=9: student.stem_stride: must be 1, 2 or 4 (got 9)",
    ]


def test_paths_become_absolute_and_are_listed_with_their_keys(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    text = STUDY.replace("dataset: mnist5k", "npz: data/x.npz").replace("stem_stride: 1", "weights: ~/w.safetensors")
    spec, document = load_document(write(text))
    assert dict(files_named(spec)) == {
        ("task", "npz"): tmp_path / "data/x.npz",
        ("student", "weights"): Path("/home/ada/w.safetensors"),
    }
    assert document.place(("task", "npz")) == "a.yaml:3"


def test_a_plug_in_brings_its_keys_to_the_section_that_names_it():
    data = {"finish": {"name": "scratch"}, "strategy": {"name": "nothing"}, "export": [{"name": "torchscript"}]}
    assert {"name", "seeds", "controls", "epochs"} <= set(known_keys(StudySpec, data, ("finish",)))
    assert known_keys(StudySpec, data, ("strategy",)) == ("name",)
    assert "lite" in known_keys(StudySpec, data, ("export", 0))


@pytest.mark.parametrize("name", registry.available("kdsearch.strategies"))
def test_no_strategy_has_an_option_that_finish_reads_for_itself(name):
    options = StrategyPlugin.of(name).options
    assert not set(type(options).model_fields) & set(FinishPlugin.model_fields)


def test_a_plug_in_can_be_made_in_python():
    options = StrategyPlugin.of("metapruning").options.model_copy(update={"epochs": 3})
    plugin = StrategyPlugin(name="metapruning", options=options)
    assert plugin.options.epochs == 3
    assert plugin.find() is registry.find("kdsearch.strategies", "metapruning")


def test_loading_imports_no_torch_and_takes_under_a_second():
    code = (
        "import sys; from kdsearch.spec.study_spec import load_spec; load_spec('metapruning.yaml');"
        "print(sorted({'torch', 'timm', 'torchvision', 'optuna', 'mlxtend'} & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.strip() == "[]"
    # seconds of the processor: a busy machine does not lengthen them
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


KEYS = st.sampled_from(
    [
        "name",
        "seed",
        "task",
        "student",
        "limits",
        "macs",
        "search",
        "strategy",
        "finish",
        "export",
        "budget",
        "epochs",
        "timm",
        "npz",
        "dataset",
        "augment",
        "options",
        "controls",
        "window",
        "scales",
        "storage",
        "teacher",
        "x",
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["evolution", "metapruning", "scratch", "50%", "1e-3", "no", "~/x", "a\x00b", "{x}"])
)  # fmt: skip
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6))


@pytest.mark.medium
@pytest.mark.timeout(60)
@settings(deadline=None, max_examples=60)
@given(st.dictionaries(KEYS, DATA, max_size=8), st.lists(st.tuples(KEYS, KEYS, SCALARS), max_size=2))
def test_any_yaml_is_a_study_or_one_line_a_mistake(tmp_path_factory, data, sets):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(json.dumps(data))  # JSON is YAML, and written a hundred times faster
    said = ""
    try:
        load_spec(path, [f"{a}.{b}={value}" for a, b, value in sets])
    except SpecError as error:
        said = str(error)
    assert all(line.startswith((str(path), "--set ")) for line in said.splitlines())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("budget.trials=1000000000000", "budget.trials"),
        ("finish.augment.crop=1.0e+308", "finish.augment.crop"),
        ("finish.augment.mixup=1.0e+308", "finish.augment.mixup"),
    ],
)
def test_absurd_amounts_are_refused_before_anything_is_counted_out(change, said):
    with pytest.raises(SpecError, match=said):
        load_spec("quickstart", (change,))
