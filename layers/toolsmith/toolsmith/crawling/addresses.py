"""Which addresses may be asked: https, a host of the source, public IP addresses only."""

import ipaddress
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from toolsmith.crawling.faults import UrlRefused
from toolsmith.crawling.sources import Source

Resolver = Callable[[str], Iterable[str]]
"""Host name -> its addresses as text."""

# Prefixes that carry an IPv4 address inside: mapped, NAT64, 6to4, Teredo.
_TUNNELS = tuple(ipaddress.ip_network(one) for one in ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32"))


def check_url(url: str, source: Source) -> str:
    """The host of an allowed URL. Raises UrlRefused("scheme" | "userinfo" | "port" | "host" | "url")."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UrlRefused("url", url) from None
    if parts.scheme != "https":
        raise UrlRefused("scheme", url)
    if "@" in parts.netloc:
        raise UrlRefused("userinfo", url)
    if port not in (None, 443):
        raise UrlRefused("port", url)
    if host not in source.hosts:
        raise UrlRefused("host", url)
    return host


def public_address(host: str, resolve: Resolver, url: str) -> str:
    """The address to connect to. One private answer among several refuses all (DNS rebinding)."""
    answers = list(resolve(host))
    if not answers:
        raise UrlRefused("unresolved", url)
    for answer in answers:
        if not _is_public(answer):
            raise UrlRefused("private_address", f"{url} -> {answer}")
    return answers[0]


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if any(address in tunnel for tunnel in _TUNNELS):
        return False
    return address.is_global and not address.is_multicast
