"""`vmflow.dev/v1alpha1` Image: a disk image with a life of its own."""

from typing import Literal

from domain.image import ImageSource, image_key
from manifests.base import ApiVersion, Manifest, NamespacedMeta, Schema
from manifests.virtual_server import HttpSource, Source


class ImageSpec(Schema):
    """Where the image comes from."""

    source: Source


class Image(Manifest):
    """A disk image: imported once per hypervisor however many VMs want it, verified, cached, and gone when unused."""

    api_version: ApiVersion
    kind: Literal["Image"]
    metadata: NamespacedMeta
    spec: ImageSpec

    @property
    def source(self) -> ImageSource:
        """The source as the domain knows it."""
        return ImageSource(url=self.spec.source.http.url, checksum=self.spec.source.http.checksum)

    @property
    def key(self) -> str:
        """The key under which it is cached."""
        return image_key(self.metadata.namespace, self.source)


def image_name(namespace: str, source: ImageSource) -> str:
    """Return the name of the Image that serves every VM of a namespace with this source."""
    return f"http-{image_key(namespace, source)[:12]}"


def image_for(namespace: str, source: ImageSource) -> Image:
    """Return the Image a VM's source stands for."""
    return Image(
        api_version="vmflow.dev/v1alpha1",
        kind="Image",
        metadata=NamespacedMeta(name=image_name(namespace, source), namespace=namespace),
        spec=ImageSpec(source=Source(http=HttpSource(url=source.url, checksum=source.checksum))),
    )
