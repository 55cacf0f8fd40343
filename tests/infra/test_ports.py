import os
import re
import socket

import pytest

from infra.errors import StackError
from infra.ports import demand_free


def test_taken_port_is_said_by_whom_and_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError) as caught:
            demand_free("127.0.0.1", port, "STACK_S3_PORT")
    assert re.search(rf"Port {port} .*Address already in use", str(caught.value))
    assert f"process id {os.getpid()} listens there" in str(caught.value)
    assert "set STACK_S3_PORT in .env" in str(caught.value)
    demand_free("127.0.0.1", port, "STACK_S3_PORT")


def test_address_of_another_machine():
    with pytest.raises(StackError, match=r"192\.0\.2\.1 cannot be had"):
        demand_free("192.0.2.1", 8080, "STACK_S3_PORT")
