import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scenehue.errors import ArtifactError
from scenehue.scenes.teachers.files import find_weights

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def address(tmp_path, monkeypatch):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "teacher.bin").write_bytes(CONTENT)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path / "served"))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/teacher.bin"
    server.shutdown()
    server.server_close()


def cached(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_is_fetched_once(address, tmp_path):
    path = find_weights(address, SHA256)
    assert path.read_bytes() == CONTENT
    (tmp_path / "served" / "teacher.bin").unlink()
    assert find_weights(address, SHA256) == path
    assert cached(tmp_path) == [path]


def test_another_file_at_the_address_is_refused_and_not_kept(address, tmp_path):
    with pytest.raises(ArtifactError, match=r"teacher\.bin cannot be fetched"):
        find_weights(address, "0" * 64)
    assert cached(tmp_path) == []


def test_an_address_that_does_not_answer(address):
    with pytest.raises(ArtifactError, match=r"nothing\.bin cannot be fetched"):
        find_weights(address.replace("teacher.bin", "nothing.bin"), SHA256)


def test_a_spoilt_cache_is_noticed(address):
    path = find_weights(address, SHA256)
    path.write_bytes(CONTENT[:100])
    with pytest.raises(ArtifactError, match=f"{path.name} is not the file that was asked for"):
        find_weights(address, SHA256)


def test_files_of_this_machine(tmp_path):
    path = tmp_path / "teacher.bin"
    with pytest.raises(ArtifactError, match=r"teacher\.bin is missing"):
        find_weights(str(path), None)
    path.write_bytes(CONTENT)
    assert find_weights(str(path), None) == find_weights(str(path), SHA256) == path
    with pytest.raises(ArtifactError, match=r"teacher\.bin is not the file that was asked for"):
        find_weights(str(path), "0" * 64)
