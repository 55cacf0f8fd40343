"""The public Places365 checkpoints as teachers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import timm
import torch

from scenehue.errors import ArtifactError
from scenehue.models.device import choose_device
from scenehue.scenes.labels import NUM_SCENES
from scenehue.scenes.teachers.files import file_sha256
from scenehue.scenes.views import central_views

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Places365Teacher:
    """``resnet18_places365.pth.tar`` or ``resnet50_places365.pth.tar`` of the Places365 project.

    Only tensors and plain values are read from the file: a pickled object of any other kind is refused, not run.

    Args:
        path: The checkpoint: a dictionary with ``state_dict``, whose keys begin with ``module.``.
        device: Where to compute.

    Raises:
        ArtifactError: It is no such checkpoint, or has another number of classes.
    """

    side = 224

    def __init__(self, path: Path, device: str = "auto") -> None:
        state = _read_state(path)
        classes = len(state["fc.weight"])
        if classes != NUM_SCENES:
            raise ArtifactError(f"{path} tells {classes} classes apart; a scene teacher tells {NUM_SCENES}")
        architecture = "resnet50" if "layer1.0.conv3.weight" in state else "resnet18"
        net = timm.create_model(architecture, num_classes=NUM_SCENES)
        try:
            net.load_state_dict(state)
        except RuntimeError as error:
            raise ArtifactError(f"{path} does not fit {architecture}: {error}") from error
        self.name = f"places365 {architecture}"
        self.sha256 = file_sha256(path)
        self._device = choose_device(device)
        self._net = net.eval().to(self._device)
        self._mean, self._std = (torch.tensor(values, device=self._device).view(3, 1, 1) for values in (MEAN, STD))

    @torch.inference_mode()
    def probabilities(self, photos: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Classifies photos, as `scenehue.scenes.teachers.Teacher` says."""
        views = torch.from_numpy(central_views(photos, self.side)).to(self._device)
        logits: torch.Tensor = self._net((views - self._mean) / self._std)
        return logits.softmax(dim=1).cpu().numpy()


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle can raise nearly anything
        raise ArtifactError(f"{path} is corrupt or holds more than weights, and was not loaded: {error}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    weights = {key.removeprefix("module."): value for key, value in state.items()} if isinstance(state, dict) else {}
    if "fc.weight" not in weights:
        raise ArtifactError(f"{path} is no ResNet checkpoint of Places365: it has no weights named fc.weight")
    return weights
