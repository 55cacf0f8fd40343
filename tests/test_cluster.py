"""Ray for real, on the loopback interface: with one worker, with two, and with workers that are killed."""

import operator
import os
import socket
import sys
from functools import partial

import psutil
import pytest

from ray_workers import kill_workers_in_mid_run
from scenehue.cluster import ClusterError, Lost, connected
from scenehue.errors import ScenehueError
from scenehue.inference.s3 import split_address
from scenehue.params import MachineParams, Params
from scenehue.stages import dataset, scene_probs, sources


@pytest.fixture(scope="module", params=[1, 2], ids="workers={}".format)
def cluster(request):
    with connected("auto", request.param) as cluster:
        assert cluster.workers == request.param
        yield cluster


@pytest.fixture(scope="module")
def photos(tmp_path_factory, sample_folder):
    """A data set of 20 photographs."""
    root = tmp_path_factory.mktemp("photos")
    (root / "data/sample").mkdir(parents=True)
    for path in sorted(sample_folder.glob("*.jpg"))[:20]:
        (root / "data/sample" / path.name).symlink_to(path)
    params = Params(machine=MachineParams(workers=0))
    sources.run(params, root)
    dataset.run(params, root)
    return root / "artifacts/dataset"


# These two come before Ray is there.
def test_no_cluster_at_that_address():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        message = rf"Ray cluster at {address} cannot be reached \(.*refused\); correct machine"
        with pytest.raises(ClusterError, match=message), connected(address, 1):
            pass


def test_ray_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"not installed: pip install 'scenehue\[flows\]'"), connected("auto", 1):
        pass


def test_scene_labels_are_the_same_bytes_even_when_workers_are_killed(cluster, photos, tmp_path, monkeypatch):
    params = {"scene_probs": {"batch_size": 2}, "machine": {"device": "cpu", "workers": 1}}
    outputs, killed = [], kill_workers_in_mid_run(monkeypatch)
    for place in (None, "auto"):
        root = tmp_path / str(place)
        (root / "artifacts").mkdir(parents=True)
        (root / "artifacts/dataset").symlink_to(photos)
        scene_probs.run(Params.model_validate(params | {"machine": params["machine"] | {"ray": place}}), root)
        files = sorted((root / "artifacts/scene_probs").iterdir())
        outputs.append({path.name: path.read_bytes() for path in files})
    assert killed
    assert outputs[0] == outputs[1]


def test_all_that_listens_listens_on_loopback(cluster):
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    addresses = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_an_item_that_kills_its_worker_is_lost_and_the_others_are_not(cluster):
    calls = [partial(abs, -number) for number in range(5)]
    outcomes = dict(cluster.map(operator.call, [*calls, fatal := partial(os._exit, 1)]))
    assert outcomes.pop(fatal) == Lost()
    assert list(outcomes.values()) == [call() for call in outcomes]
    assert len(outcomes) == 5


def test_errors_arrive_as_they_were_raised(cluster):
    with pytest.raises(ScenehueError, match=r"^s3:// names no bucket"):
        list(cluster.map(split_address, ["s3://archive/a.jpg", "s3://"]))
