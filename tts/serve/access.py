"""Access control by host name and origin, for the HTTP server and the page of the demo.

A browser lets any page send requests to any address, also to the visitor's own machine, and a host
name of an attacker may point there too (DNS rebinding). Therefore the `Host` header of a request
must name a known host, and a request that a page of another site sends, which its `Origin` header
tells, is refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from tts.errors import UsageError

#: host names of this machine
LOCAL = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on can be reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_name(header: str) -> str:
    """Return the name in a Host header without port and brackets; "" if there is none."""
    if any(c in header for c in "/?#@\\"):  # parts of a URL that a host does not have
        return ""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


@dataclass(frozen=True)
class Access:
    """The requests that a server answers.

    Attributes:
        hosts: names that Host headers may have; empty for all.
        origins: origins of other sites whose pages may send requests (`check_origin`); "*" for all.
    """

    hosts: Collection[str] = LOCAL
    origins: Collection[str] = ()

    def refusal(self, scope: Mapping[str, Any]) -> str:
        """Return why a request is refused; "" if it is not.

        Args:
            scope: connection scope of ASGI; its `headers` and, if it has one, `method` are used.
        """
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            # Browsers send one of each. If there are more, the last must not hide the first.
            if name.lower() in (b"host", b"origin") and name.lower() in headers:
                return "a request has one Host and one Origin"
            headers[name.lower()] = value
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self.hosts and host_name(host) not in self.hosts:
            return "this server does not answer to that name: see --allowed-host"
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin and not self._allows(origin, host):
            return "requests of other sites are refused"
        # Requests for images and scripts have no Origin; newer browsers tell here that another site
        # sends them. A link to the page is told so too, and may be followed.
        is_cross_site = headers.get(b"sec-fetch-site", b"").lower() in (b"cross-site", b"same-site")
        is_link = headers.get(b"sec-fetch-mode", b"").lower() == b"navigate"
        if is_cross_site and not origin and not self.origins:
            if not is_link or scope.get("method", "GET") not in ("GET", "HEAD"):
                return "requests of other sites are refused"
        return ""

    def _allows(self, origin: str, host: str) -> bool:
        """Return whether pages of an origin may send requests to a host."""
        if "*" in self.origins or origin in self.origins:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc == host
        except ValueError:
            return False


def check_host(host: str) -> str:
    """Return a host name of `--allowed-host` in the form in which it is compared.

    Raises:
        UsageError: it is neither a name alone nor "*".
    """
    plain = host.strip().lower().strip("[]").rstrip(".")
    bracketed = f"[{plain}]" if ":" in plain else plain
    if plain != "*" and (not plain or host_name(bracketed) != plain):
        raise UsageError(f"an allowed host is a name or address without port, not {host!r}")
    return plain


def check_access(
    host: str, allowed: Collection[str], key: str = "", insecure: bool = False, keyed: bool = True
) -> tuple[str, ...]:
    """Return the host names that a server on an address answers to; () for all.

    Args:
        host: address to listen on.
        allowed: names that the user gave; "*" for all.
        key: API key that clients have to send; "" for none.
        insecure: whether the user wants neither names nor a key.
        keyed: whether the server can ask for a key.

    Raises:
        UsageError: other machines can reach the address, and names or a key are missing.
    """
    names = tuple(check_host(each) for each in allowed)
    if not is_loopback(host) and not insecure:
        missing = [] if names else ["--allowed-host NAME (what clients call this machine)"]
        if keyed and not key:
            missing.append("a key in TTS_API_KEY")
        if missing:
            raise UsageError(
                f"others can reach {host}: give {' and '.join(missing)}, or --insecure to let "
                "everybody use it"
            )
    if "*" in names or (insecure and not names):
        return ()
    own = () if host in ("0.0.0.0", "::", "") else (host.lower(),)
    return tuple(dict.fromkeys((*LOCAL, *own, *names)))


def check_origin(origin: str) -> str:
    """Return an origin in the form in which browsers send it.

    Raises:
        UsageError: it is neither "*" nor SCHEME://HOST[:PORT].
    """
    plain = origin.strip().lower().rstrip("/")
    try:
        parts = urlsplit(plain)
        is_valid = plain == "*" or bool(parts.scheme and parts.netloc)
        is_valid = is_valid and not (parts.path.strip("*") or parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        is_valid = False
    if not is_valid:
        raise UsageError(f"an origin is like https://chat.example.org, or *; not {origin!r}")
    return plain
