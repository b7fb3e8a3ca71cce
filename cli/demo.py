"""The main job, from nothing to an answer from inside a guest: what `bin/demo` runs once the machine is set up.

Every part is idempotent, so running it again at any point repairs and continues.
"""

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.rule import Rule

from cli.by_temporal import ByTemporal
from cli.documents import read
from cli.follow import failure, follow, holding, image_of
from cli.main import run_and_leave
from cli.progress import show
from cli.render import address, dig
from cli.session import out, run, settings, who
from cli.ways import Way
from domain.problem import Problem
from domain.quantity import format_bytes
from manifests.contract import PowerRequest, Update
from manifests.registry import kind_called
from runtime import kubeconfig
from runtime.client import connect
from runtime.objects import Document, Objects
from runtime.processes import Processes
from runtime.services import IMAGES, images_process, taken
from runtime.settings import Settings
from runtime.stack import Stack
from runtime.wait import until

PORT = 8099
"""Loopback port of the image server, as examples/hello.yaml has it."""

LOOPBACK = "127.0.0.0/8"
"""The demo's image comes from this machine; by default no image may come from a private address."""

PATIENCE = 1800.0
"""Seconds until the demo gives up; a slow machine without KVM needs minutes."""

FAILED_FOR_GOOD = 20.0
"""Seconds a failure must last to end the demo: one from an earlier run is tried again when the worker has started."""

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def demo(
    image: Annotated[str, typer.Argument(help="URL of a cloud image; the Debian image built here when left out.")] = "",
    manifest: Annotated[Path, typer.Option(help="The VM to run.")] = Path("examples/hello.yaml"),
    guests: Annotated[Path, typer.Option(help="Folder of the images built here.")] = Path(".cache/guests"),
) -> None:
    """Run the main job."""
    found = settings()
    found = found.model_copy(update={"allowed_networks": sorted({*found.allowed_networks, LOOPBACK})})
    (document,) = read(str(manifest))
    if image:
        document["spec"]["storage"]["root"]["source"]["http"] = {"url": image}
    run(_demo(found, document, None if image else guests.absolute()))


async def _demo(found: Settings, document: Document, guests: Path | None) -> None:
    out.print(Rule("1. the stack of this machine", align="left"))
    if guests:
        await _serve_images(found, guests)
    await Stack(found).up(_say)
    objects: Way = ByTemporal(Objects(await connect(found)))
    hypervisor = await _hypervisor(objects, found.hypervisor_name)
    facts = hypervisor["status"]["facts"]
    _say(f"hypervisor {found.hypervisor_name}: {facts['accelerator']}: {facts['acceleratorReason']}")
    name, namespace = document["metadata"]["name"], document["metadata"].get("namespace", "default")
    out.print(Rule(f"2. apply virtual server {name}", align="left"))
    _say(f"virtualserver/{name} {await objects.apply(document, by=who())}")
    async with asyncio.timeout(PATIENCE):
        machine = await _running(objects, name, namespace)
        _say(await _image(objects, machine))
        answer = await _answer(objects, machine)
    _tell_answer(machine, answer)
    await _kubectl(found, name)
    _next_steps(found, name)


async def _serve_images(found: Settings, guests: Path) -> None:
    processes = Processes(found.home)
    if taken(PORT) and not processes.running(IMAGES):
        raise Problem.terminal(
            "PortInUse",
            f"port {PORT} on 127.0.0.1 belongs to another program; stop that, or name an image: bin/demo URL",
            field=IMAGES,
        )
    _, started = await processes.ensure_started(images_process(guests, PORT))
    _say(f"images: {'serves' if started else 'runs already and serves'} {guests} on 127.0.0.1:{PORT}")


async def _hypervisor(objects: Way, name: str) -> Document:
    """Wait until the hypervisor has told what it is, and return it."""
    kind = kind_called("hypervisors")

    async def known() -> bool:
        return bool(dig(await objects.get(kind, name), "status", "facts"))

    await until(known, every=0.2)
    return await objects.get(kind, name)


