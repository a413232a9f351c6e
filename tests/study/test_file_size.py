"""Limits on bytes hold for the files that are delivered, small nets included."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.candidates.space import Window
from kdsearch.errors import ExportError
from kdsearch.exporters.base_manifest import Manifest
from kdsearch.spec.plugins import ExporterPlugin
from kdsearch.study.file_size import _largest, check_files, file_overhead
from tests.toys import make_task, make_toy, toy_widths

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]
EXPORTS = (ExporterPlugin.of("torchscript"),)


def test_no_files_of_any_gene_exceeds_what_is_counted_for_it():
    task, widths = make_task(), toy_widths(make_toy())
    widths.overhead_bytes = file_overhead(widths, task, EXPORTS, seeds=3)
    assert widths.overhead_bytes > 4096
    rng = np.random.default_rng(0)
    exporter = EXPORTS[0].find()(EXPORTS[0].options)
    for gene in (widths.smallest, widths.full, widths.uniform(0.5), *(widths.draw_scales(rng) for _ in range(3))):
        about = Manifest(
            task.image_shape,
            task.mean,
            task.std,
            task.classes,
            widths=gene.widths,
            costs={"macs": 10**6, "parameters": 10**5, "size_bytes": 10**5, "latency_ms": 0.123456789},
            lineage={"versions": "x" * 1000, "seeds": {str(at): 0.123456789 for at in range(3)}},
        )
        size, counted = _largest(exporter, widths, about), widths.costs(gene)["size_bytes"]
        assert size <= counted
        assert counted - size < 8192
        assert size > 1.3 * (counted - widths.overhead_bytes)  # what the closed form alone would have let through


def test_a_file_above_its_limit_is_not_delivered(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(bytes(1001))
    assert check_files([path], (Window("macs", None, 1.0), Window("size_bytes", None, 1001))) == 1001
    assert check_files([], (Window("size_bytes", None, 1),)) is None
    with pytest.raises(ExportError, match=r"model\.pt: has 1,001 bytes, limits\.size_bytes allows 1,000; lower"):
        check_files([path], (Window("size_bytes", None, 1000),))
