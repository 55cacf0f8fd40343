"""The bucket's set-up against two other people's S3 servers: moto can all that Amazon's can, rclone cannot."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from infra.bucket import set_up
from infra.errors import StackError
from infra.policy import least_privilege
from infra.services import find_rclone

ROOT = Path(__file__).parents[2]


def client(service: str, url: str, key: str = "key", secret: str = "secret", region: str = "us-east-1") -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_server: str) -> Iterator[str]:
    """A fresh account at moto, which takes any keys. All its servers in a process share what it was told."""
    tell(moto_server, "reset-auth", b"inf")
    tell(moto_server, "reset", b"")
    yield moto_server
    tell(moto_server, "reset-auth", b"inf")
    tell(moto_server, "reset", b"")


def tell(server: str, what: str, body: bytes) -> None:
    httpx.post(f"{server}/moto-api/{what}", content=body, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("rclone") / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            (find_rclone(), "serve", "s3", log.parent, "--addr", "127.0.0.1:0", "--config", os.devnull),
            env={**os.environ, "RCLONE_AUTH_KEY": '"key,secret"'},
            stderr=output,
        )
    deadline = time.monotonic() + 20
    while "http://" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield log.read_text().split("[")[1].split("/]")[0]
    process.terminate()
    process.wait()


def test_sets_everything_and_then_nothing(moto: str):
    s3 = client("s3", moto)
    assert set_up(s3, "photos", days=45) == [
        "bucket photos: made",
        "versioning: set",
        "encryption: set",
        "closure to the public: set",
        "life-cycle: set",
    ]
    assert s3.get_bucket_versioning(Bucket="photos")["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket="photos")["PublicAccessBlockConfiguration"].values())
    (encryption,) = s3.get_bucket_encryption(Bucket="photos")["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    deleted, old = s3.get_bucket_lifecycle_configuration(Bucket="photos")["Rules"]
    assert deleted["NoncurrentVersionExpiration"] == {"NoncurrentDays": 45}
    assert old["Filter"] == {"Prefix": "mlflow/"}
    assert old["Transitions"] == [{"Days": 45, "StorageClass": "STANDARD_IA"}]
    assert not [rule for rule in (deleted, old) if "Expiration" in rule]

    again = set_up(s3, "photos", days=45)
    assert again == [
        "bucket photos: exists",
        "versioning: as it should be",
        "encryption: as it should be",
        "closure to the public: as it should be",
        "life-cycle: as it should be",
    ]


def test_only_what_was_changed_is_mended_and_others_rules_stay(moto: str):
    s3 = client("s3", moto)
    set_up(s3, "photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Suspended"})
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "scans/"}, "Expiration": {"Days": 3}}
    rules = s3.get_bucket_lifecycle_configuration(Bucket="photos")["Rules"]
    s3.put_bucket_lifecycle_configuration(Bucket="photos", LifecycleConfiguration={"Rules": [theirs, rules[1]]})
    report = set_up(s3, "photos")
    assert [line for line in report if line.endswith(": set")] == ["versioning: set", "life-cycle: set"]
    after = s3.get_bucket_lifecycle_configuration(Bucket="photos")["Rules"]
    assert sorted(rule["ID"] for rule in after) == ["scenehue-deleted", "scenehue-old-runs", "theirs"]


def test_makes_the_bucket_in_the_clients_region(moto: str):
    s3 = client("s3", moto, region="eu-central-1")
    set_up(s3, "photos")
    assert s3.get_bucket_location(Bucket="photos")["LocationConstraint"] == "eu-central-1"


def test_says_what_the_server_cannot(rclone: str):
    s3 = client("s3", rclone)
    lacking = [f"{what}: not supported by this server" for what in ("versioning", "encryption")]
    assert set_up(s3, "photos")[:3] == ["bucket photos: made", *lacking]
    assert set_up(s3, "photos")[:3] == ["bucket photos: exists", *lacking]
    s3.put_object(Bucket="photos", Key="dvc/a", Body=b"still usable")


def test_name_taken_by_somebody_else():
    """Amazon's answers; moto shows one account the buckets of all."""
    s3 = client("s3", "http://127.0.0.1:9")
    stub = Stubber(s3)
    stub.add_client_error("head_bucket", "403", http_status_code=403)
    stub.add_client_error("create_bucket", "BucketAlreadyExists", http_status_code=409)
    stub.activate()
    with pytest.raises(StackError, match=r"make the bucket photos: somebody else .*STACK_BUCKET"):
        set_up(s3, "photos")


