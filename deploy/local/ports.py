"""Ports on loopback: free ones to listen on, and whether one is taken."""

import random
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"

# Both are below the range of outgoing connections. A client that keeps calling a dead listener inside that range
# can be given the listener's own port, connect to itself and so keep the listener from coming back.
ANY: Final = range(20_000, 30_000)
# For listeners that nobody else has to find, so that they never take a port which was chosen before for another.
INTERNAL: Final = range(30_000, 32_000)


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def free_ports(count: int, among: range = ANY) -> list[int]:
    """Different ports on which nobody listens now."""
    candidates = random.sample(among, k=count + 100)
    return [port for port in candidates if not is_taken(port)][:count]


def free_port(among: range = ANY) -> int:
    return free_ports(1, among)[0]
