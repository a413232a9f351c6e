"""The caches of timm's and torchvision's hubs, filled with random weights: the libraries read them as if fetched."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from kdsearch.spec.sections import StudentOptions

NET = "test_resnet.r160_in1k"
TIMM = StudentOptions(timm=NET, pretrained=True)


def hide_hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of both hubs' caches, empty, without a network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


def publish_timm(hubs: Path, *, name: str = NET, seed: int = 7) -> nn.Module:
    """A net with other weights, put where timm's hub keeps what it has fetched."""
    torch.manual_seed(seed)
    net = timm.create_model(name)
    place = hubs / "hf" / f"models--timm--{name}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs/main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), place / "snapshots" / ("0" * 40) / "model.safetensors")
    return net


def publish_torchvision(hubs: Path, name: str, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> nn.Module:
    """Likewise for torchvision, whose file names hold the first digits of the file's hash."""
    net = torchvision.models.get_model(name, weights=None, **arguments)
    folder = hubs / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    torch.save(net.state_dict(), folder / "net.pth")
    digest = hashlib.sha256((folder / "net.pth").read_bytes()).hexdigest()[:8]
    (folder / "net.pth").rename(folder / f"net-{digest}.pth")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    monkeypatch.setattr(weights.value, "url", f"https://nowhere.invalid/net-{digest}.pth")
    return net
