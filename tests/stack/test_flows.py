"""The deployments on the real services: schedules, one run at a time, kills, and services that are down for a while."""

import os
import resource
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import boto3
import psycopg2
import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from registry.workshop import Repository as Workshop
from registry.workshop import params_for
from scenehue.registry.promote import promote
from scenehue.registry.register import register
from stack.flow_world import MODEL, World, eventually, processes_of
from stack.local import LocalStack

LOUD = (40.0, 60.0)


@pytest.fixture(scope="module")
def world(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory):
    """The deployments work on a small repository, in whose registry a bad model is champion."""
    root = tmp_path_factory.mktemp("flows")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.settings.clients.items():
            patch.setenv(name, value)
        patch.setenv("SCENEHUE_CACHE", str(root / "cache"))
        # Right on photographs of its own, all of one loud colour, and badly wrong on real ones.
        patch.setattr("registry.workshop.TRUTH", LOUD)
        workshop = Workshop(root / "workshop", stack.settings.clients["MLFLOW_TRACKING_URI"])
        workshop.set_params(params_for(stack.settings.clients["MLFLOW_TRACKING_URI"]) | {"registry": {"name": MODEL}})
        workshop.commit()
        workshop.train(1.0)
        register(workshop.params, workshop.root)
        assert promote(workshop.params, workshop.root).promoted
        yield World(stack, root)


def test_a_schedule_fires_and_ends_with_a_better_champion(world: World, tmp_path: Path) -> None:
    due = world.schedule("retrain", minutes=2)
    eventually(lambda: scheduled(world, due), 60)
    (run,) = scheduled(world, due)
    assert run.auto_scheduled
    run = world.finished(run, seconds=500)
    assert run.state.type == StateType.COMPLETED, f"{run.state.message}\n{world.log()}"
    assert run.state.message.startswith("version 2 is champion: Better than version 1")
    steps = {task.name.rpartition("-")[0]: task.total_run_time.total_seconds() for task in world.tasks(run)}
    print(f"\nretrain took {run.total_run_time.total_seconds():.1f} s; its steps, in seconds: {steps}")
    versions = {version["version"]: version for version in world.versions()}
    assert versions[2]["aliases"] == ["challenger", "champion"]
    assert versions[1]["aliases"] == ["previous"]
    assert_everything_is_where_it_belongs(world, run.id)
    assert_it_can_be_made_again_from_a_clone_and_the_version(world, tmp_path / "clone")


def scheduled(world: World, due: datetime) -> list[FlowRun]:
    return [run for run in world.runs("retrain") if run.expected_start_time == due]


def assert_everything_is_where_it_belongs(world: World, run_id: object) -> None:
    settings = world.stack.settings
    s3 = boto3.client(
        "s3",
        endpoint_url=settings.clients["AWS_ENDPOINT_URL"],
        aws_access_key_id=settings.clients["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings.clients["AWS_SECRET_ACCESS_KEY"],
        region_name=settings.clients["AWS_DEFAULT_REGION"],
    )
    for prefix in ("tiny/files/md5/", "mlflow/"):
        assert s3.list_objects_v2(Bucket=settings.stack_bucket, Prefix=prefix)["KeyCount"] > 0, prefix
    for database, table in (("prefect", f"flow_run WHERE id = '{run_id}'"), ("mlflow", "model_versions")):
        connection = psycopg2.connect(settings.database(database))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone()[0] > 0, database
        connection.close()


def assert_it_can_be_made_again_from_a_clone_and_the_version(world: World, clone: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(world.source.root), str(clone)], check=True)
    world.python("-m", "scenehue", "models", "restore", "champion", cwd=clone)
    remote = world.env["SCENEHUE_DVC_REMOTE"]
    world.python("-m", "dvc", "remote", "add", "--local", "--default", "storage", remote, cwd=clone)
    world.python("-m", "dvc", "pull", "--quiet", cwd=clone)
    model = "artifacts/train/model.safetensors"
    pulled = (clone / model).read_bytes()
    assert pulled == (world.checkout / model).read_bytes()
    world.python("-m", "dvc", "repro", "--quiet", "--force", "--single-item", "train", cwd=clone)
    assert (clone / model).read_bytes() == pulled


def test_a_retraining_with_nothing_to_do_is_quick(world: World) -> None:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "flows.retrain"],
        cwd=world.checkout,
        env=world.env,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert "Nothing to do" in done.stderr + done.stdout
    print(f"\nretrain with nothing to do: {wall:.1f} s, of which it computed {computed:.1f} s")
    assert computed < 6, "on an idle machine it takes little longer than it computes"


def test_of_two_schedules_that_meet_one_waits(world: World) -> None:
    ended = [world.finished(run) for run in [world.start("labeling"), world.start("monitoring")]]
    for run in ended:
        assert run.state.type == StateType.COMPLETED, run.state.message
    first, second = sorted(ended, key=lambda run: run.start_time)
    assert first.end_time <= second.start_time
    assert any("the champion" in run.state.message for run in ended), "what the monitoring says"


def test_killed_in_mid_training_the_run_crashes_and_the_next_one_goes_on(world: World) -> None:
    known = len(world.versions())
    world.commit(train={"epochs": 40})
    run = world.start("retrain")
    eventually(lambda: len(world.curves()) >= 2, 300, world.log)
    trainings, groups = world.trainings(), {os.getpgid(process.pid) for process in processes_of(run)}
    assert trainings
    os.kill(world.stack.pid("worker"), signal.SIGKILL)
    for group in groups:
        os.killpg(group, signal.SIGKILL)
    eventually(lambda: not any(one.is_running() for one in trainings), 15)
    before = world.curves()
    following = world.start("retrain")
    run = world.finished(run, seconds=240)
    assert run.state.type == StateType.CRASHED
    assert "no sign of life" in run.state.message
    assert "start the deployment again" in run.state.message
    assert len(world.versions()) == known
    following = world.finished(following)
    assert following.state.type == StateType.COMPLETED, following.state.message
    curves = (world.checkout / "artifacts/train/curves.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in curves] == [str(epoch) for epoch in range(1, 41)]
    assert curves[0].split(",")[1:3] == before[0].split(",")[1:3]
    assert len(world.versions()) == known + 1


@pytest.mark.parametrize(("service", "deployment"), [("s3", "labeling"), ("mlflow", "registration")])
def test_a_service_that_is_down_for_a_while_stops_nothing(world: World, service: str, deployment: str) -> None:
    with world.stack.down(service):
        run = world.start(deployment)
        eventually(lambda: any("Retry" in (task.state_name or "") for task in world.tasks(run)), 240, world.log)
    run = world.finished(run)
    assert run.state.type == StateType.COMPLETED, run.state.message


def test_a_training_survives_mlflow_and_the_database_being_down(world: World) -> None:
    world.commit(train={"epochs": 30})
    run = world.start("training")
    eventually(lambda: world.trainings(), 300, world.log)
    with world.stack.down("mlflow"), world.stack.down("postgres"):
        time.sleep(5)
    run = world.finished(run)
    assert run.state.type == StateType.COMPLETED, f"{run.state.message}\n{world.log()}"
