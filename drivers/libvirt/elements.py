"""lxml's element builder, with types: `E.disk(E.target(dev="vda"), type="file")`."""

from collections.abc import Callable

from lxml import etree
from lxml.builder import ElementMaker  # type: ignore[import-not-found] # lxml-stubs leave it out


class Elements:
    """Makes elements of one namespace, or of none. Texts are escaped; ValueError for characters XML cannot hold."""

    def __init__(self, namespace: str | None = None, prefix: str | None = None) -> None:
        self._maker = ElementMaker(namespace=namespace, nsmap={prefix: namespace} if namespace else None)

    def __getattr__(self, tag: str) -> Callable[..., etree._Element]:
        """Return what makes an element of that tag from children (elements, texts) and attributes."""
        made: Callable[..., etree._Element] = getattr(self._maker, tag)
        return made


E = Elements()
