"""Who listens on a port."""

from __future__ import annotations

import socket

import psutil

from infra.errors import StackError


def demand_free(host: str, port: int, setting: str) -> None:
    """Says so if a port cannot be listened on.

    Raises:
        StackError: It is taken, or the host is no address of this machine.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackError(
                f"Port {port} of {host} cannot be had ({error.strerror}){_holder(port)}. "
                f"End what holds it, or set {setting} in .env to another port."
            ) from None


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows them to root alone
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            process = psutil.Process(connection.pid)
            return f": {process.name()} with process id {process.pid} listens there"
    return ""
