"""Files fetched from a real server on loopback, whatever it does."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data.servers import Fault, FileServer
from scenehue.data import fetch as fetching
from scenehue.data import remotes
from scenehue.data.archives import Order, fetch_archives
from scenehue.errors import ArtifactError
from scenehue.params import Archive

PART = 1000
DATA = np.random.default_rng(0).bytes(10 * PART - 300)
SHA256 = "sha256:" + hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "PART", PART)
    monkeypatch.setattr(fetching, "_LONGEST_WAIT", 0.01)
    server = FileServer()
    server.files["/a.bin"] = DATA
    yield server
    server.close()


def order(server: FileServer, folder: Path, name: str = "a.bin", checksum: str | None = SHA256) -> Order:
    return Order(Archive(address=f"{server.address}/{name}", checksum=checksum), folder / name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith((".lock", ".fetched")))


def ranges(server: FileServer) -> Counter:
    return Counter((request.start, request.stop) for request in server.requests)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def test_all_parts_arrive_each_asked_for_once(server, tmp_path):
    fetch_archives([order(server, tmp_path / "new")])
    assert (tmp_path / "new/a.bin").read_bytes() == DATA
    assert ranges(server) == Counter((start, min(start + PART, len(DATA))) for start in range(0, len(DATA), PART))
    assert names(tmp_path / "new") == ["a.bin"]


def test_md5_will_do(server, tmp_path):
    fetch_archives([order(server, tmp_path, checksum="md5:" + hashlib.md5(DATA).hexdigest())])
    assert names(tmp_path) == ["a.bin"]


def test_what_is_there_is_not_asked_for_again(server, tmp_path):
    fetch_archives([order(server, tmp_path)])
    server.close()
    fetch_archives([order(server, tmp_path)])


def test_a_server_without_stretches_gives_it_at_once(server, tmp_path):
    server.ranges = False
    cut = iter([Fault(bytes=5000), Fault(bytes=100)])
    server.fault = lambda request: next(cut, None)
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert len(server.requests) == 3


def test_cut_connections_are_gone_on_with_where_they_ended(server, tmp_path):
    server.fault = lambda request: Fault(bytes=150)
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert sum(min(150, stop - start) for start, stop in ranges(server).elements()) == len(DATA)


@pytest.mark.parametrize("fault", [Fault(503), Fault(503, retry_after="1"), Fault(429), Fault(500), Fault(bytes=0)])
def test_errors_that_pass_are_waited_for(server, tmp_path, fault):
    troubled = set()
    server.fault = lambda request: None if request in troubled else troubled.add(request) or fault
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert set(ranges(server).values()) == {2}


def test_the_server_says_how_long_to_wait(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(fetching, "_LONGEST_WAIT", 30)
    monkeypatch.setattr(fetching, "sleep_using_event", lambda event: waits.append)
    monkeypatch.setattr(fetching, "wait_random_exponential", lambda **_: lambda state: 0.5)
    faults = iter([Fault(503, retry_after="7"), Fault(503), Fault(503, retry_after="9999")])
    server.fault = lambda request: next(faults, None)
    monkeypatch.setattr(fetching, "_THREADS", 1)
    fetch_archives([order(server, tmp_path)])
    assert waits == [7, 0.5, 30]


def test_a_stalled_connection_is_given_up_and_asked_anew(server, tmp_path, monkeypatch):
    monkeypatch.setattr(remotes, "_TIMEOUT", 0.2)
    stalled = iter([Fault(stall=1.5)])
    server.fault = lambda request: next(stalled, None)
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_server_that_stays_down_is_an_error_after_some_attempts(server, tmp_path):
    server.fault = lambda request: Fault(503) if request.start == 3 * PART else None
    with pytest.raises(ArtifactError, match=r"/a\.bin cannot be fetched, after 8 attempts: the server says 503"):
        fetch_archives([order(server, tmp_path)])
    assert "a.bin" not in names(tmp_path)
    before = len(server.requests)
    server.fault = lambda request: None
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert len(server.requests) - before < 10


def test_no_server_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_LONGEST_WAIT", 0.01)
    server = FileServer()
    server.close()
    with pytest.raises(ArtifactError, match="cannot be fetched, after 8 attempts"):
        fetch_archives([order(server, tmp_path)])


def test_a_wrong_address_is_an_error_at_once(server, tmp_path):
    with pytest.raises(ArtifactError, match=r"/b\.bin cannot be fetched: the server says 404 Not Found; correct the"):
        fetch_archives([order(server, tmp_path, "b.bin")])
    assert names(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    server.files["/a.bin"] = DATA[:-1] + b"x"
    with pytest.raises(ArtifactError, match=rf"has the checksum sha256:[0-9a-f]+, not {SHA256}"):
        fetch_archives([order(server, tmp_path)])
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [zipped(a=DATA)[:-60], b"<html>" * 200])
def test_a_truncated_zip_leaves_nothing(server, tmp_path, content):
    server.files["/a.zip"] = content
    with pytest.raises(ArtifactError, match=r"/a\.zip is no zip, or a truncated one"):
        fetch_archives([order(server, tmp_path, "a.zip", checksum=None)])
    assert names(tmp_path) == []


def test_a_whole_zip_needs_no_checksum(server, tmp_path):
    server.files["/a.zip"] = zipped(a=DATA)
    fetch_archives([order(server, tmp_path, "a.zip", checksum=None)])
    assert names(tmp_path) == ["a.zip"]


def test_too_little_room_is_told_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = fetching.shutil.disk_usage(tmp_path)._replace(free=9000 + fetching._SPARE)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage)
    server.files["/b.bin"] = DATA[:100]
    orders = [order(server, tmp_path), order(server, tmp_path, "b.bin", None)]
    with pytest.raises(ArtifactError, match=r"needs 9\.8 kB more, but only 67\.\d MB are free; make room"):
        fetch_archives(orders)
    assert server.requests == []


def test_a_disk_that_fills_up_keeps_what_was_fetched(server, tmp_path, monkeypatch):
    room = 4500

    def pwrite(file, data, place, pwrite=os.pwrite):
        nonlocal room
        room -= len(data)
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(file, data, place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        patch.setattr(fetching, "_THREADS", 1)
        with pytest.raises(ArtifactError, match=r"a\.bin cannot be written: No space left on device; what was fetched"):
            fetch_archives([order(server, tmp_path)])
    assert "a.bin" not in names(tmp_path)
    server.requests.clear()
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert sorted(request.start for request in server.requests) == list(range(4 * PART, 10 * PART, PART))


def test_a_disk_that_takes_a_part_of_a_chunk_gets_the_rest_to_its_place(server, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", lambda file, data, place, pwrite=os.pwrite: pwrite(file, data[:7], place))
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA


KILLED = """
import sys
from pathlib import Path
from scenehue.data import fetch
from scenehue.data.archives import Order, fetch_archives
from scenehue.params import Archive
fetch.PART, fetch._THREADS = 1000, 1
fetch_archives([Order(Archive(address=sys.argv[1], checksum=sys.argv[2]), Path(sys.argv[3]))])
"""


def test_a_killed_fetch_is_gone_on_with(server, tmp_path):
    reached = threading.Event()

    def stall_at_the_seventh(request):
        if request.start != 6 * PART:
            return None
        reached.set()
        return Fault(stall=1)

    server.fault = stall_at_the_seventh
    wanted = archive, path = order(server, tmp_path)
    process = subprocess.Popen([sys.executable, "-c", KILLED, archive.address, archive.checksum, str(path)])
    assert reached.wait(30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    server.requests.clear()
    fetch_archives([wanted])
    assert path.read_bytes() == DATA
    assert sorted(request.start for request in server.requests) == [6000, 7000, 8000, 9000]
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("lines", ["", "{", "\n\n", "0\n1000\n", '["x"]\n0\n'])
def test_a_damaged_list_of_parts_starts_from_the_beginning(server, tmp_path, lines):
    (tmp_path / ".a.bin.partial").write_bytes(b"x" * len(DATA))
    (tmp_path / ".a.bin.parts").write_text(lines)
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_line_that_was_half_written_counts_for_nothing(server, tmp_path):
    server.fault = lambda request: Fault(404) if request.start >= 2 * PART else None
    with pytest.raises(ArtifactError):
        fetch_archives([order(server, tmp_path)])
    with (tmp_path / ".a.bin.parts").open("a") as file:
        file.write("3000")  # of 30000, say
    server.fault = lambda request: None
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_parts_of_what_has_changed_since_are_not_mixed(server, tmp_path):
    server.fault = lambda request: Fault(404) if request.start >= 5 * PART else None
    with pytest.raises(ArtifactError):
        fetch_archives([order(server, tmp_path)])
    other = server.files["/a.bin"] = DATA[::-1]
    server.fault = lambda request: None
    fetch_archives([order(server, tmp_path, checksum=None)])
    assert (tmp_path / "a.bin").read_bytes() == other


def test_a_file_that_changes_meanwhile_is_an_error(server, tmp_path):
    def change(request):
        server.files["/a.bin"] = DATA[::-1]

    server.fault = change
    with pytest.raises(ArtifactError, match="has changed while it was fetched; start again"):
        fetch_archives([order(server, tmp_path)])
    assert "a.bin" not in names(tmp_path)


def test_a_file_put_there_by_hand_is_taken_if_it_is_the_right_one(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(DATA)
    fetch_archives([order(server, tmp_path)])
    assert server.requests == []
    (tmp_path / "a.bin").write_bytes(DATA[::-1])
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_another_checksum_or_address_fetches_again(server, tmp_path):
    fetch_archives([order(server, tmp_path)])
    other = server.files["/a.bin"] = DATA[::-1]
    fetch_archives([order(server, tmp_path)])
    assert (tmp_path / "a.bin").read_bytes() == DATA
    fetch_archives([order(server, tmp_path, checksum="sha256:" + hashlib.sha256(other).hexdigest())])
    assert (tmp_path / "a.bin").read_bytes() == other
    server.files["/mirror/a.bin"] = DATA
    mirror = Archive(address=f"{server.address}/mirror/a.bin")
    fetch_archives([Order(mirror, tmp_path / "a.bin")])
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_of_several_who_want_it_one_fetches_it(server, tmp_path):
    server.fault = lambda request: Fault(stall=0.05)
    threads = [threading.Thread(target=fetch_archives, args=([order(server, tmp_path)],)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert len(server.requests) == 10
