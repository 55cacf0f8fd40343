"""The network run by torch, on any of its devices."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scenehue.color.decoding import decode
from scenehue.errors import ScenehueError
from scenehue.inference.model import Decoder
from scenehue.models.checkpoint import ModelCard, load_checkpoint
from scenehue.models.device import choose_device
from scenehue.models.ensemble import Network

Float32 = npt.NDArray[np.float32]

log = logging.getLogger(__name__)


class TorchModel:
    """A `ChromaModel` around a network that is already in memory.

    When the device runs out of memory, batches are halved; when one photo is still too much, the CPU takes over, for
    good. Either is said in the log.

    Args:
        net: The network; it is moved to `device`, and its parameters are shared, not copied.
        card: What its checkpoint says of it: `bins`, `size`, `multiple` and `scales` are read.
        device: Where it runs; without one, where it is.
        dtype: Precision of the network's inside; decoding is always float32.
    """

    def __init__(
        self,
        net: Network,
        card: ModelCard,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device = torch.device(device) if device is not None else next(net.parameters()).device
        self.net = net.to(self.device)
        self.bins = torch.as_tensor(card.bins, dtype=torch.float32, device=self.device)
        self.size = card.size
        self.multiple = card.multiple
        self.scales = card.scales
        self.dtype = dtype

    def chroma(self, lightness: Float32, decoder: Decoder) -> Float32:
        """See `ChromaModel.chroma`."""
        was_training = self.net.training
        self.net.eval()
        try:
            return self._chroma_in_memory(np.ascontiguousarray(lightness), decoder)
        finally:
            self.net.train(was_training)

    def _chroma_in_memory(self, lightness: Float32, decoder: Decoder) -> Float32:
        try:
            return self._decoded(torch.from_numpy(lightness), decoder).cpu().numpy()
        except torch.OutOfMemoryError:
            if self.device.type == "cpu":
                raise
        torch.cuda.empty_cache()
        half = len(lightness) // 2
        if half:
            log.warning("%s is out of memory with %d photos at once; trying %d", self.device, len(lightness), half)
            parts = (lightness[:half], lightness[half:])
            return np.concatenate([self._chroma_in_memory(part, decoder) for part in parts])
        log.warning("%s is out of memory with a single photo; the CPU takes over", self.device)
        self.device = torch.device("cpu")
        self.net, self.bins = self.net.cpu(), self.bins.cpu()
        return self._chroma_in_memory(lightness, decoder)

    def _decoded(self, lightness: Tensor, decoder: Decoder) -> Tensor:
        with torch.inference_mode():
            with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
                outputs = self.net(lightness.to(self.device)[:, None])
            if decoder.name == "reg":
                ab = outputs.ab.float()
            elif decoder.name in ("mode", "mean"):
                ab = decode(outputs.soft_logits, self.bins, "mode" if decoder.name == "mode" else "mean")
            else:
                ab = decode(outputs.soft_logits, self.bins, "annealed", decoder.temperature)
            return ab * decoder.saturation


def load_torch_model(
    folder: Path, device: str = "auto", dtype: str = "float32", threads: int | None = None
) -> TorchModel:
    """Loads a checkpoint onto a device.

    Args:
        folder: Of the checkpoint.
        device: ``auto`` takes a GPU if there is one; else a device as torch names it.
        dtype: As torch names it.
        threads: Of one prediction on the CPU.

    Raises:
        ArtifactError: The checkpoint is missing or corrupt.
        ScenehueError: There is no such device.
    """
    net, card = load_checkpoint(folder)
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        return TorchModel(net.for_colors(), card, choose_device(device, mps=True), getattr(torch, dtype))
    except (RuntimeError, AssertionError) as error:
        raise ScenehueError(f"the device {device!r} cannot be used: {str(error).splitlines()[0]}") from error
