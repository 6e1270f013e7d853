"""Call addresses that users name, and never a host of our own network: public targets only, checked at connect.

The name is resolved once; every address it has must be public; the connection goes to the address that was checked,
so that an answer of the name server that changes in between (DNS rebinding) cannot redirect it. No redirects.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, urlsplit

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
# All in all: a receiver that sends a letter now and then would hold the worker for days.
TOTAL_SECONDS = 20.0
READ_BYTES = 1024
# What `is_global` lets pass, some of it only in older Pythons: ranges through which an IPv6 address reaches an IPv4 one
# (NAT64, 6to4, Teredo), protocols and documentation (RFC 6890, RFC 7526, RFC 9637), and the inside of a cloud that has
# a public number. 192.0.0.192 and 168.63.129.16 are metadata services.
NOT_PUBLIC = [
    ip_network(net)
    for net in (
        "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/23", "3fff::/20",
        "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32",
    )
]  # fmt: skip
# All that is given out to the internet in IPv6; the rest, such as fec0::/10 and ::/96, leads elsewhere or nowhere.
GLOBAL_IPV6 = ip_network("2000::/3")
# What a path and a query may hold as it stands (RFC 3986); the rest is encoded.
AS_IT_IS = "%/?:@!$&'()*+,;=-._~"
Address = IPv4Address | IPv6Address


class BadTarget(Exception):
    """This address must not be called; the text says why and may be shown."""


class Unreachable(Exception):
    """The call did not get an answer; the text may be shown."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and how long it took."""

    status: int
    took_ms: int


def is_public(address: Address) -> bool:
    """Tell whether an address is one that everybody on the internet can reach."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if mapped is not None:
        return is_public(mapped)
    if isinstance(address, IPv6Address) and address not in GLOBAL_IPV6:
        return False
    return address.is_global and not address.is_multicast and not any(address in net for net in NOT_PUBLIC)


def check_url(url: str, private: bool = False) -> tuple[str, str, int]:
    """Return (scheme, host, port) of an address that may be called; raise BadTarget for any other."""
    if any(char <= " " or char == "\x7f" for char in url):
        raise BadTarget("It must hold neither spaces nor control characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadTarget("It is no URL.") from error
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise BadTarget("It must begin with https://.")
    if not host or parts.username or parts.password or not host.isascii():
        raise BadTarget("It must name a host, and neither user nor password.")
    if not private and port not in (None, 443, 8443):
        raise BadTarget("Only the ports 443 and 8443 are called.")
    if not private and not may_be_public(host):
        raise BadTarget("It is not on the public internet.")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def may_be_public(host: str) -> bool:
    """Tell of an address that it is public; of a name that nobody knows yet where it leads."""
    try:
        return is_public(ip_address(host.partition("%")[0]))
    except ValueError:
        return host.rstrip(".") != "localhost" and not host.rstrip(".").endswith(".localhost")


def resolve(host: str, port: int, private: bool = False) -> str:
    """Return an address of a host after checking all of them."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise Unreachable("The host is not known.") from error
    addresses = [ip_address(str(one).partition("%")[0]) for one in found]
    if not private and not all(is_public(one) for one in addresses):
        raise BadTarget("The host is not on the public internet.")
    return str(sorted(addresses, key=lambda one: (one.version, int(one)))[0])


def post(url: str, body: bytes, headers: Mapping[str, str], private: bool = False) -> Answer:
    """POST to an address a user has named. `private` allows private targets: tests and development only."""
    scheme, host, port = check_url(url, private)
    address = resolve(host, port, private)
    parts = urlsplit(url)
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=AS_IT_IS)
    named = f"[{host}]" if ":" in host else host
    standard = port == (443 if scheme == "https" else 80)
    sent = {**headers, "Host": named if standard else f"{named}:{port}", "Accept-Encoding": "identity"}
    began = time.monotonic()
    try:
        with connect_to(scheme, address, port, host) as line:
            connection = http.client.HTTPConnection(host, port)
            connection.sock = line
            connection.request("POST", path, body, sent)
            answer = connection.getresponse()
            answer.read(READ_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"No answer: {type(error).__name__}.") from error
    return Answer(answer.status, int((time.monotonic() - began) * 1000))


@contextlib.contextmanager
def connect_to(scheme: str, address: str, port: int, host: str) -> Iterator[socket.socket]:
    """Yield a connection to a checked address, for a while; TLS is for the name, not for the address."""
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(socket.create_connection((address, port), CONNECT_SECONDS))
        line.settimeout(READ_SECONDS)
        stack.enter_context(cut_off(line))
        if scheme == "https":
            context = ssl.create_default_context()
            # OpenSSL would take the subject's common name where a certificate names no host (RFC 9525 forbids it).
            context.hostname_checks_common_name = False
            line = stack.enter_context(context.wrap_socket(line, server_hostname=host))
        yield line


@contextlib.contextmanager
def cut_off(line: socket.socket) -> Iterator[None]:
    """End a connection that is still in use when its time is over, in whichever layer something waits for it."""
    same = line.dup()

    def end() -> None:
        with contextlib.suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TOTAL_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        same.close()
