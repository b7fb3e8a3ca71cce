"""kubectl-virt: what kubectl has no verb for, in the habits of virtctl.

kubectl finds this program on the PATH by its name: `kubectl virt start my-vm`. It asks the gateway that kubectl's own
configuration names.
"""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

import typer

from cli.channels import Opening, forwarding
from cli.main import run_and_leave
from cli.session import out, run
from cli.terminal import console as attach
from cli.terminal import pipe
from cli.virt_cluster import Cluster, cluster
from domain.problem import Problem

app = typer.Typer(
    help=__doc__, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}, add_completion=False
)

Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Path of the kubeconfig.")]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; otherwise the current one.")]
Namespace = Annotated[str, typer.Option("-n", "--namespace", help="Namespace of the VM; otherwise the context's.")]
Target = Annotated[
    list[str], typer.Argument(metavar="[vm] NAME", help="The VM; `vm NAME` and `vm/NAME` mean the same.")
]
Force = Annotated[bool, typer.Option("--force", help="Power off without asking the guest.")]
RequestId = Annotated[str, typer.Option("--request-id", help="Repeating a request with its id does nothing twice.")]

_KINDS = {"vm", "vms", "vmi", "vs", "virtualserver", "virtualservers", "virtualmachine"}
_VIEWERS = ("remote-viewer", "vncviewer", "xtigervncviewer", "vinagre")
_SSH_PORT = 22


class Verb(NamedTuple):
    """An operation: its command, its subresource, what it does, what is said of it, and whether it can be forced."""

    command: str
    subresource: str
    does: str
    said: str
    forced: bool = False


VERBS = (
    Verb("start", "start", "Start a VM.", "was scheduled to start"),
    Verb("stop", "stop", "Stop a VM: ask its guest, then power off.", "was scheduled to stop", forced=True),
    Verb("restart", "restart", "End the running guest and start another.", "was scheduled to restart", forced=True),
    Verb("pause", "pause", "Freeze a VM's CPUs.", "was scheduled to pause"),
    Verb("unpause", "unpause", "Let a paused VM go on.", "was scheduled to unpause"),
    Verb("soft-reboot", "softreboot", "Ask a VM's guest to reboot.", "was scheduled to soft reboot"),
    Verb("reset", "reset", "Press a VM's reset button.", "was scheduled to reset"),
)


def named(target: list[str]) -> str:
    """Return the name in `NAME`, `vm NAME` or `vm/NAME`. Raises typer.BadParameter."""
    kind, _, name = "/".join(target).rpartition("/")
    if not name or (kind and kind.lower() not in _KINDS):
        raise typer.BadParameter("write the VM's name, or vm/NAME")
    return name


def _command(verb: Verb) -> Callable[..., None]:
    def ask(
        target: Target,
        namespace: Namespace = "",
        context: Context = "",
        kubeconfig: Kubeconfig = "",
        request: RequestId = "",
    ) -> None:
        _ask(verb, named(target), cluster(kubeconfig, context, namespace), {"request": request or str(uuid4())})

    def ask_or_force(
        target: Target,
        namespace: Namespace = "",
        context: Context = "",
        kubeconfig: Kubeconfig = "",
        request: RequestId = "",
        force: Force = False,
    ) -> None:
        body = {"request": request or str(uuid4()), "force": force}
        _ask(verb, named(target), cluster(kubeconfig, context, namespace), body)

    return ask_or_force if verb.forced else ask


def _ask(verb: Verb, name: str, where: Cluster, body: dict[str, Any]) -> None:
    where.request("PUT", where.path(name, verb.subresource), body=body)
    out.print(f"VM {name} {verb.said}")


for _verb in VERBS:
    app.command(_verb.command, help=_verb.does)(_command(_verb))


