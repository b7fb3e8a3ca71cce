"""What every test may ask for."""

from tests.figures import figure, pytest_terminal_summary
from tests.temporal_server import client, temporal_settings

__all__ = ["client", "figure", "pytest_terminal_summary", "temporal_settings"]
