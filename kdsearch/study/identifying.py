"""The hashes and versions by which a study is known again when its run is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdsearch.files import hash_file
from kdsearch.study.summary import versions

if TYPE_CHECKING:
    from kdsearch.study.planning import Study


def identify(study: Study) -> dict[str, Any]:
    """Its data, teacher, net and the versions that compute it; as ``rundir/identity.py`` compares them.

    The net must not have been trained since the study was planned.
    """
    from kdsearch.models.pretrained import hash_pretrained

    weights, teaching = study.spec.student.weights, study.ctx.teaching
    return {
        "data": study.task.digest,
        "teacher": "" if teaching is None else teaching.teacher.identity,
        "student_weights": "" if weights is None else hash_file(weights),
        "pretrained": hash_pretrained(study.ctx.net) if study.spec.student.pretrained else "",
        "versions": versions(),
    }
