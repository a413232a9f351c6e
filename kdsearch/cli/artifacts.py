"""A run's pictures as Optuna's dashboard asks for artifacts: to be read only."""

from __future__ import annotations

from typing import BinaryIO

from kdsearch.records import RunPaths
from kdsearch.rundir.pictures import find_picture


class PictureStore:
    """Optuna's protocol of artifact stores over the files that the run's driver has written."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths

    def open_reader(self, artifact_id: str) -> BinaryIO:
        from optuna.artifacts.exceptions import ArtifactNotFound

        try:
            return find_picture(self._paths, artifact_id).open("rb")
        except (ValueError, FileNotFoundError):
            raise ArtifactNotFound(f"{artifact_id}: the run has no such picture (any more)") from None

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        raise PermissionError(f"{artifact_id}: the dashboard only shows a run ({content_body} is not kept)")

    def remove(self, artifact_id: str) -> None:
        raise PermissionError(f"{artifact_id}: the dashboard only shows a run, it deletes nothing")
