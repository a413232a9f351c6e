"""The weights that timm and torchvision publish for a net, from their hubs or from what was fetched of them before."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from kdsearch.errors import SpecError, first_line
from kdsearch.models.checkpoints import UNREADABLE, fill_net, head_names
from kdsearch.spec.sections import StudentOptions
from kdsearch.weights import hash_weights

log = logging.getLogger(__name__)

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads that only training reads, which the nets here have none of
_CACHES = {"timm": "HF_HOME, by default ~/.cache/huggingface", "torchvision": "TORCH_HOME, by default ~/.cache/torch"}


def make_pretrained_timm(name: str, num_classes: int, in_channels: int) -> nn.Module:
    """timm's net with its published weights; the classifier is fresh for another number of classes.

    Raises:
        SpecError: there are none, or they can be had neither from the hub nor from its cache.
    """
    import timm

    if not timm.is_model_pretrained(name):
        raise SpecError(f"student.pretrained: timm has no weights of {name}; {_others(timm.list_pretrained(), name)}")
    try:
        net: nn.Module = timm.create_model(name, pretrained=True, num_classes=num_classes, in_chans=in_channels)
    except UNREADABLE as error:
        raise _unreachable("timm", name, error) from error
    if not keeps_head(StudentOptions(timm=name), num_classes):
        _tell_of_head(name, net)
    return net


def fill_torchvision(net: nn.Module, name: str, in_channels: int) -> None:
    """Gives torchvision's net its published weights; the classifier stays fresh for another number of classes.

    Raises:
        SpecError: there are none for such images, or they can be had neither from the hub nor from its cache.
    """
    weights = _torchvision_weights(name)
    if in_channels != 3 and hasattr(net, "transform_input"):
        raise SpecError(
            f"student.pretrained: {name} takes the three colours apart; set task.channels: 3, or name another net"
        )
    try:
        given: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except UNREADABLE as error:
        raise _unreachable("torchvision", name, error) from error
    kept = {key: value for key, value in given.items() if not key.startswith(_AUXILIARY)}
    fill_net(net, _fitted(net, kept, in_channels), f"student.pretrained: {name}")


def match_input(net: nn.Module, options: StudentOptions) -> None:
    """Has the net normalise its input once more, inside, where the published weights were trained so."""
    if options.pretrained and hasattr(net, "transform_input"):
        net.transform_input = True  # type: ignore[assignment]  # GoogLeNet and Inception v3


def published_normalisation(options: StudentOptions, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation, one a channel, of pixels in 0..1, by which the published weights read images.

    For another number of channels than they were trained on: the average over the colours, for all.
    """
    if options.timm is not None:
        import timm

        published = timm.models.get_pretrained_cfg(options.timm)
        if published is None:
            raise SpecError(f"student.timm: no net is called {options.timm}")
        mean, std = tuple(published.mean), tuple(published.std)
    else:
        shown = _torchvision_weights(str(options.torchvision)).transforms()
        mean, std = tuple(shown.mean), tuple(shown.std)
    if len(mean) == channels:
        return mean, std
    return (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels


def keeps_head(options: StudentOptions, num_classes: int) -> bool:
    """Whether the published classifier is for as many classes."""
    if options.timm is not None:
        import timm

        published = timm.models.get_pretrained_cfg(options.timm)
        return published is not None and published.num_classes == num_classes
    return len(_torchvision_weights(str(options.torchvision)).meta["categories"]) == num_classes


def hash_pretrained(net: nn.Module) -> str:
    """The SHA-256 of what was published of the net as it was made: all but its classifier, which may be fresh."""
    head = head_names(net)
    return hash_weights({name: value for name, value in net.state_dict().items() if name not in head})


def _torchvision_weights(name: str) -> Any:
    import torchvision

    published = list(torchvision.models.get_model_weights(name))
    if not published:
        raise SpecError(f"student.pretrained: torchvision has no weights of {name}; leave pretrained out")
    return torchvision.models.get_model_weights(name).DEFAULT


def _fitted(net: nn.Module, given: Mapping[str, Tensor], in_channels: int) -> dict[str, Tensor]:
    """The tensors with the first convolution's weight for so many channels, by timm's rule, so that sums stay."""
    from timm.models import adapt_input_conv

    first = next(name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)) + ".weight"
    return {**given, first: adapt_input_conv(in_channels, given[first])}


def _tell_of_head(name: str, net: nn.Module) -> None:
    log.warning(
        "student.pretrained: %s is for another number of classes; %s stay untrained",
        name,
        " and ".join(head_names(net)),
    )


def _unreachable(library: str, name: str, error: Exception) -> SpecError:
    return SpecError(
        f"student.pretrained: the weights of {name} can be had neither from {library}'s hub nor from its cache "
        f"({_CACHES[library]}): {first_line(error)}; go online, put the cache of another machine there, or name a file "
        "by student.weights"
    )


def _others(known: list[str], name: str) -> str:
    near = [each for each in known if each.startswith(name.partition("_")[0])]
    return f"it has those of {', '.join(near[:3] or known[:3])}, ..; name such a net, or leave pretrained out"
