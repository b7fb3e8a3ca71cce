"""Which URLs an import may ask for. Pure.

Addresses are judged later, where sockets are made (`network`): a check of the text alone could be talked around.
"""

import httpx

from images.refusal import refused

_SCHEMES = frozenset({"http", "https"})


def parse_source(text: str) -> httpx.URL:
    """Return the URL of an image; raise Problem.terminal `InvalidSource` when it may not be asked for at all.

    Refused are other schemes (`file:`, `nbd:`, `json:`), URLs without a host, and credentials: they would end up in
    manifests, histories and logs.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise refused("InvalidSource", "this is not a URL; write http(s)://host/path") from None
    if url.scheme not in _SCHEMES or not url.host:
        raise refused("InvalidSource", "only http:// and https:// URLs with a host are fetched")
    if url.userinfo:
        raise refused("InvalidSource", f"the URL of {shown(url)} carries credentials; serve the image without them")
    return url.copy_with(fragment=None)


def shown(url: httpx.URL) -> str:
    """Return the URL as people may see it: no credentials, and no query, since signed URLs keep their secret there."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


def next_hop(url: httpx.URL, location: str, *, pinned: bool) -> httpx.URL:
    """Return where a redirect leads; raise Problem.terminal when it leads where it must not.

    From https to http only a pinned image may go: without a checksum nothing else would vouch for its bytes.
    """
    try:
        target = parse_source(str(url.join(location)))
    except httpx.InvalidURL:
        raise refused("InvalidSource", f"{shown(url)} redirects to something that is not a URL") from None
    if url.scheme == "https" and target.scheme == "http" and not pinned:
        raise refused("ImageSourceRefused", f"{shown(url)} redirects from https to http; pin a checksum to allow that")
    return target
