"""How long a guest that keeps ending is left alone before it is started again.

Source: the kubelet's restart of containers: the first restart at once, then 10 s doubling to 5 min, forgotten after ten
minutes of health. KubeVirt delays guests that fail to start only; here one that runs and then crashes waits as well.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Annotated

from pydantic import Field

from domain.model import Value

JITTER = 0.1
"""By what share a delay may be longer or shorter, so that guests which ended together do not start together."""


class Backoff(Value):
    """The delays in force for a VM, in seconds.

    first:   before the second restart in a row; the first one is not delayed.
    factor:  what each further delay is multiplied by.
    cap:     the longest delay, before jitter.
    healthy: an incarnation that lived this long ends the row.
    """

    first: Annotated[float, Field(gt=0)] = 10.0
    factor: Annotated[float, Field(ge=1)] = 2.0
    cap: Annotated[float, Field(gt=0)] = 300.0
    healthy: Annotated[float, Field(gt=0)] = 600.0


def delay(backoff: Backoff, ends: int, uid: str) -> timedelta:
    """Return how long a guest that ended `ends` times in a row (1 or more) waits before it is started again.

    The jitter is drawn from the VM's UID and the count, so that a decision taken twice is the same decision.
    """
    if ends <= 1:
        return timedelta()
    grown = backoff.first * backoff.factor ** min(ends - 2, 64)
    drawn = sha256(f"{uid}:{ends}".encode()).digest()[0] / 255
    return timedelta(seconds=min(grown, backoff.cap) * (1 + JITTER * (2 * drawn - 1)))
