"""Real servers on loopback: one for HTTP that can be told to misbehave, and two for S3."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import boto3


class Request(NamedTuple):
    """What somebody asked for; the bytes from `start` up to `stop`, all of them if no range was named."""

    path: str
    start: int
    stop: int


class Fault(NamedTuple):
    """What to do to a request: an error's status and header, or a stop of some seconds, or an end after some bytes."""

    status: int = 0
    retry_after: str = ""
    stall: float = 0
    bytes: int = 1 << 62


class FileServer:
    """Serves files from memory over HTTP, with ranges and etags.

    Attributes:
        files: What there is, by path.
        ranges: Whether it gives stretches.
        fault: Is asked before each answer to a request for more than one byte; None answers it well.
        requests: All such requests, in order.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self.requests: list[Request] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                server.answer(self)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        data = self.files.get(handler.path)
        if data is None:
            handler.send_error(404)
            return
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        asked = handler.headers.get("Range", "") if self.ranges else ""
        if handler.headers.get("If-Range", etag) != etag:
            asked = ""
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, stop = (int(first), min(int(last) + 1, len(data))) if asked else (0, len(data))
        fault = Fault()
        if stop - start > 1:
            self.requests.append(Request(handler.path, start, stop))
            fault = self.fault(self.requests[-1]) or Fault()
        if fault.status:
            handler.send_response(fault.status)
            handler.send_header("Content-Length", "0")
            if fault.retry_after:
                handler.send_header("Retry-After", fault.retry_after)
            handler.end_headers()
            return
        handler.send_response(206 if asked else 200)
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        if self.ranges:
            handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(stop - start))
        handler.end_headers()
        try:
            time.sleep(fault.stall)
            handler.wfile.write(data[start:stop][: fault.bytes])
            handler.wfile.flush()
        except OSError:  # who asked has gone
            pass
        if fault.bytes < stop - start:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)


class Bucket(NamedTuple):
    """A bucket of a store on loopback."""

    endpoint: str
    client: object

    def put(self, **objects: bytes) -> None:
        for key, data in objects.items():
            self.client.put_object(Bucket="photos", Key=key, Body=data)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket="photos", Key=key)


KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "not-so-secret"}


@contextmanager
def moto_bucket() -> Iterator[Bucket]:
    """A bucket of moto's server, which takes any credentials."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _bucket(f"http://{host}:{port}")
    finally:
        server.stop()


@contextmanager
def rclone_bucket(folder: Path) -> Iterator[Bucket]:
    """A bucket of rclone's server, which refuses wrong credentials."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "photos").mkdir(parents=True)
    key = ",".join(KEYS.values())
    command = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", key, "--vfs-cache-mode", "off", str(folder)]
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / "rclone"), *command], stderr=subprocess.DEVNULL, env=os.environ
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield _bucket(f"http://127.0.0.1:{port}", make=False)
    finally:
        server.terminate()
        server.wait(10)


def _bucket(endpoint: str, make: bool = True) -> Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    if make:
        client.create_bucket(Bucket="photos")
    return Bucket(endpoint, client)
