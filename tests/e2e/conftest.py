"""What the end-to-end tests ask for, and plain words for assertions in modules they share."""

import pytest

for module in ("answers", "fixtures", "libvirt_host", "stacks", "tenant"):
    pytest.register_assert_rewrite(f"tests.e2e.{module}")

from tests.e2e.fixtures import (  # noqa: E402 - what is rewritten must be registered before it is imported
    alone,
    images,
    padded_tiny,
    qemu,
    qemu_stack,
    simulated,
    simulated_stack,
    tiny,
    turn,
)

__all__ = ["alone", "images", "padded_tiny", "qemu", "qemu_stack", "simulated", "simulated_stack", "tiny", "turn"]
