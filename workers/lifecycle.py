"""The lifecycle worker: workflows of objects with a life, and the zones' ledgers beside them."""

from collections.abc import Callable
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.clearing import Clearing
from activities.errands import Errands
from activities.problems import ProblemInterceptor
from activities.rounds import Rounds
from domain.backoff import Backoff
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE
from workflows.channel import Channel
from workflows.console import Console
from workflows.declaration import Declaration
from workflows.hypervisor import Hypervisor
from workflows.image import Image
from workflows.namespace import Namespace
from workflows.signals import SignalInterceptor
from workflows.virtual_machine import VirtualMachine
from workflows.zone import Zone

PURE = ("domain", "manifests", "lxml", "pydantic_core", "annotated_types")
"""Modules the sandbox passes through: they hold no state and reach for nothing outside."""

WORKFLOWS = (VirtualMachine, Image, Hypervisor, Console, Channel, Declaration, Namespace, Zone)
"""Every workflow there is; tests replay the golden histories against this list."""


def sandbox() -> SandboxedWorkflowRunner:
    """Return the sandbox workflows run in."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PURE))


def workers(client: Client, backoff: Backoff = Backoff()) -> list[Worker]:  # noqa: B008 - a frozen value
    """Return the workers of this process. Two, since a VM's workflow task waits for its zone's: see LEDGER_QUEUE."""
    return [
        Worker(
            client,
            task_queue=LIFECYCLE_QUEUE,
            workflows=[VirtualMachine, Image, Hypervisor, Console, Channel, Declaration, Namespace],
            activities=[*_short(Errands(client, backoff)), *_long(Rounds(client)), Clearing(client).clear],
            interceptors=[ProblemInterceptor(), SignalInterceptor()],
            workflow_runner=sandbox(),
        ),
        Worker(
            client,
            task_queue=LEDGER_QUEUE,
            workflows=[Zone],
            interceptors=[SignalInterceptor()],
            workflow_runner=sandbox(),
        ),
    ]


def _short(errands: Errands) -> list[Callable[..., Any]]:
    return [
        errands.survey,
        errands.zones,
        errands.ensure_claimed,
        errands.ensure_released,
        errands.ensure_image,
        errands.forget_image,
    ]


def _long(rounds: Rounds) -> list[Callable[..., Any]]:
    return [rounds.tell_lost, rounds.wake_unplaced]
