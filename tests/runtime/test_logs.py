import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

PROLOGUE = """
import logging
import structlog
from runtime.logs import configure
from runtime.settings import Settings
configure(Settings(log_format={format!r}, log_level="info"))
log = structlog.get_logger("test")
"""


def written(program: str, *, log_format: str = "json") -> list[str]:
    """Run a program that logs, in a process of its own: logging is a process-wide matter."""
    text = PROLOGUE.format(format=log_format) + program
    outcome = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert outcome.stdout == ""
    return outcome.stderr.splitlines()


def event(program: str) -> dict[str, Any]:
    (line,) = written(program)
    loaded: dict[str, Any] = json.loads(line)
    return loaded


def test_an_event_is_one_json_object_with_its_facts() -> None:
    logged = event("log.info('guest started', uid='7f', domain='managed-virtualserver-9dda9')")
    assert logged["event"] == "guest started"
    assert (logged["uid"], logged["domain"]) == ("7f", "managed-virtualserver-9dda9")
    assert (logged["level"], logged["logger"]) == ("info", "test")


def test_times_are_iso_in_utc() -> None:
    stamp = datetime.fromisoformat(event("log.info('x')")["timestamp"])
    assert stamp.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - stamp) < timedelta(minutes=1)


def test_the_standard_library_s_loggers_take_the_same_form_with_their_extras() -> None:
    logged = event("logging.getLogger('temporalio.worker').warning('slow %s', 'poll', extra={'queue': 'lifecycle'})")
    assert (logged["event"], logged["logger"], logged["queue"]) == ("slow poll", "temporalio.worker", "lifecycle")


def test_an_exception_is_part_of_its_event() -> None:
    logged = event("try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('broken')")
    assert logged["exception"][0]["exc_type"] == "ZeroDivisionError"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_local_variables_and_no_credentials(log_format: Literal["json", "console"]) -> None:
    program = """
def fetch(passphrase):
    raise OSError("cannot read https://ada:lovelace@example.com/")
try:
    fetch("hunter2" + "x")
except OSError:
    log.exception("broken")
"""
    text = "\n".join(written(program, log_format=log_format))
    assert "cannot read https://" in text
    assert "hunter2x" not in text
    assert "lovelace" not in text


def test_events_below_the_level_are_not_written() -> None:
    assert written("log.debug('detail')") == []


def test_requests_are_not_written_because_their_addresses_may_hold_tokens() -> None:
    assert written("logging.getLogger('httpx').info('HTTP Request: GET https://x/?sig=abc')") == []


def test_values_under_a_secret_s_name_are_blanked_however_deep() -> None:
    logged = event("log.info('x', password='hunter2', headers={'Authorization': 'Bearer abc'}, size=3)")
    assert "hunter2" not in str(logged)
    assert "abc" not in str(logged)
    assert logged["size"] == 3


def test_credentials_inside_addresses_are_blanked() -> None:
    logged = event("log.info('fetching https://ada:lovelace@example.com/disk.img')")
    assert "lovelace" not in logged["event"]
    assert "example.com/disk.img" in logged["event"]


def test_the_console_form_is_for_people() -> None:
    (line,) = written("log.warning('no room', zone='local')", log_format="console")
    assert "no room" in line
    assert "zone=local" in line


def test_configuring_twice_writes_an_event_once() -> None:
    assert len(written("configure(Settings(log_format='json'))\nlog.info('x')")) == 1