@pytest.mark.parametrize(
    ("key", "secret", "message"),
    [("nobody", "secret", "AWS_ACCESS_KEY_ID"), ("key", "wrong", "AWS_SECRET_ACCESS_KEY does not belong")],
)
def test_wrong_keys(rclone: str, key: str, secret: str, message: str):
    with pytest.raises(StackError, match=message):
        set_up(client("s3", rclone, key, secret), "photos")


@pytest.mark.parametrize(("allowed", "doing"), [([], "make the bucket"), (["s3:CreateBucket"], "set the versioning")])
def test_no_rights(moto: str, allowed: list[str], doing: str):
    key = user_with(moto, [{"Effect": "Allow", "Action": [*allowed, "s3:GetBucketVersioning"], "Resource": "*"}])
    with pytest.raises(StackError, match=f"refuses to {doing} .*lack the right.*administrator"):
        set_up(client("s3", moto, *key), "photos")


def test_the_policy_suffices_for_its_users_and_for_no_more(moto: str):
    """As moto judges it, which leaves conditions out."""
    client("s3", moto).create_bucket(Bucket="photos")
    client("s3", moto).create_bucket(Bucket="others")
    statements = [one for one in least_privilege("photos")["Statement"] if one["Effect"] == "Allow"]
    s3 = client("s3", moto, *user_with(moto, statements))
    for place in ("dvc/files/md5/00/11", "mlflow/1/artifacts/card.md"):
        s3.put_object(Bucket="photos", Key=place, Body=b"x")
        assert s3.get_object(Bucket="photos", Key=place)["Body"].read() == b"x"
        s3.delete_object(Bucket="photos", Key=place)
    s3.list_objects_v2(Bucket="photos", Prefix="dvc/")
    for forbidden in (
        lambda: s3.put_object(Bucket="photos", Key="elsewhere", Body=b"x"),
        lambda: s3.put_object(Bucket="others", Key="dvc/x", Body=b"x"),
        lambda: s3.delete_bucket(Bucket="photos"),
        lambda: s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Suspended"}),
    ):
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            forbidden()


def user_with(moto: str, statements: list[dict[str, Any]]) -> tuple[str, str]:
    """Keys of a new user with these rights alone; from then on moto checks rights."""
    iam = client("iam", moto)
    iam.create_user(UserName="user")
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=document)
    made = iam.create_access_key(UserName="user")["AccessKey"]
    tell(moto, "reset-auth", b"0")
    return made["AccessKeyId"], made["SecretAccessKey"]


def test_command_prints_the_policy_and_one_sentence_for_an_error(rclone: str):
    def run(secret: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "AWS_ENDPOINT_URL": rclone, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": secret}
        command = (sys.executable, "-m", "infra.bucket", "by-command")
        return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)

    good, bad = run("secret"), run("wrong")
    assert good.returncode == 0
    assert json.loads(good.stdout[good.stdout.index("{") :]) == least_privilege("by-command")
    assert bad.returncode == 1
    assert len(bad.stderr.splitlines()) == 1
    assert "AWS_SECRET_ACCESS_KEY" in bad.stderr


def test_no_server_there():
    with pytest.raises(StackError, match="Could not connect"):
        set_up(client("s3", "http://127.0.0.1:9"), "photos")