@app.command("console")
def console(target: Target, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Connect to a VM's serial console; ^] leaves."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    run(attach(partial(where.channel, where.path(name, "console")), name))


@app.command("vnc")
def vnc(
    target: Target,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    proxy_only: Annotated[bool, typer.Option("--proxy-only", help="Only listen; start no viewer.")] = False,
    port: Annotated[int, typer.Option("--port", help="Local port; 0 for a free one.", min=0, max=65535)] = 0,
) -> None:
    """Show a VM's screen in a VNC viewer of this machine."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    viewer = next((found for each in _VIEWERS if (found := shutil.which(each))), "")

    async def show() -> None:
        async with forwarding(partial(where.channel, where.path(name, "vnc")), "127.0.0.1", port) as local:
            out.print(f"VNC of {name} on 127.0.0.1:{local}")
            if proxy_only or not viewer:
                await asyncio.Event().wait()
            url = f"vnc://127.0.0.1:{local}" if viewer.endswith("remote-viewer") else f"127.0.0.1::{local}"
            await (await asyncio.create_subprocess_exec(viewer, url)).wait()

    run(show())


@app.command("port-forward")
def port_forward(
    target: Annotated[str, typer.Argument(metavar="vm/NAME", help="The VM.")],
    ports: Annotated[list[str], typer.Argument(metavar="[LOCAL:]REMOTE...", help="TCP ports.")],
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    address: Annotated[str, typer.Option("--address", help="Local address to listen on.")] = "127.0.0.1",
    stdio: Annotated[bool, typer.Option("--stdio", help="Connect this process's own input and output.")] = False,
) -> None:
    """Forward local ports to a VM's guest."""
    where, name = cluster(kubeconfig, context, namespace), named([target])
    pairs = [(local, remote, _to(where, name, remote)) for local, remote in map(_ports, ports)]
    if stdio:
        run(pipe(pairs[0][2]))
        return

    async def forward() -> None:
        async with AsyncExitStack() as stack:
            for local, remote, opened in pairs:
                listening = await stack.enter_async_context(forwarding(opened, address, local))
                out.print(f"Forwarding from {address}:{listening} -> {remote}")
            await asyncio.Event().wait()

    run(forward())


@app.command("ssh", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def ssh(
    call: typer.Context,
    target: Annotated[str, typer.Argument(metavar="[USER@]vm/NAME", help="The VM.")],
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    username: Annotated[str, typer.Option("-l", "--username", help="Who logs in.")] = "",
    identity: Annotated[str, typer.Option("-i", "--identity-file", help="Private key.")] = "",
    port: Annotated[int, typer.Option("-p", "--port", help="The guest's SSH port.", min=1, max=65535)] = _SSH_PORT,
) -> None:
    """Log in to a VM's guest by this machine's ssh; what follows `--` is handed to it."""
    user, at, machine = target.rpartition("@")
    name = named([machine])
    options = {"--namespace": namespace, "--context": context, "--kubeconfig": kubeconfig}
    given = [word for key, value in options.items() if value for word in (key, value)]
    proxy = [sys.argv[0], "port-forward", "--stdio", *given, f"vm/{name}", str(port)]
    login = user if at else username
    command = ["ssh", "-o", f"ProxyCommand={' '.join(map(_quoted, proxy))}", "-o", f"HostKeyAlias=vm.{name}"]
    command += [*(["-i", identity] if identity else []), *(["-l", login] if login else []), name, *call.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - the user's own ssh, as asked


@app.command("logs")
def logs(
    target: Target,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what the guest writes.")] = False,
) -> None:
    """Print what a VM's serial console showed since its power-on."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    told = ""
    while True:
        text = where.request("GET", where.path(name, "log")).text
        sys.stdout.write(text.removeprefix(told))
        sys.stdout.flush()
        if not follow:
            return
        told = text
        time.sleep(1)  # a log is asked for, again and again: nobody tells when it grows


@app.command("events")
def events(target: Target, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Tell a VM's story."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    query = {"fieldSelector": f"involvedObject.kind=VirtualServer,involvedObject.name={name}"}
    answer = where.request("GET", f"/api/v1/namespaces/{where.namespace}/events", query=query).json()
    for each in answer["items"]:
        at = each.get("lastTimestamp") or each.get("eventTime")
        out.print(f"{at}  {each['type']:8} {each['reason']:20} {each['message']}", markup=False)


@app.command("why")
def why(target: Target, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Say why a VM is as it is."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    status = where.request("GET", where.path(name)).json().get("status", {})
    if not status:
        out.print(f"{name} is declared, and no worker has taken it up yet")
        return
    out.print(
        f"{name} is {status.get('printableStatus')} ({status.get('reason')}): {status.get('message')}", markup=False
    )
    for each in status.get("conditions", []):
        out.print(f"  {each['type']:16} {each['status']:8} {each['reason']:20} {each['message']}", markup=False)


@app.command("image-upload")
def image_upload(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the image would be called.")],
    image_path: Annotated[str, typer.Option("--image-path", help="The disk image.")] = "",
) -> None:
    """Not there: images are fetched over HTTP, so serve the file instead."""
    del name
    file = Path(image_path or "disk.qcow2")
    message = (
        f"images are fetched, not uploaded: serve the file's folder where its hypervisor reaches it (python -m "
        f"runtime.image_server --directory {file.parent} --port 8099, or any web server), then name "
        f"http://ADDRESS:8099/{file.name} as spec.storage.root.source.http.url"
    )
    raise Problem.terminal("NoUpload", message)


@app.command("guestinfo")
def guestinfo(target: Target, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Print what a VM's guest tells of itself."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    guest = where.request("GET", where.path(name)).json().get("status", {}).get("guest")
    if not guest:
        raise Problem.wait("GuestSilent", "the guest has told nothing of itself (yet)", field=name)
    out.print_json(data=guest)


def _to(where: Cluster, name: str, port: int) -> Opening:
    return partial(where.channel, where.path(name, "portforward", str(port)))


def _ports(text: str) -> tuple[int, int]:
    """Return local and remote port of `[tcp/][LOCAL:]REMOTE`. Raises typer.BadParameter."""
    local, _, remote = text.removeprefix("tcp/").rpartition(":")
    try:
        pair = int(local or remote), int(remote)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a port; write REMOTE or LOCAL:REMOTE") from None
    if not all(0 <= each <= 65535 for each in pair) or not pair[1]:  # noqa: PLR2004 - the largest port
        raise typer.BadParameter(f"{text!r} is not a port; write REMOTE or LOCAL:REMOTE")
    return pair


def _quoted(word: str) -> str:
    """Quote a word for the shell that ssh runs its proxy command in, and from ssh's own % tokens."""
    return "'" + word.replace("'", "'\\''").replace("%", "%%") + "'"


def main() -> None:
    """Run the plugin; trouble is told in one line, as kubectl tells it."""
    run_and_leave(app)


if __name__ == "__main__":
    main()
