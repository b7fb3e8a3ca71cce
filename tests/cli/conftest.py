"""What the tests of the command line ask for."""

from tests.e2e.fixtures import images, simulated, simulated_stack

__all__ = ["images", "simulated", "simulated_stack"]
