"""Photos in S3: addresses, listing, reading and writing, with errors that name the object."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scenehue.errors import PhotoError, ScenehueError

S3 = "s3://"


def split_address(address: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` address.

    Raises:
        ScenehueError: It names no bucket.

    Example:
        >>> split_address("s3://archive/1920/a.jpg")
        ('archive', '1920/a.jpg')
    """
    bucket, _, key = address.removeprefix(S3).partition("/")
    if not bucket:
        raise ScenehueError(f"{address} names no bucket; write s3://BUCKET/PREFIX")
    return bucket, key


@functools.cache
def _client() -> Any:
    try:
        import boto3
    except ModuleNotFoundError as error:
        raise ScenehueError("s3:// needs one more package: pip install 'scenehue[s3]'") from error
    return boto3.client("s3")


@contextlib.contextmanager
def _s3_errors(address: str) -> Iterator[None]:
    _client()
    import boto3.exceptions
    import botocore.exceptions

    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "?")
        reason = {"NoSuchKey": "is gone", "404": "is gone", "NoSuchBucket": "has no such bucket"}.get(code, str(error))
        raise PhotoError(address, reason) from error
    except (botocore.exceptions.BotoCoreError, boto3.exceptions.Boto3Error) as error:
        raise PhotoError(address, str(error)) from error


def download(address: str) -> bytes:
    """An object's content."""
    bucket, key = split_address(address)
    with _s3_errors(address):
        content: bytes = _client().get_object(Bucket=bucket, Key=key)["Body"].read()
        return content


def listing(bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Keys and etags of all objects whose keys begin so."""
    with _s3_errors(f"{S3}{bucket}/{prefix}"):
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                yield entry["Key"], entry["ETag"].strip('"')


def upload(path: Path, bucket: str, key: str) -> None:
    """Makes a file an object."""
    with _s3_errors(f"{S3}{bucket}/{key}"):
        _client().upload_file(str(path), bucket, key)
