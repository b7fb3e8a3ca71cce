"""Where an image may come from, as far as the text of its URL tells; addresses are judged where sockets are made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.image import ImageSource, image_key
from manifests.base import InvalidManifestError
from manifests.image import Image, image_for, image_name
from manifests.registry import parse
from manifests.virtual_server import VirtualServer
from tests.manifests.examples import URL, at, causes, refused, virtual_server

FIELD = "spec.storage.root.source.http.url"
CHECKSUM = "spec.storage.root.source.http.checksum"
DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://127.0.0.1:8000/disk.img",
        "https://[2001:db8::1]/disk.img?version=2&token=a%40b",
        "HTTPS://images.example/disk.img",
        "https://images.example/user@host/disk.img",
    ],
)
def test_http_urls_are_accepted_unchanged(url: str) -> None:
    manifest = parse(at(virtual_server(), FIELD, url))
    assert isinstance(manifest, VirtualServer)
    assert manifest.machine().source == ImageSource(url=url)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/shadow",
        "/etc/shadow",
        "nbd://10.0.0.1:10809/disk",
        "nbd:unix:/run/nbd.sock",
        "rbd:pool/image",
        'json:{"driver":"file","filename":"/etc/shadow"}',
        "ftp://images.example/disk.img",
        "ssh://images.example/disk.img",
        "data:,disk",
        "//images.example/disk.img",
        "images.example/disk.img",
        "http:images.example",
        "http://",
        "http:///disk.img",
        "http://:80/disk.img",
        "https:/images.example/disk.img",
        "http://images.example:0/disk.img",
        "",
    ],
)
def test_whatever_is_not_http_with_a_host_is_refused(url: str) -> None:
    assert list(refused(at(virtual_server(), FIELD, url))) == [FIELD]


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/x y",
        "https://a.example/x\n",
        "https://a.example/\0",
        "https://ä.example/",
        "https://a.example/\u202e",
    ],
)
def test_characters_that_do_not_belong_in_a_url_are_refused(url: str) -> None:
    message = "a URL has neither spaces nor control nor non-ASCII characters; percent-encode them"
    assert refused(at(virtual_server(), FIELD, url)) == {FIELD: message}


@pytest.mark.parametrize("url", ["https://[::1/disk", "https://a.example:http/disk", "https://a.example:99999/disk"])
def test_what_only_looks_like_a_url_is_refused(url: str) -> None:
    assert refused(at(virtual_server(), FIELD, url)) == {FIELD: "this is not a URL; write http(s)://host/path"}


def test_a_url_longer_than_any_is_refused() -> None:
    assert list(refused(at(virtual_server(), FIELD, URL + "x" * 2048))) == [FIELD]


@pytest.mark.parametrize(
    "url",
    ["https://user:s3cret@images.example/disk", "https://s3cret@images.example/disk", "http://:s3cret@images.example/"],
)
def test_credentials_do_not_belong_in_a_url(url: str) -> None:
    assert refused(at(virtual_server(), FIELD, url)) == {FIELD: "credentials do not belong in a URL"}


@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cret@images.example/disk",
        "https://user:s3cret@images.example:port/disk",
        "https://user:s3cret@[::1/disk",
        "https://user:s3cret/disk",
        "https://user:s3cret @images.example/disk",
        "https://user:s3cret@\N{DOUBLE-STRUCK CAPITAL C}.example/disk",
        "ftp://user:s3cret@images.example/disk",
        "https://user:s3cret@",
        "https://user:s3cret@images.example/" + "x" * 2048,
    ],
)
def test_a_secret_in_a_url_is_never_repeated(url: str) -> None:
    with pytest.raises(InvalidManifestError) as refusal:
        parse(at(virtual_server(), FIELD, url))
    assert "s3cret" not in f"{refusal.value} {refusal.value!r} {refusal.value.causes}"


@given(st.text(max_size=30))
def test_whatever_is_written_for_a_host_is_accepted_or_refused_by_name(host: str) -> None:
    assert set(causes(at(virtual_server(), FIELD, f"https://{host}/disk"))) <= {FIELD}


def test_a_checksum_pins_the_bytes() -> None:
    manifest = parse(at(virtual_server(), CHECKSUM, f"sha256:{DIGEST}"))
    assert isinstance(manifest, VirtualServer)
    assert manifest.machine().source.checksum == f"sha256:{DIGEST}"


@pytest.mark.parametrize(
    "checksum",
    [
        DIGEST,
        f"md5:{DIGEST}",
        f"sha256:{DIGEST[1:]}",
        f"sha256:{DIGEST}0",
        f"SHA256:{DIGEST}",
        f"sha256:{DIGEST.upper()}",
        f"sha256:{DIGEST}\n",
    ],
)
def test_a_checksum_that_is_none_is_refused(checksum: str) -> None:
    expected = {CHECKSUM: "write sha256: and 64 lower-case hexadecimal digits"}
    assert refused(at(virtual_server(), CHECKSUM, checksum)) == expected


SOURCE = ImageSource(url=URL, checksum=f"sha256:{DIGEST}")


def test_a_source_stands_for_one_image_per_namespace() -> None:
    image = image_for("team", SOURCE)
    assert (image.namespace, image.source, image.key) == ("team", SOURCE, image_key("team", SOURCE))
    assert image.metadata.name == image_name("team", SOURCE) == f"http-{image.key[:12]}"
    assert image_name("other", SOURCE) != image_name("team", SOURCE)


def test_an_image_can_be_declared_by_hand() -> None:
    image = parse(image_for("team", SOURCE).document())
    assert isinstance(image, Image)
    assert image == image_for("team", SOURCE)
