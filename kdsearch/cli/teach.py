"""teach: trains a teacher by its card's recipe."""

from __future__ import annotations

import argparse
import sys

from kdsearch.cli.output import remark, say, say_json
from kdsearch.spec.metric import ACCURACY


def teach(given: argparse.Namespace) -> int:
    """Trains, or goes on with a training that was stopped, and says where the completed card is."""
    from kdsearch.report.console import live
    from kdsearch.report.words import say_duration
    from kdsearch.spec.teacher_card import read_card

    card = read_card(given.card, given.sets)
    from kdsearch.study.teach import teach as train  # seconds of imports, not for a card with a mistake

    try:
        with live(sys.stderr, quiet=given.quiet) as watch:
            taught = train(card, given.run_dir, watch)
    except KeyboardInterrupt:
        remark("the same command again goes on where this one stopped")
        raise
    done = taught.card
    if given.json:
        metrics = done.metrics.model_dump()
        files = {"card": str(taught.card_path), "weights": str(done.weights), "sha256": done.sha256}
        say_json({"name": done.name, **files, "metrics": metrics, "seconds": taught.seconds})
        return 0
    for part, accuracy in (("test", done.metrics.accuracy), ("validation", done.metrics.validation_accuracy)):
        say(f"{ACCURACY.words} on the {part} images: {ACCURACY.say(accuracy or 0.0)}")
    say(f"trained in {say_duration(taught.seconds)}; in a study: teacher: {taught.card_path}")
    return 0
