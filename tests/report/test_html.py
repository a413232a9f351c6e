from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kdsearch.candidates.space import Choice
from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.report.figures import draw_figures
from kdsearch.report.html import read_summary, render, write_html
from kdsearch.report.notebook import chart_run, show_result
from kdsearch.report.reading import read_run
from kdsearch.rundir.ledger import Ledger
from kdsearch.rundir.pictures import keeping
from kdsearch.rundir.store import create_run, write_summary
from kdsearch.spec.metric import LIKELIHOOD
from kdsearch.spec.study_spec import load_spec
from tests.browser import CHROMIUM, QUIET
from tests.report.conftest import blank


@pytest.fixture
def run_dir(tmp_path, summary, outcomes) -> Path:
    """A run directory as the driver leaves it: study, ledger with every outcome, summary."""
    paths = create_run(load_spec("quickstart"), tmp_path / "run")
    parameters = [Choice(layer["name"], tuple(range(1, layer["full"] + 1))) for layer in summary["layers"]]
    with Ledger(paths, "journal", load_spec("quickstart").name, parameters) as ledger:
        for outcome in outcomes[:40]:
            ledger.append(outcome)
    failed = sum(outcome.state == "failed" for outcome in outcomes[:40])
    write_summary(paths, summary | {"trials": {"done": 40 - failed, "failed": failed, "cached": 0}})
    return paths.root


def open_in_browser(page: Path, scratch: Path, *options: str) -> subprocess.CompletedProcess[str]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *QUIET]
    profile = f"--user-data-dir={scratch / 'profile'}"
    # No name resolves and there is no proxy: a request for anything but the file itself would be an error in the log.
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"]
    return subprocess.run(
        [*command, profile, *offline, *options, page.as_uri()], capture_output=True, text=True, timeout=100, check=False
    )


def test_the_report_of_a_finished_run_holds_every_section(run_dir):
    page = write_html(run_dir).read_text(encoding="utf-8")
    titles = re.findall(r"<(?:h2|figcaption|summary)>(.*?)</", page)
    assert titles == [
        "Nets compared",
        "Finalists",
        "Trained nets: accuracy against MACs",
        "Trials: score against MACs",
        "Best score so far",
        "Kept channels of each layer",
        "Training of the final nets",
        "Training of the PruningNet",
        "Channels of each layer",
        "Files",
        "Lineage",
        "Commands",
    ]
    assert "40 trials" in page  # those of the ledger
    assert "kdsearch resume runs/vgg11-cifar10" in page


def test_the_page_says_what_candidates_were_ranked_by(summary, outcomes):
    assert "<dt>ranked by</dt><dd>accuracy on the validation images</dd>" in render(summary, outcomes)
    scored = [replace(each, metrics={**each.metrics, "score": -1.0}) for each in outcomes if each.state == "done"]
    summary["ranked_by"] = LIKELIHOOD.describe()
    said = "log-likelihood of the labels on the validation images"
    assert f"<dt>ranked by</dt><dd>{said}</dd>" in render(summary, scored)


def test_nothing_outside_the_file_is_named(summary, outcomes):
    page = render(summary, outcomes)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page.replace("data:,", ""))
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == [
        "data:,",
        "students/winner/model.pt",
        "students/winner/model.ptl",
        "students/winner/weights.safetensors",
    ]


ENDS = '</title></style></script><script>alert(x())</script><img src=x onerror="a">&amp;{{ 7 * 7 }}'


def hostile(words: str) -> str:
    return words + ENDS.replace("x()", f"x('{words}')")


OF_THE_SHAPE = {"schema", "state", "role", "verdict", "better", "ranked_by"}
NAMED = {"versions", "commands", "files"}


def poison(value, key: str = "", named: bool = False):
    """The part of a summary with every text in it hostile, and every name where a run may have any."""
    if isinstance(value, str):
        return value if key in OF_THE_SHAPE else hostile(value or key)
    if isinstance(value, dict):
        if key == "metric":  # its name is a key elsewhere
            named = {"name", "searched"}
            return {name: inner if name in named else poison(inner, name) for name, inner in value.items()}
        return {hostile(name) if named else name: poison(inner, name, name in NAMED) for name, inner in value.items()}
    return [poison(inner, key, named) for inner in value] if isinstance(value, list | tuple) else value


