"""The networks that an API key allows: config reads and stores them, and config and ingress look senders up in them."""

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def network_of(text: str) -> Network:
    """Read an address or a network in CIDR notation; IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2) is IPv4.

    Raises:
        ValueError: it is neither, or has bits beyond its prefix.
    """
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        prefix_length = network.prefixlen - _MAPPED.prefixlen
        return ipaddress.IPv4Network((network.network_address.packed[-4:], prefix_length))
    return network


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Whether a sender's address is in one of these; what is no address is in none."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)
