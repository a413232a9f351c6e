"""How large an exported file is beside its weights, so that a limit on bytes holds for what is delivered."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch import registry
from kdsearch.costs import FILE_SIZE
from kdsearch.errors import ExportError
from kdsearch.exporters.base_manifest import Manifest, to_json
from kdsearch.files import reason
from kdsearch.spec.exported_file import MANIFEST

if TYPE_CHECKING:
    from kdsearch.candidates.space import Windows
    from kdsearch.exporters.base import Exporter
    from kdsearch.spec.plugins import ExporterPlugin
    from kdsearch.tasks.base import Task
    from kdsearch.widths.space import WidthSpace

_ABOUT = 4096  # bytes allowed for what a manifest says only at the end: latency, lineage, versions
_PER_SEED = 64


def file_overhead(widths: WidthSpace, task: Task, exports: Sequence[ExporterPlugin], seeds: int) -> int:
    """The most bytes by which a file exceeds the weights in closed form, of the narrowest and of the whole net.

    Each is exported once in every format, untrained. Code, headers and alignment depend on the net's layers and hardly
    on their widths, and folded batch norms make wide nets smaller than the closed form: no width in between exceeds
    both by more than the allowance for what the manifest will say.

    Raises:
        ExportError: the net cannot be written in one of the formats, or there is no space to try.
    """
    most = 0
    for gene in (widths.smallest, widths.full):
        about = Manifest(task.image_shape, task.mean, task.std, task.classes, widths=gene.widths)
        for plugin in exports:
            exporter: Exporter = registry.find("kdsearch.exporters", plugin.name)(plugin.options)
            try:
                size = _largest(exporter, widths, about)
            except OSError as error:
                raise ExportError(f"{tempfile.gettempdir()}: no net can be exported to try: {reason(error)}") from None
            most = max(most, size - widths.costs(gene)[FILE_SIZE] + widths.overhead_bytes)
    return most + _ABOUT + _PER_SEED * seeds if exports else 0


def _largest(exporter: Exporter, widths: WidthSpace, about: Manifest) -> int:
    """Bytes of the largest file that an exporter writes of an untrained net of these widths."""
    import torch

    from kdsearch.candidates.space import Candidate
    from kdsearch.cost.deployed import Deployed

    net = Deployed(widths.build(Candidate.of(about.widths)), about.mean, about.std)
    example_BCHW = torch.zeros(1, *about.image_shape)
    sizes = []
    converted = exporter.convert(net, example_BCHW, exporter.formats()[0].file_name)
    with tempfile.TemporaryDirectory(prefix="kdsearch-") as folder:
        for form in exporter.formats():
            path = Path(folder, form.file_name)
            exporter.write(converted, path, {MANIFEST: to_json(about.describe(form.name, {}))})
            sizes.append(path.stat().st_size)
    return max(sizes)


def check_files(files: Sequence[Path], windows: Windows) -> int | None:
    """Bytes of the largest of these files, None of none.

    Raises:
        ExportError: it exceeds the budget's limit on bytes.
    """
    if not files:
        return None
    largest = max(files, key=lambda path: path.stat().st_size)
    size = largest.stat().st_size
    for window in windows:
        if window.cost == FILE_SIZE and size > window.high:
            raise ExportError(
                f"{largest}: has {size:,} bytes, limits.size_bytes allows {int(window.high):,}; lower the limit by the "
                "difference and launch the study anew"
            )
    return size
