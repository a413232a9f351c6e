from __future__ import annotations

import pytest

from kdsearch.errors import ExportError
from kdsearch.exporters.base_file import load_file


def test_a_format_that_nobody_here_writes_is_named(tmp_path):
    with pytest.raises(ExportError, match="is of format nnef, which no exporter here knows"):
        load_file(tmp_path / "net.nnef", "nnef")