class Reader(HTMLParser):
    """The elements of a page, the values of their attributes, and all text that a reader may see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {f"{name}={value}" for name, value in attrs}

    def handle_data(self, data):
        self.text += data


def hostile_summary(summary: dict) -> dict:
    """Something in every place that shows what a user, a file or a strategy named."""
    winner = summary["students"][0]
    winner["details"] = {
        "per_class": {"accuracy": [0.9] * 10, "images": [9] * 10},
        "confusion": [[9 - (at == 0)] * 10 for at in range(10)],
    }
    summary["students"][1]["files"] = {"torchscript": "uniform.pt"}
    summary["ranked_by"] = LIKELIHOOD.describe()
    summary["exhausted"] = "all candidates were tried"
    summary["references"] = [
        {"id": "given", "role": "given", "name": "own", "metrics": {"accuracy": 0.5}, "costs": {"macs": 9}}
        | {"unmeasured": {"latency_ms": "it cannot be traced"}}
    ]
    asked = {"strategy": {"mode": "cached", "reason": "it is dear"}}
    summary["teacher"] = {"name": "teacher", "sha256": "0", "views": 1, "asked": asked}
    summary["task"] |= {"notes": ["few images"], "classes": [f"class {at}" for at in range(10)]}
    summary["proxy"] |= {"grounds": ["Was looked at"], "advice": ["Raise something"]}
    return poison(summary)


def hostile_outcomes(outcomes):
    return [
        replace(
            each,
            candidate=replace(each.candidate, origin=f"{each.candidate.origin} {hostile('origin')}"),
            metrics=each.metrics | {"score": -1.0 - each.number / 100} if each.metrics else {},
        )
        for each in outcomes
    ]


SHOWN = (
    "vgg11-cifar10; all candidates were tried; cifar10; 9f2c51e0; teacher; it is dear; few images; class 3; origin; "
    "Raise something; Was looked at; it cannot be traced; winner; random-2; kdsearch resume runs/vgg11-cifar10; "
    "resume; conv1; torch; 2.15.0; label; points; uniform widths; torchscript; students/winner/model.ptl"
)


def test_names_that_a_user_chose_are_text_everywhere(summary, outcomes):
    """Every text of the summary and the ledger, with tags, quotes, entities and a template's braces in it."""
    page, plain = Reader(), Reader()
    plain.feed(render(summary, outcomes))
    made = hostile_summary(summary)
    written = render(made, hostile_outcomes(outcomes))
    page.feed(written)
    assert "<script>alert" not in written
    assert page.tags.count("script") == plain.tags.count("script") == 1
    assert "img" not in page.tags
    assert not {each for each in page.attributes if each.startswith("on")}
    for words in SHOWN.split("; "):
        assert hostile(words) in page.text + "".join(page.attributes), words


def test_what_a_notebook_shows_of_them_is_text_too(summary, outcomes):
    made, bred = hostile_summary(summary), hostile_outcomes(outcomes)
    for written in (show_result(made), chart_run(made, bred)._repr_html_()):
        page = Reader()
        page.feed(written)
        assert not {"script", "img"} & set(page.tags)
        assert not {each for each in page.attributes if each.startswith("on")}
    inside = next(each for each in page.attributes if each.startswith("srcdoc=")).removeprefix("srcdoc=")
    page = Reader()
    page.feed(inside)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert hostile("conv1") in page.text


def test_a_chart_shows_hostile_names_as_text(summary, outcomes):
    """In the browser's own reading of SVG, too, which is XML."""
    made = hostile_summary(summary)
    drawn = [each.svg for each in draw_figures(read_run(made, hostile_outcomes(outcomes))) if each.svg]
    assert len(drawn) == 6
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        assert {node.tag for node in root.iter()} <= {"svg", "text", "title", "path", "circle", "rect", "polygon"}
    assert any(hostile("conv1") in svg for svg in map(unescape, drawn))


def test_a_run_under_way_can_be_reported_on(run_dir):
    (run_dir / "summary.json").unlink()
    page = write_html(run_dir).read_text(encoding="utf-8")
    assert "still running, or killed" in page
    assert "No student has been trained yet: the search has scored some candidates." in page
    assert "40 trials" in page


