"""A real client some of whose calls go past a test on their way."""

from collections.abc import Callable

from temporalio.client import Client, Interceptor, OutboundInterceptor

Tap = Callable[[OutboundInterceptor], OutboundInterceptor]
"""Stands before the calls it is given, and changes or counts some of them."""


class _Tapping(Interceptor):
    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return self._tap(next)


def tapped(client: Client, tap: Tap) -> Client:
    """Return another client of the same server, whose calls go through a tap."""
    return Client(
        client.service_client,
        namespace=client.namespace,
        data_converter=client.data_converter,
        interceptors=[_Tapping(tap)],
    )
