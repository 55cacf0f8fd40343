"""One training in several processes: who is who, how they are started, and what is said when one of them goes.

torchrun starts them and tells each its place in the environment; ``machine.processes`` calls torchrun.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from contextlib import chdir
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.callbacks import Callback
from torch import Tensor

import scenehue
from scenehue.data.parallel import default_workers
from scenehue.errors import ParamsError, ScenehueError
from scenehue.params import Params

AGAIN = "started again, it goes on from its last validation"


class Place(NamedTuple):
    """Which one of several processes this is."""

    rank: int = 0
    processes: int = 1
    on_this_machine: int = 1


ALONE = Place()


def own_place() -> Place:
    """The place that torchrun gave this process; alone, if it did not start it."""
    names = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_WORLD_SIZE", "1"))
    return Place(*(int(os.environ.get(name, default)) for name, default in names))


def started_by_torchrun() -> bool:
    """Whether this process is one of a training's already."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(params: Params, root: Path) -> None:
    """Runs the stage ``train`` in `machine.processes` processes on this machine, and waits for them.

    Raises:
        ScenehueError: One of them failed, and its own message has been printed by then; or all were told to end.
        KeyboardInterrupt: The user stopped them.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    count = params.machine.processes
    before = dict(os.environ)
    # The processes shall run this very code, wherever they start, and share the cores.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(scenehue.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (default_workers(None) + 1) // count)))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, chdir(root):
        yaml.safe_dump(params.model_dump(mode="json"), file)
        file.flush()
        address = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(count)]
        try:
            torchrun([*address, "-m", "scenehue", "train", "--params", file.name])
        except ChildFailedError as error:
            raise ScenehueError("a process of the training failed; what it said stands above") from error
        except SignalException as error:  # torchrun's way of passing on Ctrl-C and the like
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise ScenehueError(f"the training was told to end ({error.sigval.name}); {AGAIN}") from error
        finally:
            os.environ.clear()
            os.environ.update(before)


def batches_of_each(accumulate: int, place: Place) -> int:
    """How many of the batches of a step are a single process's.

    Raises:
        ParamsError: They cannot be shared out evenly.
    """
    if accumulate % place.processes:
        raise ParamsError(
            f"{place.processes} processes share the batches of each step, so train.accumulate must be a multiple of "
            f"{place.processes}, not {accumulate}; the result is then the same for any number of processes"
        )
    return accumulate // place.processes


class Together(Callback):
    """Keeps several processes at one, and ends them with a sentence.

    Gradients are averaged by DDP. Batch normalisation looks at each batch alone, as it does with one process; its
    running statistics are averaged after each step, and move in each process as far as they would over all batches.

    Args:
        place: Of this process.
        num_batches: Of this process in an epoch.
    """

    def __init__(self, place: Place, num_batches: int) -> None:
        self.place, self.num_batches = place, num_batches
        self._buffers: list[Tensor] = []
        self._steps = 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._steps = trainer.global_step
        for module in pl_module.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
                assert module.momentum is not None
                module.momentum = 1 - (1 - module.momentum) ** self.place.processes
                self._buffers += [module.running_mean, module.running_var]  # type: ignore[list-item]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning's own answer to SIGTERM waits for the other processes, which may be waiting for this one.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _end)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Lets Lightning take the epoch for ended, as it was, also if another number of processes shared it."""
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
        progress |= dict.fromkeys(progress, self.num_batches)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.place.processes > 1 and self._buffers and trainer.global_step > self._steps:
            self._steps = trainer.global_step
            sizes = [buffer.numel() for buffer in self._buffers]
            means = trainer.strategy.reduce(torch.cat([buffer.flatten() for buffer in self._buffers]), reduce_op="mean")
            for buffer, mean in zip(self._buffers, torch.split(torch.as_tensor(means), sizes), strict=True):
                buffer.copy_(mean.view_as(buffer))


def lost_another(error: RuntimeError) -> bool:
    """Whether an error is but the echo of another process's end."""
    return "torch.distributed" in type(error).__module__ or "gloo" in str(error).lower()


class Ended(BaseException):
    """The process was told to end; no `Exception`, so that no library takes it for a failure that it may pass over."""


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise Ended
