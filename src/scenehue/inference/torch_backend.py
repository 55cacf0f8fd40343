"""The network run by torch, on any of its devices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from scenehue.color.decoding import decode
from scenehue.inference.model import Decoder
from scenehue.models.checkpoint import ModelCard
from scenehue.models.network import ColorNet

Float32 = npt.NDArray[np.float32]


class TorchModel:
    """A `ChromaModel` around a network that is already in memory.

    Args:
        net: The network; it is moved to `device` and switched to evaluation, and its parameters are shared, not copied.
        card: What its checkpoint says of it: `bins`, `size` and `multiple` are read.
        device: Where it runs; without one, where it is.
        dtype: Precision of the network's inside; decoding is always float32.
    """

    def __init__(
        self,
        net: ColorNet,
        card: ModelCard,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device = torch.device(device) if device is not None else next(net.parameters()).device
        self.net = net.to(self.device)
        self.bins = torch.as_tensor(card.bins, dtype=torch.float32, device=self.device)
        self.size = card.size
        self.multiple = card.multiple
        self.dtype = dtype

    def chroma(self, lightness: Float32, decoder: Decoder) -> Float32:
        """See `ChromaModel.chroma`."""
        was_training = self.net.training
        self.net.eval()
        try:
            with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
                lightness_N1HW = torch.from_numpy(np.ascontiguousarray(lightness)).to(self.device)[:, None]
                outputs = self.net(lightness_N1HW)
            with torch.inference_mode():
                if decoder.name == "reg":
                    ab = outputs.ab.float()
                else:
                    how = "annealed" if decoder.name == "vivid" else decoder.name
                    ab = decode(outputs.soft_logits.float(), self.bins, how, decoder.temperature)
                return np.asarray((ab * decoder.saturation).cpu().numpy(), dtype=np.float32)
        finally:
            self.net.train(was_training)
