"""The images of a study without data: generated once, by the driver, before anything is learned from them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kdsearch.errors import DataError
from kdsearch.files import cache_dir
from kdsearch.progress import Progress, Watch
from kdsearch.records import PictureMade
from kdsearch.rundir.pictures import keep_picture, keeping
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.study.normalising import normalise_for
from kdsearch.study.placeholders import read_input
from kdsearch.study.planning import check_batches, check_parity
from kdsearch.study.summary import versions

if TYPE_CHECKING:
    from kdsearch.data.stored_bank import StoredBank
    from kdsearch.datafree.bank import Bank
    from kdsearch.spec.synthesis_sections import SynthesisOptions
    from kdsearch.study.planning import Study
    from kdsearch.tasks.base import Part, Task

_log = logging.getLogger(__name__)
PICTURE = "bank"
"""What the picture of a study's generated images is filed under."""
_DRAWN = 4096  # images that are looked through for those of each class


def generate_images(study: Study, watch: Watch) -> Study:
    """The study with its images, if it has none of its own: those of its bank, which is made now unless it is there.

    Of generated images, also another run's, some are kept as a picture, for the report.

    Raises:
        KdsearchError: the synthesis failed, or what it made does not do for the study.
    """
    filled = _fill_checked(study, watch) if study.spec.task.generates else study
    if filled.task.generated:
        keep_picture(filled.ctx.paths, PictureMade(PICTURE, 1, draw_images(filled.ctx.task)))
    return filled


def _fill_checked(study: Study, watch: Watch) -> Study:
    """The study with its images, once they have been found to do for it."""
    from kdsearch.study.references import check_references

    filled = fill_task(study, _read_made(study) or _make_bank(study, watch))
    device = filled.ctx.device
    check_batches(filled.spec, len(filled.task.images("train")))
    check_parity(filled.spec, filled.task, filled.ctx.widths, device)
    check_references(filled)
    return filled


def draw_images(task: Task) -> bytes:
    """A PNG of generated images of each class, with how sure the teacher is of it under each."""
    from kdsearch.datafree.pictures import Block, draw_grid

    blocks = []
    parts: tuple[tuple[Part, str], ...] = (("train", "to learn from"), ("validation", "to search with"))
    for part, title in parts:
        images = task.images(part)
        assert images.targets_NC is not None
        blocks.append(Block(title, images.images_NCHW[:_DRAWN], images.targets_NC[:_DRAWN].log()))
    return draw_grid(blocks, task.classes)


def synthesis_seconds(study: Study, count: int) -> float:
    """Forecast of what generating the images takes, from ``count`` timed steps; none of a study that has its own."""
    from kdsearch.datafree.making import make_synthesis
    from kdsearch.training.rehearsal import epoch_seconds

    if not study.spec.task.generates:
        return 0.0
    options, teaching = _options(study), study.ctx.teaching
    assert teaching is not None
    learner = make_synthesis(teaching.teacher, study.task.image_shape, options, study.spec.seed)
    return epoch_seconds(learner, options.steps * options.batch_size, study.ctx.device, count)


def fill_task(study: Study, bank: StoredBank) -> Study:
    """The study with the bank's images in place of those that stood in for them."""
    from kdsearch.data.generated import bank_dataset

    spec, options = study.spec, study.spec.task.options
    assert isinstance(options, TaskOptions)
    kind: Any = spec.task.find()
    made: Task = kind(options, bank_dataset(bank, options, cache_dir=cache_dir(), seed=spec.seed))
    task = normalise_for(spec.student, made)
    return replace(study, task=task, ctx=replace(study.ctx, task=task.without_test()))


def _read_made(study: Study) -> StoredBank | None:
    """The bank that an earlier start of the run left, if it is whole; else a warning, as it can be made again."""
    from kdsearch.data.stored_bank import has_bank, read_bank

    folder = study.ctx.paths.bank
    if not has_bank(folder):
        return None
    try:
        return read_bank(folder)
    except DataError as damage:
        _log.warning("%s; its images are generated again", str(damage).rpartition("; ")[0])
        return None


def _make_bank(study: Study, watch: Watch) -> StoredBank:
    """The bank, made while no real image can be opened, and written down."""
    from kdsearch.datafree.guard import guarding
    from kdsearch.datafree.making import synthesise
    from kdsearch.training.loop import Setting

    ctx = study.ctx
    assert ctx.teaching is not None
    watch(Progress("prepare", 0, 0, f"generating images from {ctx.teaching.teacher.name}"))
    checkpoint, show = ctx.paths.checkpoints / "bank.pt", keeping(ctx.paths, "synthesis")
    note = "generated images"
    setting = Setting(study.spec.seed, ctx.device, checkpoint, watch, "prepare", note, show=show)
    with guarding(ctx.data_roots):
        made = synthesise(ctx.teaching.teacher, study.task.image_shape, _options(study), setting)
    bank = _keep(study, made)
    for left in checkpoint.parent.glob(f"{checkpoint.name}*"):  # the checkpoint and its backup
        left.unlink()
    return bank


def _keep(study: Study, made: Bank) -> StoredBank:
    """The bank as it is written into the run directory, with where its images came from."""
    from kdsearch.data.stored_bank import StoredPart, save_bank
    from kdsearch.datafree.bank import PARTS

    teaching = study.ctx.teaching
    assert teaching is not None
    teacher = teaching.teacher
    provenance = {
        "teacher": {"name": teacher.name, "sha256": teacher.sha256, "identity": teacher.identity},
        "options": _options(study).model_dump(mode="json"),
        "seed": study.spec.seed,
        "versions": versions(),
        "images_made": made.seen,
    }
    parts: dict[str, StoredPart] = {part: StoredPart(*made.part(part)) for part in PARTS}
    assert study.spec.teacher is not None
    read = read_input(study.spec.teacher)
    return save_bank(
        study.ctx.paths.bank, parts, classes=teacher.classes, mean=read.mean, std=read.std, provenance=provenance
    )


def _options(study: Study) -> SynthesisOptions:
    options = study.spec.task.options
    assert isinstance(options, TaskOptions)
    assert options.synthesis is not None
    return options.synthesis
