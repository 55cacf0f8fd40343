"""Ray, in this one file: a map over worker processes, here or on a cluster, that outlives its workers.

A Ray that is started here lasts as long as the work, listens on the loopback interface only, and reports to nobody. On
a cluster, every node needs this package at the same version, and files under the same paths.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from scenehue.errors import ScenehueError

AUTO = "auto"
Item = TypeVar("Item")
Result = TypeVar("Result")
_RETRIES = 2
_GPU_SHARE = 0.25  # decoding takes a core longer than the network takes a GPU, so that several workers share one
_PATIENCE = 10.0
_OBJECT_STORE = 512 << 20
_LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's words for: no other machine joins, so listen on loopback only
    "RAY_worker_niceness": "0",  # workers are the work here, and not to wait for all else the machine does
}


class ClusterError(ScenehueError):
    """Ray is not installed, or the cluster cannot be reached."""


@dataclass(frozen=True)
class Lost:
    """Stands in for the result of an item whose worker process died each time it was tried.

    Attributes:
        reason: In words.
    """

    reason: str = f"its worker process died {_RETRIES + 1} times: killed, crashed, or out of memory"


class Cluster:
    """Ray's workers, from `connected`."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    @property
    def workers(self) -> int:
        """Workers there are at this moment: a core is one."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def computes_on_gpu(self, device: str) -> bool:
        """Whether work for a device (``auto``, ``cpu``, ``cuda``, ...) goes to GPUs: if asked for, or if there are."""
        return device.startswith("cuda") or (device == "auto" and self._ray.cluster_resources().get("GPU", 0) > 0)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], on_gpu: bool = False
    ) -> Iterator[tuple[Item, Result | Lost]]:
        """Calls a function in workers, on an item each; takes items only as there is room for them.

        An item whose worker is killed is given to another one.

        Args:
            function: Importable on all nodes, and picklable with all it carries, which is sent once.
            items: Picklable.
            on_gpu: Only on nodes with a GPU, of which each worker gets a share as ``cuda``.

        Yields:
            Items and results, in the order in which they are finished.

        Raises:
            ScenehueError: As the function raised it.
        """
        ray = self._ray
        name = getattr(getattr(function, "func", function), "__name__", "work")
        call = ray.remote(_call).options(num_cpus=1, num_gpus=_GPU_SHARE * on_gpu, max_retries=_RETRIES, name=name)
        shared, remaining, running = ray.put(function), iter(items), dict[Any, Item]()
        try:
            while True:
                room = max(2 * self.workers - len(running), 0)
                running |= {call.remote(shared, item): item for item in islice(remaining, room)}
                if not running:
                    return
                (done, *_), _ = ray.wait(list(running), num_returns=1)
                yield running.pop(done), self._result(done)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, ScenehueError):
                raise error.cause from None
            raise
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
            return Lost()


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)


@contextlib.contextmanager
def connected(address: str, workers: int) -> Iterator[Cluster]:
    """Ray's workers while the block lasts; where this process is connected already, just these.

    Args:
        address: ``host:port`` or ``ray://host:port`` of a cluster; or ``auto``: the cluster that RAY_ADDRESS names, and
            without that, a Ray started on this machine.
        workers: Processes of such a Ray; at least 1.

    Raises:
        ClusterError: Ray is not installed, or the cluster cannot be reached.
    """
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS") or "local"
    ray = _ray(address)
    if ray.is_initialized():
        yield Cluster(ray)
        return
    local = {"num_cpus": max(1, workers), "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    quiet = {"log_to_driver": False, "configure_logging": False}
    try:
        if address != "local":
            _knock(address)
        ray.init(address, **quiet, **(local if address == "local" else {}))
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = (
            "Ray cannot be started here" if address == "local" else f"the Ray cluster at {address} cannot be reached"
        )
        raise ClusterError(f"{where} ({words}); correct machine.ray, or set it to null to work without") from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _ray(address: str) -> Any:
    if address == "local":
        for name, value in _LOCAL.items():
            os.environ.setdefault(name, value)
    try:
        import ray
        import ray._private.ray_constants as constants
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise ClusterError(
            "machine.ray needs Ray, which is not installed: pip install 'scenehue[flows]', or set machine.ray to null"
        ) from error
    constants.ENABLE_RAY_CLUSTER = address != "local"  # Ray may have been imported before the variable was set
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _knock(address: str) -> None:
    """Asks for a connection, since Ray itself takes minutes to find that nobody answers."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
        pass
