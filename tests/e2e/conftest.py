"""What the end-to-end tests ask for."""

from tests.e2e.fixtures import (
    images,
    padded_tiny,
    qemu,
    qemu_stack,
    simulated,
    simulated_stack,
    tiny,
)
from tests.e2e.kubectl import kubectl

__all__ = ["images", "kubectl", "padded_tiny", "qemu", "qemu_stack", "simulated", "simulated_stack", "tiny"]
