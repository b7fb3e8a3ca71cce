"""Steps that must run near a hypervisor: one driver call each, heartbeating while it blocks."""

import time

from temporalio import activity

from activities.heartbeats import beat, heartbeating
from activities.told import Told
from domain.guest import Observation, absent
from domain.hypervisor import HypervisorFacts
from domain.image import ImageFacts, ImageSource, ImportProgress
from domain.run_strategy import Operation
from drivers.base import Driver
from images.cache import ImageCache
from images.policy import FetchPolicy
from manifests.contract import BuildOrder, ConsoleRequest, FitOrder, LiveOrder, StopOrder


class HypervisorActivities:
    """The steps of one hypervisor. Blocking; they run on the worker's thread pool."""

    def __init__(self, driver: Driver, policy: FetchPolicy, told: Told) -> None:
        self._driver = driver
        self._policy = policy
        self._told = told
        self._cache = ImageCache(driver.images)

    @activity.defn(no_thread_cancel_exception=True)
    def prepare(self) -> HypervisorFacts:
        """Make the hypervisor usable and report what it is."""
        with heartbeating():
            return self._driver.prepare()

    @activity.defn(no_thread_cancel_exception=True)
    def observe(self, uid: str) -> Observation:
        """Look at one guest."""
        with heartbeating(), self._told.telling(uid):
            return self._told.tell(self._driver.observe(uid))

    @activity.defn(no_thread_cancel_exception=True)
    def ensure_defined(self, order: BuildOrder) -> Observation:
        """Build the root disk, the seed and the domain; leave the power as it is."""
        with heartbeating(), self._told.telling(order.plan.uid):
            return self._told.tell(self._driver.ensure_defined(order.plan, fresh=order.fresh))

    @activity.defn(no_thread_cancel_exception=True)
    def ensure_running(self, order: BuildOrder) -> Observation:
        """Build what is missing and power on."""
        with heartbeating(), self._told.telling(order.plan.uid):
            return self._told.tell(self._driver.ensure_running(order.plan, fresh=order.fresh, start=order.start))

    @activity.defn(no_thread_cancel_exception=True)
    def ensure_stopped(self, order: StopOrder) -> Observation:
        """End one incarnation. The guest gets its grace from when it was first asked, by whichever attempt."""
        asked = [each for each in activity.info().heartbeat_details if isinstance(each, int | float)][:1]
        spent = time.time() - asked[0] if asked else 0.0

        def waiting() -> None:
            asked[:] = asked or [time.time()]
            beat()

        with heartbeating(lambda: tuple(asked)), self._told.telling(order.uid):
            stopped = self._driver.ensure_stopped(
                order.uid,
                incarnation=order.incarnation,
                grace=max(0.0, order.grace - spent),
                beat=waiting,
            )
            return self._told.tell(stopped)

    @activity.defn(no_thread_cancel_exception=True)
    def ensure_ordered(self, order: LiveOrder) -> Observation:
        """Carry an order out on one running incarnation: pause, unpause, soft reboot or reset."""
        with heartbeating(), self._told.telling(order.uid):
            match order.operation:
                case Operation.PAUSE:
                    seen = self._driver.ensure_paused(order.uid, incarnation=order.incarnation)
                case Operation.UNPAUSE:
                    seen = self._driver.ensure_resumed(order.uid, incarnation=order.incarnation)
                case operation:
                    seen = self._driver.ensure_rebooted(
                        order.uid,
                        incarnation=order.incarnation,
                        request=order.request,
                        hard=operation is Operation.RESET,
                    )
            return self._told.tell(seen)

    @activity.defn(no_thread_cancel_exception=True)
    def ensure_fitted(self, order: FitOrder) -> Observation:
        """Bring a running incarnation as near to a plan's shape as it can come without a power-on."""
        with heartbeating(), self._told.telling(order.plan.uid):
            return self._told.tell(self._driver.ensure_fitted(order.plan, incarnation=order.incarnation))

    @activity.defn(no_thread_cancel_exception=True)
    def ensure_removed(self, uid: str) -> None:
        """Remove the domain and everything built for it."""
        with heartbeating(), self._told.telling(uid):
            self._driver.ensure_removed(uid)
            self._told.tell(absent(uid))

    @activity.defn(no_thread_cancel_exception=True)
    def import_image(self, key: str, source: ImageSource) -> ImageFacts:
        """Get an image into the cache: resumes what an earlier attempt left, returns at once what is cached."""
        progress = [ImportProgress(stage="starting")]

        def report(now: ImportProgress) -> None:
            progress[0] = now
            beat()

        with heartbeating(lambda: (progress[0],)):
            return self._cache.ensure(key, source, policy=self._policy, beat=report)

    @activity.defn(no_thread_cancel_exception=True)
    def remove_image(self, key: str) -> None:
        """Remove an image and what is left of unfinished imports of it; refused while root disks lean on it."""
        with heartbeating():
            self._cache.remove(key, users=lambda: self._driver.clones(key))

    @activity.defn(no_thread_cancel_exception=True)
    def read_console(self, request: ConsoleRequest) -> str:
        """Return the end of a guest's serial console."""
        with heartbeating():
            return self._driver.console(request.uid, limit=request.limit).decode(errors="replace")
