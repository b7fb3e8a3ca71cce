"""What every test may ask for, and plain words for assertions in modules that tests share."""

import pytest

SHARED = (
    "tests.api.talking",
    "tests.drivers.contract_base",
    "tests.drivers.contract_channels",
    "tests.drivers.contract_definition",
    "tests.drivers.contract_guest",
    "tests.drivers.contract_hints",
    "tests.drivers.contract_live",
    "tests.drivers.contract_power",
    "tests.drivers.contract_removal",
    "tests.drivers.contract_shape",
    "tests.drivers.contract_start",
    "tests.drivers.waiting",
    "tests.e2e.answers",
    "tests.e2e.attempts",
    "tests.e2e.audit",
    "tests.e2e.fixtures",
    "tests.e2e.kubectl",
    "tests.e2e.libvirt_host",
    "tests.e2e.stacks",
    "tests.e2e.tenant",
    "tests.faults.inside",
    "tests.faults.stack",
)
pytest.register_assert_rewrite(*SHARED)

from tests.figures import figure, pytest_terminal_summary  # noqa: E402 - registered before anything is imported
from tests.temporal_server import client, temporal_settings  # noqa: E402 - same

__all__ = ["client", "figure", "pytest_terminal_summary", "temporal_settings"]
