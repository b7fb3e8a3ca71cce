"""What libvirt's errors mean, in one table.

Source: https://libvirt.org/html/libvirt-virterror.html. Codes that are answers rather than trouble (no such domain, no
such pool) are asked for with `is_code` where the question is put.
"""

import libvirt

from domain.problem import Problem, Verdict

UNREACHABLE = "HypervisorUnreachable"

_NOT_REACHED = (UNREACHABLE, Verdict.RETRY)
_BUSY = ("HypervisorBusy", Verdict.RETRY)
_REFUSED = ("HypervisorRefused", Verdict.TERMINAL)
_OTHER = ("HypervisorTrouble", Verdict.RETRY)

_TABLE = {
    libvirt.VIR_ERR_NO_CONNECT: _NOT_REACHED,
    libvirt.VIR_ERR_INVALID_CONN: _NOT_REACHED,
    libvirt.VIR_ERR_UNKNOWN_HOST: _NOT_REACHED,
    libvirt.VIR_ERR_RPC: _NOT_REACHED,
    libvirt.VIR_ERR_GNUTLS_ERROR: _NOT_REACHED,
    libvirt.VIR_ERR_LIBSSH: _NOT_REACHED,
    libvirt.VIR_ERR_SSH: _NOT_REACHED,
    libvirt.VIR_ERR_AUTH_FAILED: _NOT_REACHED,
    libvirt.VIR_ERR_AUTH_CANCELLED: _NOT_REACHED,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: _NOT_REACHED,
    libvirt.VIR_ERR_OPERATION_TIMEOUT: _BUSY,
    libvirt.VIR_ERR_RESOURCE_BUSY: _BUSY,
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE: _BUSY,
    libvirt.VIR_ERR_XML_ERROR: _REFUSED,
    libvirt.VIR_ERR_XML_DETAIL: _REFUSED,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: _REFUSED,
    libvirt.VIR_ERR_INVALID_ARG: _REFUSED,
    libvirt.VIR_ERR_NO_SUPPORT: _REFUSED,
    libvirt.VIR_ERR_OPERATION_DENIED: _REFUSED,
}
"""libvirt error code → (reason, verdict). What is not here passes, as far as anybody can tell."""

_ADVICE = {
    UNREACHABLE: "check that libvirtd runs there and that this worker may use its socket",
    "HypervisorBusy": "another operation holds it; it is tried again",
    "HypervisorRefused": "libvirt does not take what was asked for on this host; change the declaration or the host",
    "HypervisorTrouble": "it is tried again; libvirt's own log tells more",
}


def is_code(error: libvirt.libvirtError, *codes: int) -> bool:
    """Tell whether libvirt gave one of these error codes."""
    return error.get_error_code() in codes


def problem(error: libvirt.libvirtError, *, uri: str, alive: bool) -> Problem:
    """Return what an error means. On a broken connection, and from the transport, each means: not reached."""
    reached = alive and error.get_error_domain() != libvirt.VIR_FROM_RPC
    reason, verdict = _TABLE.get(error.get_error_code(), _OTHER) if reached else _NOT_REACHED
    said = " ".join((error.get_error_message() or "no message").split())
    return Problem(reason, f"libvirt says: {said}; {_ADVICE[reason]}", verdict=verdict, field=uri)


def unreachable(uri: str, why: str) -> Problem:
    """Return the problem of a hypervisor that cannot be talked to."""
    return Problem.retry(UNREACHABLE, f"{why}; {_ADVICE[UNREACHABLE]}", field=uri)