async def _running(objects: Way, name: str, namespace: str) -> Document:
    """Follow the VM until it is Ready; one that somebody stopped is started."""
    failed_at = 0.0
    with show(name) as progress:
        async for document, now in follow(objects, name, namespace):
            progress(now)
            if now.status == "Running" and "Ready" in holding(document) and _where(document):
                return document
            failed = failure(document)
            failed_at = (failed_at or time.monotonic()) if failed is not None else 0.0
            if failed is not None and time.monotonic() - failed_at > FAILED_FOR_GOOD:
                raise failed
            if now.status == "Stopped" and dig(document, "status", "runStrategy") in {"Halted", "Manual"}:
                await objects.operate(Update.START, PowerRequest(), name, namespace)
    raise AssertionError("following never ends by itself")


async def _image(objects: Way, machine: Document) -> str:
    """Return what was imported for a VM."""
    image = await objects.get(kind_called("images"), image_of(machine), machine["metadata"]["namespace"])
    facts = image["status"]["copies"][machine["status"]["placement"]["hypervisor"]]["facts"]
    return f"image: {format_bytes(facts['size'])} of {facts['format']}, sha256 {facts['sha256'][:16]}…, cached"


def _where(document: Document) -> str:
    """Return the base URL under which the guest's first TCP port answers; empty when it is not known (yet)."""
    ports = dig(document, "spec", "network", "tcp") or [80]
    for each in dig(document, "status", "forwards") or []:
        if each["guestPort"] == ports[0]:
            return f"http://127.0.0.1:{each['hostPort']}/"
    return f"http://{address(document)}:{ports[0]}/" if address(document) else ""


async def _answer(objects: Way, machine: Document) -> str:
    """Return what the server that cloud-init starts inside the guest answers."""
    name, namespace = machine["metadata"]["name"], machine["metadata"]["namespace"]
    url = _where(machine)
    async with httpx.AsyncClient(timeout=5.0) as http:
        with show(name) as progress:
            async for _, now in follow(objects, name, namespace):
                progress(now)
                try:
                    response = await http.get(url)
                except httpx.TransportError:
                    continue  # the guest is up, its server not yet: cloud-init is still at work
                if response.is_success:
                    return response.text.strip()
    raise AssertionError("following never ends by itself")


def _tell_answer(machine: Document, answer: str) -> None:
    name = machine["metadata"]["name"]
    out.print(Rule("3. the guest answers", align="left"))
    status = dig(machine, "status", "printableStatus")
    _say(f"{name} is {status}, Ready, at {address(machine)}; {_where(machine)} says:\n\n    {answer}\n")


async def _kubectl(found: Settings, name: str) -> None:
    """Show the VM as a stock kubectl does; of its long description, the story at the end."""
    out.print(Rule("4. the same, with kubectl", align="left"))
    program = shutil.which("kubectl")
    if program is None:
        raise Problem.terminal("NoKubectl", "is not installed; bin/setup installs it", field="kubectl")
    if kubeconfig.read(found) is None:
        _say("no token is kept on this machine; `bin/vmflow account token admin` gives a new one")
        return
    for words in (("get", "vs"), ("describe", "vs", name)):
        process = await asyncio.create_subprocess_exec(
            program,
            *words,
            env={**os.environ, "KUBECONFIG": str(kubeconfig.path(found))},
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
        if process.returncode:
            raise Problem.retry("KubectlFailed", "see above", field=" ".join(("kubectl", *words)))
        text = told.decode()
        shown = text if words[0] == "get" else "...\n" + "".join(text.rpartition("\nEvents:")[1:]).lstrip()
        _say(f"$ kubectl {' '.join(words)}\n{shown}")


def _next_steps(found: Settings, name: str) -> None:
    out.print(Rule("next", align="left"))
    for does, command in (
        ("kubectl", f"export KUBECONFIG={kubeconfig.path(found)}"),
        ("its story in the Temporal UI", f"http://127.0.0.1:{found.ui_port}/namespaces/{found.temporal_namespace}"),
        ("list", "bin/vmflow get vs -o wide"),
        ("why it is as it is, and its story", f"bin/vmflow why {name}; bin/vmflow events {name}"),
        ("stop, start", f"bin/vmflow stop {name}; bin/vmflow start {name}"),
        ("console log", f"bin/vmflow console --log {name}"),
        ("delete", f"bin/vmflow delete vs {name}"),
        ("shut the stack down", "bin/vmflow down"),
    ):
        _say(f"  {does + ':':36} {command}")


def _say(line: str) -> None:
    out.print(line, markup=False)


if __name__ == "__main__":
    run_and_leave(app)
