"""teach: trains a teacher by its card's recipe."""

from __future__ import annotations

import argparse
import sys

from kdsearch.cli.output import remark, say, say_json
from kdsearch.errors import SpecError


def teach(given: argparse.Namespace) -> int:
    """Trains, or goes on with a training that was stopped, and says where the completed card is."""
    if given.weights is not None:
        return _make_card(given)
    if given.card is None:
        raise SpecError("teach: name a CARD, or --from FILE --like NET --on STUDY")
    from kdsearch.report.console import live
    from kdsearch.report.words import say_duration
    from kdsearch.spec.teacher_card import read_card

    card = read_card(given.card, given.sets)
    from kdsearch.study.teach import teach as train  # seconds of imports, not for a card with a mistake

    try:
        with live(sys.stderr, quiet=given.quiet, metric=card.metric) as watch:
            taught = train(card, given.run_dir, watch)
    except KeyboardInterrupt:
        remark("the same command again goes on where this one stopped")
        raise
    done = taught.card
    if given.json:
        metrics = dict(done.metrics)
        files = {"card": str(taught.card_path), "weights": str(done.weights), "sha256": done.sha256}
        say_json({"name": done.name, **files, "metrics": metrics, "seconds": taught.seconds})
        return 0
    metric = card.metric
    for part, key in (("test", metric.name), ("validation", metric.validation)):
        say(f"{metric.words} on the {part} images: {metric.say(done.metrics[key])}")
    say(f"trained in {say_duration(taught.seconds)}; in a study: teacher: {taught.card_path}")
    return 0


def _make_card(given: argparse.Namespace) -> int:
    """Makes a card of a checkpoint and says where it is."""
    if given.card is not None or given.like is None or given.on is None:
        raise SpecError("teach --from FILE: needs --like NET and --on STUDY, and no CARD")
    from kdsearch.spec.study_spec import load_spec
    from kdsearch.spec.teacher_card import read_card

    study = load_spec(given.on, given.sets)
    from kdsearch.study.teach_from import Brought, make_card

    numbers = [None if values is None else tuple(values) for values in (given.mean, given.std)]
    path = make_card(Brought(given.weights, given.like, *numbers), study, given.run_dir)
    metric, metrics = study.task.metric, read_card(path).metrics
    if given.json:
        say_json({"card": str(path), "metrics": dict(metrics)})
        return 0
    say(f"{metric.words} on the validation images: {metric.say(metrics[metric.validation])}")
    say(f"in a study: teacher: {path}")
    return 0
