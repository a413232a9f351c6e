"""The grammar of the command line: every command, its arguments and what is said about them."""

from __future__ import annotations

import argparse
from pathlib import Path

from kdsearch import registry
from kdsearch.cli.parser import ONE_OF, Parser, Version

_STUDY = "a study file, or the name of a shipped study (see 'kdsearch list')"
_RUN = "a run directory, or the name of one under runs/"


def make_parser() -> Parser:
    """The parser of the whole command line; ``call`` of what it reads names the function that does the work."""
    parser = Parser(
        prog="kdsearch",
        usage="kdsearch COMMAND [options]",
        description="Finds the best compact student of a CNN under a budget.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar=ONE_OF, required=True, prog="kdsearch")
    _add_study_commands(commands)
    _add_run_commands(commands)
    _add_many_runs_commands(commands)
    _add_other_commands(commands)
    return parser


def _add(commands: argparse._SubParsersAction[Parser], name: str, call: str, about: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about[:1].upper() + about[1:] + ".")
    parser.set_defaults(call=f"kdsearch.cli.{call}", command=parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more on standard error")
    return parser


def _add_study_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    launch = _add(commands, "launch", "studies:launch", "run a study: search, train, export, report")
    _add_study(launch)
    launch.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="where results go (default: runs/NAME, or runs/NAME-2 ...)"
    )
    launch.add_argument(
        "--dry-run", action="store_true", help="print the resolved study and a forecast; run and write nothing"
    )
    launch.add_argument("--quiet", action="store_true", help="show no progress")
    resume = _add(commands, "resume", "studies:resume", "go on with a run that was stopped")
    resume.add_argument("run", metavar="RUN", help=_RUN)
    resume.add_argument("--quiet", action="store_true", help="show no progress")
    _add_study(_add(commands, "validate", "studies:validate", "check a study file and name every mistake"))
    teach = _add(commands, "teach", "teach:teach", "train a teacher by its card's recipe, or go on with it")
    _add_card(teach)
    teach.add_argument("--from", dest="weights", type=Path, metavar="FILE", help="make a card of a checkpoint instead")
    teach.add_argument("--like", metavar="NET", help="the net that FILE is of: a name, or a card of such a net")
    teach.add_argument("--on", metavar="STUDY", help="the study whose images FILE knows and is measured on")
    for key in ("mean", "std"):
        said = f"{key} of pixels in 0..1 that FILE was trained with, one a channel"
        teach.add_argument(f"--{key}", type=float, nargs="+", metavar="X", help=said)
    keys = _add(commands, "keys", "keys:keys", "every key of a study, its default and what it may be")
    keys.add_argument("section", nargs="?", metavar="SECTION", help="only these, such as student or finish")
    init = _add(commands, "init", "studies:init", "copy a shipped study, to edit it")
    init.add_argument("name", metavar="NAME", help="a shipped study (see 'kdsearch list')")
    init.add_argument("--to", type=Path, metavar="FILE", help="the copy (default: NAME.yaml here)")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more (got {text})")
    return number


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help=_STUDY)
    _add_sets(parser, "strategy.epochs=8 or 'limits.macs=[50%%, 25%%]'")


def _add_card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("card", metavar="CARD", nargs="?", help="a teacher's card, or the name of a shipped one")
    _add_sets(parser, "task.npz=/data/cifar10.npz or recipe.epochs=8")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="where results go (default: runs/teach-NAME)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _add_sets(parser: argparse.ArgumentParser, examples: str) -> None:
    change = f"change a value, such as {examples}; may be repeated"
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE", help=change)


def _add_run_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    for name, module, about in (
        ("status", "runs", "how far a run is and what it has found"),
        ("report", "runs", "write a run's report.html"),
        ("trials", "trials", "every candidate that a run has tried: figures, costs, genes"),
        ("export", "exporting", "write a run's student as files of a runtime"),
        ("dashboard", "dashboard", "show a run's trials in optuna-dashboard"),
    ):
        parser = _add(commands, name, f"{module}:{name}", about)
        parser.add_argument("run", metavar="RUN", help=_RUN)
        if name == "export":
            parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where the files go")
            parser.add_argument("--format", default="torchscript", metavar="FORMAT", help="default: torchscript")
            parser.add_argument("--student", metavar="ID", help="which one (default: the winner)")
            parser.add_argument("--force", action="store_true", help="replace the files of another student in DIR")
        if name == "trials":
            parser.add_argument("--csv", action="store_true", help="print every figure and gene as CSV")
        if name == "dashboard":
            parser.add_argument("--port", type=int, default=8080, help="default: 8080")


def _add_many_runs_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    predict = _add(commands, "predict", "predicting:predict", "say what an exported student sees in images")
    predict.add_argument("student", metavar="RUN|FILE", help=f"{_RUN}; or an exported file, such as model.ptl")
    predict.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files, or folders of them")
    predict.add_argument("--student", dest="named", metavar="ID", help="which one of RUN (default: the winner)")
    predict.add_argument("--top", type=_positive, default=1, metavar="N", help="the N likeliest classes (default: 1)")
    predict.add_argument("--csv", action="store_true", help="print a table with a head as CSV")
    compare = _add(commands, "compare", "comparing:compare", "the students of several runs side by side")
    compare.add_argument(
        "runs", nargs="+", metavar="RUN", help=f"two or more: {_RUN}; the first is what others are set against"
    )
    remove = _add(commands, "rm", "removal:rm", "delete run directories")
    remove.add_argument("runs", nargs="+", metavar="RUN", help=_RUN)
    remove.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _add_other_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    _add(commands, "list", "listing:list_all", "your runs, and the studies and teachers that come with kdsearch")
    _add(commands, "doctor", "doctor:doctor", "versions, threads, memory, disk and optional parts of this installation")
    complete = _add(commands, "completion", "completion:completion", "print what a shell needs to complete commands")
    said = 'bash, zsh or fish; in bash and zsh: eval "$(kdsearch completion bash)"'
    complete.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help=said)
    bench = _add(commands, "bench", "bench:bench", "measure a claim of the documentation on this machine")
    suites = registry.available("kdsearch.bench")
    bench.add_argument("suite", choices=suites, metavar="SUITE", help=", ".join(suites))
    bench.add_argument("--set", action="append", default=[], dest="sets", metavar="NAME=VALUE", help="an option of it")
