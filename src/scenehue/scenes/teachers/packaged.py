"""The teacher that ships with the project: a small head on a frozen EfficientNet-Lite0."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scenehue.errors import ArtifactError
from scenehue.models.device import choose_device
from scenehue.models.pretrained import create_classifier
from scenehue.scenes.labels import NUM_SCENES
from scenehue.scenes.teachers.files import file_sha256
from scenehue.scenes.views import central_views

ENCODER = "tf_efficientnet_lite0"
FIRST_STAGE = 3
"""Earlier stages of the encoder see too little of a scene to help."""
NUM_FEATURES = 2 * (80 + 112 + 192 + 320) + 1280


class SceneFeatures(nn.Module):
    """EfficientNet-Lite0, frozen on ImageNet, summarised: mean and deviation of its later stages, mean of the last."""

    def __init__(self) -> None:
        super().__init__()
        encoder = create_classifier(ENCODER).requires_grad_(False).eval()
        _fold_norms(encoder)
        self.encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        """Turns RGB in 0..1, (N, 3, H, W), into features (N, `NUM_FEATURES`)."""
        net = self.encoder
        x = net.bn1(net.conv_stem(((rgb - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)))
        features = []
        for stage, block in enumerate(cast(nn.Sequential, net.blocks)):
            x = block(x)
            if stage >= FIRST_STAGE:
                features += [x.float().mean((2, 3)), x.float().std((2, 3))]
        return torch.cat([*features, net.bn2(net.conv_head(x)).float().mean((2, 3))], dim=1)


def _fold_norms(module: nn.Module) -> None:
    """Lets each convolution do the work of the BatchNorm after it: the same values in three quarters of the time."""
    name, before = "", nn.Module()
    for next_name, child in list(module.named_children()):
        if isinstance(before, nn.Conv2d) and isinstance(child, BatchNormAct2d):
            setattr(module, name, fuse_conv_bn_eval(before, child))
            setattr(module, next_name, child.act)
        else:
            _fold_norms(child)
        name, before = next_name, child


class SceneHead(nn.Module):
    """Features, standardised, to logits (N, 365) through one hidden layer.

    Args:
        width: Units of the hidden layer.
        dropout: Shares of the features and of the hidden units that are dropped in training.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, width: int, dropout: tuple[float, float] = (0.0, 0.0)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUM_FEATURES))
        self.register_buffer("deviation", torch.ones(NUM_FEATURES))
        self.hidden = nn.Linear(NUM_FEATURES, width)
        self.output = nn.Linear(width, NUM_SCENES)
        self.dropout = dropout

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = functional.dropout((features - self.mean) / self.deviation, self.dropout[0], self.training)
        x = functional.dropout(functional.hardswish(self.hidden(x)), self.dropout[1], self.training)
        return cast(torch.Tensor, self.output(x))


class PackagedTeacher:
    """The head in ``scenes/packaged``, whose ``CARD.md`` says what it was fitted to and how good it is.

    Args:
        device: Where to compute.
        head: The head's weights; the packaged ones unless given.

    Raises:
        ArtifactError: The head's file is corrupt.
    """

    name = "packaged efficientnet-lite0 head"
    side = 224

    def __init__(self, device: str = "auto", head: Path | None = None) -> None:
        path = head or Path(str(importlib.resources.files("scenehue.scenes") / "packaged" / "head.safetensors"))
        try:
            state = load_file(path)
            self._head = SceneHead(len(state["hidden.bias"]))
            self._head.load_state_dict({key: value.float() for key, value in state.items()})
        except Exception as error:  # safetensors' and torch's exceptions share no narrower base
            raise ArtifactError(f"{path} is no scene head; install the package again ({error})") from error
        self.sha256 = file_sha256(path)
        self._device = choose_device(device)
        self._head.eval().to(self._device)
        self._features = SceneFeatures().to(self._device)

    @torch.inference_mode()
    def probabilities(self, photos: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Classifies photos, as `scenehue.scenes.teachers.Teacher` says."""
        views = torch.from_numpy(central_views(photos, self.side)).to(self._device)
        logits: torch.Tensor = self._head(self._features(views))
        return logits.softmax(dim=1).cpu().numpy()
