"""What the end-to-end tests ask for."""

from tests.e2e.fixtures import (
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
