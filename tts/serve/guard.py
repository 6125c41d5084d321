"""Who may ask a server on this machine: one rule for the HTTP server and the demo's page.

A browser lets any page send requests to any address, also those of the visitor's own machine, and
a name of the attacker's may point there too (DNS rebinding). So a request must name a known host,
and one that a page of another site sends, which its `Origin` tells, is refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from tts.errors import UsageError

LOCAL = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is of this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def name_of(host: str) -> str:
    """The name in a Host header, without port and brackets; "" where there is none."""
    if any(c in host for c in "/?#@\\"):  # parts of a URL, which a host has not
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


@dataclass(frozen=True)
class Access:
    """Names under which a server may be asked, and sites that may.

    Attributes:
        hosts: names of Host headers; empty for all.
        origins: other sites whose pages may ask (`check_origin`); "*" for all.
    """

    hosts: Collection[str] = LOCAL
    origins: Collection[str] = ()

    def refusal(self, scope: Mapping[str, Any]) -> str:
        """Why a request is refused, "" where it is not.

        Args:
            scope: of ASGI; `headers` and, of HTTP, `method` are looked at.
        """
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            # Browsers send one of each; where there are more, the last must not hide the first.
            if name.lower() in (b"host", b"origin") and name.lower() in headers:
                return "a request has one Host and one Origin"
            headers[name.lower()] = value
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self.hosts and name_of(host) not in self.hosts:
            return "this server does not answer to that name: see --allowed-host"
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin and not self._may_ask(origin, host):
            return "requests of other sites are refused"
        # Images and scripts of other sites come without; newer browsers tell it here. Links to the
        # page do too, and may be followed.
        other = headers.get(b"sec-fetch-site", b"").lower() in (b"cross-site", b"same-site")
        link = headers.get(b"sec-fetch-mode", b"").lower() == b"navigate"
        if other and not origin and not self.origins:
            if not link or scope.get("method", "GET") not in ("GET", "HEAD"):
                return "requests of other sites are refused"
        return ""

    def _may_ask(self, origin: str, host: str) -> bool:
        if "*" in self.origins or origin in self.origins:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc == host
        except ValueError:
            return False


def check_host(host: str) -> str:
    """A name of `--allowed-host`, as it is compared.

    Raises:
        UsageError: it is not a name alone, or "*".
    """
    plain = host.strip().lower().strip("[]").rstrip(".")
    bracketed = f"[{plain}]" if ":" in plain else plain
    if plain != "*" and (not plain or name_of(bracketed) != plain):
        raise UsageError(f"an allowed host is a name or address without port, not {host!r}")
    return plain


def check_access(
    host: str, allowed: Collection[str], key: str = "", insecure: bool = False, keyed: bool = True
) -> tuple[str, ...]:
    """Names that a server on an address answers to, () for all.

    Args:
        host: address to listen on; allowed: names that were given, "*" for all.
        key: that clients have to send; insecure: the user wants none; keyed: there can be one.

    Raises:
        UsageError: others can reach it, and names or a key are missing.
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
    """An origin as browsers send it.

    Raises:
        UsageError: it is not "*" or SCHEME://HOST[:PORT].
    """
    plain = origin.strip().lower().rstrip("/")
    try:
        parts = urlsplit(plain)
        good = plain == "*" or bool(parts.scheme and parts.netloc)
        good = good and not (parts.path.strip("*") or parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"an origin is like https://chat.example.org, or *; not {origin!r}")
    return plain
