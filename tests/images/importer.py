"""An importer in a process of its own, to be killed: prints `<stage> <done>` for every beat and `published` at the end.

Arguments: folder, key, URL.
"""

import sys
from ipaddress import ip_network
from pathlib import Path

from domain.image import ImageSource, ImportProgress
from images.cache import ImageCache
from images.policy import FetchPolicy


def tell(progress: ImportProgress) -> None:
    print(progress.stage, progress.done, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    folder, key, url = sys.argv[1:]
    policy = FetchPolicy(allowed_networks=(ip_network("127.0.0.0/8"),))
    ImageCache(Path(folder)).ensure(key, ImageSource(url=url), policy=policy, beat=tell)
    print("published", flush=True)  # noqa: T201 - the test reads it