def test_a_run_that_was_stopped_early_says_what_is_missing(summary):
    page = render(blank(state="stopped", stopped="budget.minutes (1) were used up"), ())
    for sentence in (
        "budget.minutes (1) were used up",
        "no candidate has been scored",
        "No net has been trained to the end yet.",
        "No trial has been scored yet.",
        "Nothing has been exported yet.",
    ):
        assert sentence in page


def test_several_budgets_have_an_answer_each(summary, outcomes):
    second = [json.loads(json.dumps(row)) for row in summary["students"][:2]]
    for row in second:
        row["budget"] = row["lineage"]["budget"] = 1
        row["id"] += "-1"
    summary["students"] += second
    summary["budgets"].append({"macs": [1, 80_000_000]})
    page = render(summary, outcomes)
    assert page.count("Was the search worth it?") == 2
    assert page.count("Can the score be believed?") == 1
    assert "Kept channels of each layer, budget 2" in page


@pytest.mark.parametrize("content", ["not json", '{"schema": 2}', "[]"])
def test_a_damaged_summary_is_one_line(run_dir, content):
    (run_dir / "summary.json").write_text(content)
    with pytest.raises(StoreError, match=r"summary\.json"):
        write_html(run_dir)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="not a run directory"):
        write_html(tmp_path)


def test_the_summary_so_far_names_net_data_and_how_to_go_on(run_dir):
    (run_dir / "summary.json").unlink()
    (RunPaths(run_dir).prepared / "prepared.json").write_text('{"history": [{"epoch": 1, "loss": 2.0}]}')
    so_far = read_summary(run_dir)
    spec = load_spec("quickstart")
    assert (so_far["name"], so_far["net"], so_far["state"]) == (spec.name, spec.student.label, "running")
    assert so_far["prepared"]["history"] == [{"epoch": 1, "loss": 2.0}]
    assert so_far["commands"]["resume"].startswith("kdsearch resume ")


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_a_browser_shows_the_figures_without_an_error_or_a_request(run_dir, tmp_path):
    keeping(RunPaths(run_dir), "bank")(1, b"\x89PNG")
    page = write_html(run_dir)
    shown = open_in_browser(page, tmp_path, "--dump-dom")
    assert shown.returncode == 0, shown.stderr
    for figure in ("91.3 ± 0.4 %", "74.6 M", "+1.5 points", "2.44 ms", "3 min 32 s"):
        assert figure in shown.stdout
    assert 'src="data:image/png;base64,iVBORw==" alt="bank, evaluation 1"' in shown.stdout
    # The script ran: it moved the marks' titles into attributes, and the policy let it.
    assert "conv1: 48 of 64 channels" in re.findall(r'data-tip="([^"]*)"', shown.stdout)
    assert "<title>conv1" not in shown.stdout
    assert not re.search(r"CONSOLE|Refused|ERR_|Uncaught", shown.stderr), shown.stderr


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_a_browser_would_tell_if_something_were_wrong_with_the_page(run_dir, tmp_path):
    page = write_html(run_dir)
    broken = page.read_text(encoding="utf-8").replace('"use strict";', '"use strict"; missing();')
    page.write_text(broken.replace("<header>", '<img src="https://example.org/x.png"><header>'), encoding="utf-8")
    shown = open_in_browser(page, tmp_path, "--dump-dom")
    assert re.search(r"CONSOLE|Refused|ERR_|Uncaught", shown.stderr)
    assert "data-tip" not in re.sub(r"<script>.*?</script>", "", shown.stdout, flags=re.DOTALL)


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_is_no_wider_than_a_phone_or_a_desk(run_dir, tmp_path, width):
    page = write_html(run_dir)
    text = page.read_text(encoding="utf-8")
    probe = "<script>document.title = document.documentElement.scrollWidth + ' of ' + innerWidth</script></body>"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace("</body>", probe)
    framed = tmp_path / "framed.html"
    page.write_text(text, encoding="utf-8")
    # A window cannot be as narrow as a phone: the page is put in a frame that is.
    tell = 'onload="document.title = this.contentDocument.title"'
    framed.write_text(f'<iframe src="{page.as_uri()}" width="{width}" height="700" {tell}></iframe>', encoding="utf-8")
    shown = open_in_browser(framed, tmp_path, "--dump-dom", "--allow-file-access-from-files", "--window-size=1400,900")
    found = re.search(r"<title>(\d+) of (\d+)</title>", shown.stdout)
    assert found, shown.stdout[:500]
    assert int(found[1]) <= int(found[2]) == width
