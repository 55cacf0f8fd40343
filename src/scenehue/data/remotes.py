"""Files elsewhere, read in stretches: over HTTP with httpx, from buckets with boto3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx

from scenehue.errors import ArtifactError

_CHUNK = 1 << 16
_TIMEOUT = 30
_S3_ATTEMPTS = 2  # of boto3, within each of ours
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class Interrupted(Exception):
    """Something went wrong that may go right the next time.

    Args:
        reason: What.
        wait: Seconds that the server asks to wait.
    """

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


class Found(NamedTuple):
    """What a server says of a file: its size, what changes with its content, and whether it gives stretches of it."""

    size: int
    version: str
    ranges: bool


class Remote(Protocol):
    """A file elsewhere. Its methods are called from several threads at once."""

    address: str

    def find(self) -> Found:
        """Looks whether it is there.

        Raises:
            ArtifactError: It is not, or may not be read.
            Interrupted: Another attempt may find it.
        """

    def read(self, start: int, stop: int, found: Found) -> Iterator[bytes]:
        """Its bytes from `start` up to `stop`, without that one.

        Raises:
            ArtifactError: It is gone, may not be read, or is another one by now.
            Interrupted: Another attempt may give the rest.
        """


class HttpRemote:
    """A file of a web server.

    Args:
        address: Its address.
        client: The connections to use.
    """

    def __init__(self, address: str, client: httpx.Client) -> None:
        self.address = address
        self._client = client

    def find(self) -> Found:
        # A first byte is asked for rather than HEAD, which many a server refuses, or answers otherwise than GET.
        with self._get({"Range": "bytes=0-0"}) as response:
            etag = response.headers.get("ETag", "")
            version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
            if response.status_code == 206:
                return Found(_total(response, self.address), version, ranges=True)
            if (size := response.headers.get("Content-Length")) is None:
                raise ArtifactError(f"{self.address}: the server does not tell the file's size; name another mirror")
            return Found(int(size), version, ranges=False)

    def read(self, start: int, stop: int, found: Found) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-{stop - 1}"} if found.ranges else {}
        if found.ranges and found.version:
            headers["If-Range"] = found.version
        with self._get(headers) as response:
            size = _total(response, self.address) if response.status_code == 206 else response.headers["Content-Length"]
            if int(size) != found.size or (found.ranges and response.status_code != 206):
                raise ArtifactError(f"{self.address} has changed while it was fetched; start again")
            # As it comes: what waits for a chunk to be full is lost with the connection.
            yield from response.iter_raw()

    @contextmanager
    def _get(self, headers: dict[str, str]) -> Iterator[httpx.Response]:
        try:
            with self._client.stream(
                "GET", self.address, headers={"Accept-Encoding": "identity"} | headers
            ) as response:
                if response.status_code in _PASSING:
                    wait = response.headers.get("Retry-After", "")
                    raise Interrupted(_answer(response), float(wait) if wait.isdecimal() else 0)
                if response.status_code not in (200, 206):
                    raise ArtifactError(
                        f"{self.address} cannot be fetched: {_answer(response)}; correct the address, or name a mirror"
                    )
                yield response
        except httpx.TransportError as error:
            raise Interrupted(str(error) or type(error).__name__) from error
        except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise ArtifactError(f"{self.address} cannot be fetched: {error}") from error


class S3Remote:
    """An object in a bucket.

    Args:
        address: ``s3://bucket/key``.
        client: boto3's, from `s3_client`.
    """

    def __init__(self, address: str, client: Any) -> None:
        self.address = address
        self._client = client
        bucket, _, key = address.removeprefix("s3://").partition("/")
        self._object = {"Bucket": bucket, "Key": key}

    def find(self) -> Found:
        with s3_errors(self.address):
            head = self._client.head_object(**self._object)
            return Found(head["ContentLength"], head["ETag"], ranges=True)

    def read(self, start: int, stop: int, found: Found) -> Iterator[bytes]:
        with s3_errors(self.address):
            # boto3 can check a whole object only, and of an empty one there is no part.
            whole = (start, stop) == (0, found.size)
            how = {"ChecksumMode": "ENABLED"} if whole else {"Range": f"bytes={start}-{stop - 1}"}
            body = self._client.get_object(**self._object, **how, IfMatch=found.version)["Body"]
            with body:
                yield from body.iter_chunks(_CHUNK)


def http_client() -> httpx.Client:
    """Connections for `HttpRemote`."""
    return httpx.Client(follow_redirects=True, timeout=_TIMEOUT)


def s3_client(endpoint: str | None = None, unsigned: bool = False) -> Any:
    """boto3's client, with credentials from where boto3 looks for them.

    Args:
        endpoint: Address of a store other than Amazon's.
        unsigned: Ask without credentials; also done where there are none.

    Raises:
        ArtifactError: boto3 is not installed, or its configuration is broken.
    """
    try:
        import boto3
        import botocore
        from botocore.config import Config
    except ImportError as error:
        raise ArtifactError("s3:// addresses need boto3: pip install 'scenehue[s3]'") from error
    try:
        session = boto3.Session()
        unsigned = unsigned or session.get_credentials() is None
        config = Config(
            signature_version=botocore.UNSIGNED if unsigned else None,
            retries={"mode": "standard", "max_attempts": _S3_ATTEMPTS},
            connect_timeout=_TIMEOUT,
            read_timeout=_TIMEOUT,
            max_pool_connections=32,
            response_checksum_validation="when_required",
        )
        region = session.region_name or "us-east-1"
        return session.client("s3", endpoint_url=endpoint, config=config, region_name=region)
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise ArtifactError(f"boto3 cannot be used: {error}") from error


@contextmanager
def s3_errors(address: str) -> Iterator[None]:
    """What boto3 raises, as our errors."""
    import urllib3
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        if status in _PASSING or code in ("SlowDown", "RequestTimeout"):
            raise Interrupted(str(error)) from error
        if status == 412:
            raise ArtifactError(f"{address} has changed while it was fetched; start again") from error
        raise ArtifactError(
            f"{address} cannot be read: {error}; correct the address, or give boto3 credentials that may"
        ) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(str(error)) from error
    except BotoCoreError as error:
        raise ArtifactError(f"{address} cannot be read: {error}") from error


def remote(address: str, client: httpx.Client) -> Remote:
    """The file at an address, ``https://``, ``http://`` or ``s3://``."""
    return S3Remote(address, s3_client()) if urlsplit(address).scheme == "s3" else HttpRemote(address, client)


def _answer(response: httpx.Response) -> str:
    return f"the server says {response.status_code} {response.reason_phrase}"


def _total(response: httpx.Response, address: str) -> int:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    if not total.isdecimal():
        raise ArtifactError(f"{address}: the server does not tell the file's size; name another mirror")
    return int(total)
