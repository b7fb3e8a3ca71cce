"""The lifecycle worker: workflows of objects with a life, and the zones' ledgers beside them."""

from collections.abc import Callable
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.errands import Errands
from activities.problems import ProblemInterceptor
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE
from workflows.console import Console
from workflows.hypervisor import Hypervisor
from workflows.image import Image
from workflows.signals import SignalInterceptor
from workflows.virtual_machine import VirtualMachine
from workflows.zone import Zone

PURE = ("domain", "manifests", "lxml", "pydantic_core", "annotated_types")
"""Modules the sandbox passes through: they hold no state and reach for nothing outside."""

WORKFLOWS = (VirtualMachine, Image, Hypervisor, Console, Zone)
"""Every workflow there is; tests replay the golden histories against this list."""


def sandbox() -> SandboxedWorkflowRunner:
    """Return the sandbox workflows run in."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PURE))


def workers(client: Client) -> list[Worker]:
    """Return the workers of this process. Two, since a VM's workflow task waits for its zone's: see LEDGER_QUEUE."""
    return [
        Worker(
            client,
            task_queue=LIFECYCLE_QUEUE,
            workflows=[VirtualMachine, Image, Hypervisor, Console],
            activities=_methods(Errands(client)),
            interceptors=[ProblemInterceptor(), SignalInterceptor()],
            workflow_runner=sandbox(),
            no_remote_activities=True,
        ),
        Worker(
            client,
            task_queue=LEDGER_QUEUE,
            workflows=[Zone],
            interceptors=[SignalInterceptor()],
            workflow_runner=sandbox(),
        ),
    ]


def _methods(errands: Errands) -> list[Callable[..., Any]]:
    return [errands.zones, errands.ensure_claimed, errands.ensure_released, errands.ensure_image, errands.forget_image]
