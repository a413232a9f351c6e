"""Compact nets: plain modules of a gene's sizes, which need no kdsearch to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdsearch.tracing.copying import copy_net
from kdsearch.widths.crop import Crop
from kdsearch.widths.layout import Layout


def build_compact(layout: Layout, crop: Crop, tensors: Mapping[str, Tensor] | None = None) -> nn.Module:
    """A copy of the net with tensors and remembered sizes of this crop; weights from full ``tensors`` or the net's."""
    own = layout.slots.tensors()
    memo: dict[int, Any] = {}
    for name, tensor in own.items():
        source = tensor if tensors is None else tensors.get(name, tensor)
        cropped = crop.take(name, source.detach()).clone(memory_format=torch.contiguous_format)
        is_parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(cropped, tensor.requires_grad) if is_parameter else cropped
    compact = copy_net(layout.net, memo)
    for held, name, value in layout.settings(compact, np.array(crop.kept, dtype=np.int64)):
        held[name] = value
    return compact
