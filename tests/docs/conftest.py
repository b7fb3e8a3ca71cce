from collections.abc import Iterator

import pytest

from tests.disks import empty_qcow2
from tests.image_server import ImageServer


@pytest.fixture
def image_server() -> Iterator[ImageServer]:
    with ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        yield server
