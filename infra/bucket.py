"""Sets a bucket up for DVC and MLflow, on any S3 server: ``python -m infra.bucket NAME``.

It may be run again at any time: what is already as it should be stays, what the server cannot do is said. Server and
keys come from the environment: AWS_ENDPOINT_URL (none for Amazon's own), AWS_ACCESS_KEY_ID and the like.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import StackError
from infra.policy import MLFLOW, least_privilege

CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
UNSUPPORTED = ("NotImplemented", "MethodNotAllowed", "BucketAlreadyExists")
"""How servers refuse to set a property they do not know; rclone takes it for another attempt to make the bucket."""
REASONS = {
    "InvalidAccessKeyId": "it does not know the key in AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID",
    "AccessDenied": "the keys lack the right to do that; set the bucket up with an administrator's",
    "BucketAlreadyExists": "somebody else has a bucket of that name; choose another in STACK_BUCKET",
    "InvalidBucketName": "that is no name for a bucket; use 3 to 63 lower-case letters, digits and hyphens",
}


@dataclass(frozen=True)
class Rule:
    """A property of a bucket: whether it is as it should be, and how to make it so."""

    title: str
    holds: Callable[[], bool]
    make: Callable[[], object]


def set_up(client: Any, bucket: str, days: int = 90) -> list[str]:
    """Makes a bucket unless it exists, and sets versioning, encryption, closure to the public, and life-cycle.

    Args:
        client: boto3's S3 client.
        bucket: The bucket's name.
        days: So long can a deleted or overwritten object be had back, where the server keeps versions; and after so
            many days the files of a run move to cheaper storage. Nothing in use is ever deleted: a commit may need
            DVC's objects, a model version a run's files.

    Returns:
        What was done: a sentence for each property.

    Raises:
        StackError: The keys are wrong or lack a right, or somebody else has a bucket of that name.
    """
    doing = "make the bucket"
    try:
        report = [_make(client, bucket)]
        for rule in _rules(client, bucket, days):
            doing = f"set the {rule.title}"
            report.append(_apply(rule))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        reason = REASONS.get(code, error.response["Error"].get("Message", code))
        raise StackError(f"S3 at {client.meta.endpoint_url} refuses to {doing} {bucket}: {reason} ({code}).") from None
    except BotoCoreError as error:
        raise StackError(f"S3 at {client.meta.endpoint_url}: {error}") from None
    return report


def _make(client: Any, bucket: str) -> str:
    try:
        client.head_bucket(Bucket=bucket)
        return f"bucket {bucket}: exists"
    except ClientError as error:
        if _status(error) not in (403, 404):
            raise
    # A refusal to look has no reason with it; the refusal to make has.
    region = client.meta.region_name
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=bucket, **place)
    return f"bucket {bucket}: made"


def _apply(rule: Rule) -> str:
    if rule.holds():
        return f"{rule.title}: as it should be"
    try:
        rule.make()
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNSUPPORTED:
            raise
    return f"{rule.title}: {'set' if rule.holds() else 'not supported by this server'}"


def _rules(client: Any, bucket: str, days: int) -> list[Rule]:
    def get(operation: str, key: str) -> Any:
        try:
            return getattr(client, operation)(Bucket=bucket).get(key)
        except ClientError as error:
            if _status(error) == 404 or error.response["Error"]["Code"] in UNSUPPORTED:
                return None
            raise

    def life_cycle() -> list[Any]:
        return get("get_bucket_lifecycle_configuration", "Rules") or []

    wanted = _life_cycle(days)
    names = {rule["ID"] for rule in wanted}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    return [
        Rule(
            "versioning",
            lambda: get("get_bucket_versioning", "Status") == "Enabled",
            lambda: client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        ),
        Rule(  # any encryption will do: a bucket may have keys of its own
            "encryption",
            lambda: bool((get("get_bucket_encryption", "ServerSideEncryptionConfiguration") or {}).get("Rules")),
            lambda: client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption),
        ),
        Rule(
            "closure to the public",
            lambda: get("get_public_access_block", "PublicAccessBlockConfiguration") == CLOSED,
            lambda: client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=CLOSED),
        ),
        Rule(  # rules of others stay
            "life-cycle",
            lambda: all(rule in life_cycle() for rule in wanted),
            lambda: client.put_bucket_lifecycle_configuration(
                Bucket=bucket,
                LifecycleConfiguration={"Rules": [*(r for r in life_cycle() if r.get("ID") not in names), *wanted]},
            ),
        ),
    ]


def _life_cycle(days: int) -> list[dict[str, Any]]:
    return [
        {
            "ID": "scenehue-deleted",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {
            "ID": "scenehue-old-runs",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{MLFLOW}/"},
            "Transitions": [{"Days": days, "StorageClass": "STANDARD_IA"}],
        },
    ]


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def main(
    bucket: Annotated[str, typer.Argument(help="The bucket's name.")],
    days: Annotated[int, typer.Option(min=30, help="How long deleted objects are kept; age of an old run.")] = 90,
) -> None:
    """Make a bucket for DVC and MLflow, or bring it up to date, and print the rights that its users need."""
    client = boto3.client("s3", config=Config(retries={"total_max_attempts": 3}, connect_timeout=5))
    try:
        print("\n".join(set_up(client, bucket, days)))
    except StackError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print("\nThe rights that the users' keys need, as a policy for IAM:")
    print(json.dumps(least_privilege(bucket), indent=2))


if __name__ == "__main__":
    typer.run(main)
