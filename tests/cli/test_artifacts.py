import io

import pytest

from kdsearch.cli.artifacts import PictureStore
from kdsearch.records import RunPaths
from kdsearch.rundir.pictures import keeping, name_trial

exceptions = pytest.importorskip("optuna.artifacts.exceptions")


def test_a_picture_is_read_and_nothing_is_written_or_deleted(tmp_path):
    keeping(RunPaths(tmp_path), name_trial(10))(1, b"png")
    store = PictureStore(RunPaths(tmp_path))
    with store.open_reader("a-1") as file:
        assert file.read() == b"png"
    with pytest.raises(PermissionError, match="only shows"):
        store.write("a-2", io.BytesIO())
    with pytest.raises(PermissionError, match="deletes nothing"):
        store.remove("a-1")


@pytest.mark.parametrize("name", ["a-2", "a", "-", "a-1-1"])
def test_what_is_not_there_is_said_to_be_missing(tmp_path, name):
    with pytest.raises(exceptions.ArtifactNotFound, match="no such picture"):
        PictureStore(RunPaths(tmp_path)).open_reader(name)
