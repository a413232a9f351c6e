"""launch, resume, validate, init: commands on studies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.cli.output import remark, say, say_json
from kdsearch.errors import SpecError
from kdsearch.quoting import say_command

if TYPE_CHECKING:
    from kdsearch.rundir.summary import Summary
    from kdsearch.spec.study_spec import StudySpec

_CODES = {"done": 0, "stopped": 3}


def launch(given: argparse.Namespace) -> int:
    """Runs a study, or says what running it would take."""
    from kdsearch.spec.idle import idle_options
    from kdsearch.spec.study_spec import load_document

    spec, document = load_document(given.study, given.sets)
    if given.dry_run:
        return _dry_run(spec, given.json)
    if missing := missing_files(spec, document):
        raise SpecError("\n".join(missing))
    for line in idle_options(spec, document):
        remark(line)
    from kdsearch.study.run import run_study  # seconds of imports, not for a study with a mistake

    with watching(given, spec) as watch:
        summary = run_study(spec, given.run_dir, watch)
    return _finish(summary, given.json)


def resume(given: argparse.Namespace) -> int:
    """Goes on with a run; one that is done says so and does nothing."""
    from kdsearch.cli.finding import find_run
    from kdsearch.rundir.store import open_run, read_spec

    run_dir = find_run(given.run)
    from kdsearch.study.run import resume_study  # seconds of imports, not for a name mistyped

    with watching(given, read_spec(open_run(run_dir))) as watch:
        summary = resume_study(run_dir, watch)
    return _finish(summary, given.json)


def validate(given: argparse.Namespace) -> int:
    """Checks a study file without reading its data; remarks on files that are not there and options without effect."""
    from kdsearch.spec.idle import idle_options
    from kdsearch.spec.study_spec import load_document

    try:
        spec, document = load_document(given.study, given.sets)
    except SpecError as error:
        if not given.json:
            raise
        remark(str(error))
        mistakes = str(error).splitlines()
        say_json({"study": str(given.study), "valid": False, "mistakes": mistakes, "error": str(error)})
        return error.exit_code
    missing, idle = missing_files(spec, document), idle_options(spec, document)
    if given.json:
        found = {"missing_files": missing, "without_effect": idle, "spec": spec.model_dump(mode="json")}
        say_json({"study": str(given.study), "valid": True} | found)
        return 0
    for line in (*missing, *idle):
        remark(line)
    say(f"{given.study}: a valid study" + ("; launch needs the files above" if missing else ""))
    return 0


def init(given: argparse.Namespace) -> int:
    """Copies a shipped study with its comments; never over a file that is there."""
    from kdsearch.spec.sources import find_shipped

    source = find_shipped(given.name)
    target: Path = given.to or Path(source.name)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise SpecError(f"{target}: is there already; name another file with --to") from None
    except OSError as error:
        raise SpecError(f"{target}: cannot be written: {error.strerror}; name another file with --to") from None
    if given.json:
        say_json({"study": str(target.absolute()), "from": source.name})
    else:
        say(f"{target}: edit it, then: {say_command('launch', target)}")
    return 0


def missing_files(spec: Any, document: Any) -> list[str]:
    """One line for each file or folder that the study names and that is not there."""
    from kdsearch.spec.study_spec import files_named
    from kdsearch.spec.yaml import dotted

    return [
        f"{document.place(key)}: {dotted(key)}: {path} does not exist"
        for key, path in files_named(spec)
        if not path.exists()
    ]


def _dry_run(spec: Any, as_json: bool) -> int:
    from kdsearch.study.forecast import dry_run

    forecast = dry_run(spec)
    if as_json:
        say_json(forecast)
    else:
        from kdsearch.report.console import print_dry_run

        say(forecast["study"])  # the resolved study, as a file that launch takes
        print_dry_run({key: value for key, value in forecast.items() if key != "study"})
    return 0


def watching(given: argparse.Namespace, spec: StudySpec) -> Any:
    """A watch on standard error that tells figures in the words and the unit of the study's task."""
    from kdsearch.report.console import live

    return live(sys.stderr, quiet=given.quiet, metric=spec.task.metric.on_validation)


def _finish(summary: Summary, as_json: bool) -> int:
    if as_json:
        say_json(summary)
    else:
        from kdsearch.report.console import print_summary

        print_summary(summary)
    return _CODES.get(str(summary["state"]), 1)
