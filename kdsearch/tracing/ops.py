"""What each operator does to channel units.

Elementwise operators tie the units that meet; operators that move data are applied to the labels; reductions drop a
dimension; products tie what they sum over. An operator that is not known freezes the units it is given: such channels
stay at full width and are named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kdsearch.tracing.calls import Call, tensors_in
from kdsearch.tracing.labels import compress
from kdsearch.tracing.meeting import meet
from kdsearch.tracing.moves import MOVES, move
from kdsearch.tracing.places import (
    add_complex_dim,
    beside,
    beside_last_two,
    drop_complex_dim,
    fold_patches,
    keep,
    keep_first,
    normalise,
    pool,
    reduce,
    unfold_patches,
)  # fmt: skip
from kdsearch.tracing.products import convolve, product, refuse
from kdsearch.tracing.units import UnitMismatchError
from kdsearch.tracing.unlabelled import carry, make_blank
from kdsearch.tracing.writing import copy, settle_write

Rule = Callable[[Call], None]


def apply_rule(call: Call) -> None:
    """Labels what an operator made; never fails: a call that a rule cannot follow freezes its units."""
    if all(call.label(tensor) is None for tensor in call.inputs):
        carry(call)
        call.scene.add_macs(call.macs)
    else:
        _follow(call)
    if call.func._schema.is_mutable:
        settle_write(call)


def _follow(call: Call) -> None:
    try:
        _rule(call.name, call.func)(call)
    except UnitMismatchError:
        raise
    except (RuntimeError, IndexError, ValueError, TypeError, AttributeError):
        refuse(call)


def _rule(name: str, func: Any) -> Rule:
    if name in MOVES:
        return move
    if name in RULES:
        return RULES[name]
    return elementwise if torch.Tag.pointwise in func.tags else refuse


def elementwise(call: Call) -> None:
    """Ties the units that meet; the output has the units of whatever operand has some."""
    operands = [tensor for tensor in call.inputs if tensor.ndim > 0]
    call.give(meet(call, operands, len(call.outputs[0].shape)))


def gate_halves(call: Call) -> None:
    """``F.glu``: the second half of a dimension opens and closes the first, channel by channel."""
    source = call.inputs[0]
    label = call.label(source)
    dim = int(call.given("dim")) % source.ndim
    if label is None or label.shape[dim] == 1:
        call.give(label)
        return
    first, second = label.chunk(2, dim)
    call.scene.ledger.tie(first, second)
    call.give(compress(first))


def make_like(call: Call) -> None:
    """A new tensor of the same size: it has the units whose number gives its size."""
    source = next(tensors_in(call.args))
    label = call.label(source)
    call.give(None if label is None or call.outputs[0].ndim != label.ndim else compress(label))


_PADS = tuple(f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3))
_POOLS = tuple(
    f"{kind}_pool{n}d" for kind in ("avg", "max", "_adaptive_avg", "adaptive_avg", "adaptive_max") for n in (1, 2, 3)
)
_UPSAMPLES = (
    *(f"{kind}{n}d" for kind in ("upsample_nearest", "_upsample_nearest_exact") for n in (1, 2, 3)),
    "upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
)  # fmt: skip
_POOLS_TOO = (
    "max_pool2d_with_indices", "max_pool3d_with_indices", "mkldnn_max_pool2d", "max_unpool2d", "max_unpool3d",
    "grid_sampler_2d", "grid_sampler_3d",
)  # fmt: skip
_REDUCTIONS = (
    "mean", "sum", "amax", "amin", "aminmax", "norm", "linalg_vector_norm", "var", "std", "prod", "max", "min",
    "var_mean", "std_mean", "logsumexp", "argmax", "argmin", "any", "all", "median", "nanmedian", "kthvalue", "mode",
)  # fmt: skip
_ALONG = (
    "sort", "topk", "cummax", "cummin", "logcumsumexp", "gather", "scatter", "scatter_add", "scatter_reduce",
    "index_fill", "index_add", "index_copy", "_fft_c2c", "_fft_r2c", "_fft_c2r",
)  # fmt: skip

RULES: dict[str, Rule] = {
    **dict.fromkeys(("clone", "detach", "alias", "_to_copy", "lift_fresh", "native_dropout", "contiguous"), keep),
    **dict.fromkeys(("_softmax", "softmax", "_log_softmax", "log_softmax", "cumsum", "cumprod", "hardswish"), keep),
    **dict.fromkeys(("fill", "zero", "_conj", "rrelu_with_noise"), keep),
    **dict.fromkeys(("log_sigmoid_forward", "rrelu_with_noise_functional"), keep_first),
    **dict.fromkeys(("masked_fill", "_prelu_kernel"), elementwise),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"), make_like),
    **dict.fromkeys(("new_zeros", "new_ones", "new_full", "new_empty"), make_blank),
    **dict.fromkeys(_REDUCTIONS, reduce),
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm"), product),
    **dict.fromkeys((*_PADS, *_POOLS, *_POOLS_TOO, *_UPSAMPLES), pool),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"), normalise),
    **dict.fromkeys(("native_layer_norm", "native_group_norm", "_fused_rms_norm"), normalise),
    **dict.fromkeys(_ALONG, beside),
    **dict.fromkeys(("tril", "triu"), beside_last_two),
    "view_as_real": add_complex_dim,
    "view_as_complex": drop_complex_dim,
    "im2col": unfold_patches,
    "col2im": fold_patches,
    "glu": gate_halves,
    "convolution": convolve,
    "copy": copy,
}
