"""Logging: structlog everywhere, the standard library's loggers included, one event a line on standard error.

Nothing secret is written: values under a key that names a secret are blanked, and so are credentials inside URLs. That
is the last net, not the rule; the rule is that secrets are never handed to a logger.
"""

import logging
import re
import sys

import structlog
import temporalio.activity
import temporalio.workflow
from structlog.types import EventDict, Processor, WrappedLogger

from runtime.settings import Settings

HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(r"passw|secret|token|credential|authorization|api_?key|private_?key|user_?data", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_QUIET = ("httpx", "httpcore")
"""Libraries that write every request's URL at level info; a query string may carry a token."""


def configure(settings: Settings) -> None:
    """Route every logger of this process to standard error in the form the settings ask for; calling again replaces."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(settings)],
        ),
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # The SDK's facts about the workflow or activity arrive as fields of the event; the text need not repeat them.
    temporalio.workflow.logger.workflow_info_on_message = False
    temporalio.activity.logger.activity_info_on_message = False


def _rendering(settings: Settings) -> list[Processor]:
    """Return the last processors. Tracebacks go without local variables, which may hold secrets."""
    if settings.log_format == "json":
        exceptions = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        renderer: Processor = structlog.processors.JSONRenderer(sort_keys=True)
        return [structlog.processors.ExceptionRenderer(exceptions), hide_secrets, renderer]
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [structlog.processors.format_exc_info, hide_secrets, renderer]


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank what a log must not hold; a structlog processor."""
    return {key: HIDDEN if _SECRET_KEY.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _URL_CREDENTIALS.sub(f"{HIDDEN}@", value)
    if isinstance(value, dict):
        return {key: HIDDEN if _SECRET_KEY.search(str(key)) else _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value
