"""What may change our mind about a VM. Everything else is trouble in reaching it, which is not a fact.

Rules: a timeout, a refused connection, a server's error or an unreachable host changes no state and never makes a
second copy elsewhere. A guest counts as gone, or may be started elsewhere, only on the evidence named here. Facts carry
the incarnation and the number of its power-on; what is older changes nothing.
"""

from enum import StrEnum

from domain.guest import Observation, Power


class Evidence(StrEnum):
    """Why a guest is known not to run. The list is whole: nothing else is evidence."""

    NO_SUCH_DOMAIN = "NoSuchDomain"
    """The hypervisor answered, and said that there is no such domain."""
    SEEN_OFF = "SeenOff"
    """The hypervisor answered, and said that the domain is off."""


def evidence(seen: Observation | None) -> Evidence | None:
    """Return on what evidence a guest does not run; None when it runs, or when nobody could say (`seen` is None)."""
    if seen is None or seen.alive:
        return None
    return Evidence.NO_SUCH_DOMAIN if seen.power is Power.ABSENT else Evidence.SEEN_OFF


def outdated(known: Observation, seen: Observation) -> bool:
    """Return whether a report is older than what is known: it tells of an earlier power-on.

    A number of 0 says nothing about age: a domain that was built anew has forgotten its numbers.
    """
    return 0 < seen.start < known.start
