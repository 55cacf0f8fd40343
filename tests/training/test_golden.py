"""Five steps of each architecture must give the losses on file: a refactoring may not change what is computed.

Written anew, on purpose only, by ``python tests/training/test_golden.py``.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scenehue.color.bins import ab_bins
from scenehue.data.loading import Batch
from scenehue.models.network import ColorNet
from scenehue.params import ColorPriorParams, ModelParams, TrainParams
from scenehue.training.module import ColorModule

GOLDEN = Path(__file__).parents[1] / "golden/losses.json"
SMALL_DECODER = {"pretrained": False, "decoder_channels": (32, 24, 16)}
ARCHITECTURES = {
    "unet, auxiliary": ModelParams(encoder="unet", width=8, soft_stride=1, scene_context="auxiliary"),
    "unet, fused": ModelParams(encoder="unet", width=8, soft_stride=4),
    "lite0, none": ModelParams(**SMALL_DECODER, scene_context="none"),
    "lite0, fused, separable": ModelParams(**SMALL_DECODER, decoder_block="separable"),
    "resnet18, fused": ModelParams(**SMALL_DECODER, encoder="resnet18"),
}


def losses(config: ModelParams) -> list[float]:
    generator = np.random.default_rng(0)

    def numbers(*shape: int, scale: float = 1, shift: float = 0) -> torch.Tensor:
        return torch.from_numpy((generator.random(shape) * scale + shift).astype(np.float32))

    torch.manual_seed(0)
    net = ColorNet(config)
    for parameter in net.parameters():  # of NumPy's generator, whose numbers no version of torch changes
        if parameter.ndim > 1:
            bound = (3 / parameter[0].numel()) ** 0.5
            parameter.data = numbers(*parameter.shape, scale=2 * bound, shift=-bound)
    module = ColorModule(
        net, TrainParams(learning_rate=1e-3, model=config), ColorPriorParams(), ab_bins(), np.linspace(0.5, 2, 313), 5
    )
    module.log_dict = lambda *_, **__: None
    optimizer = module.configure_optimizers()["optimizer"]
    lightness = numbers(4, 1, 64, 64, scale=100)
    batch = Batch(
        lightness,
        numbers(4, 2, 64, 64, scale=60, shift=-30),
        lightness,
        torch.from_numpy(generator.integers(0, 365, (4, 5))),
        torch.full((4, 5), 0.2),
        torch.from_numpy(generator.integers(0, 182, (4, 64, 64)).astype(np.uint8)),
    )
    values = []
    for _ in range(5):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(round(loss.item(), 6))
    return values


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_losses_of_five_steps(name: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # Sums in another order on another CPU differ in the last digits, and steps carry that on.
        np.testing.assert_allclose(losses(ARCHITECTURES[name]), json.loads(GOLDEN.read_text())[name], rtol=2e-3)
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    torch.set_num_threads(1)
    golden = {name: losses(config) for name, config in ARCHITECTURES.items()}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
