"""kubectl-virt: what kubectl has no verb for, in the habits of virtctl.

kubectl finds this program on the PATH by its name: `kubectl virt start my-vm`. It asks the gateway that kubectl's own
configuration names.
"""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import uuid4

import typer

from cli import stories
from cli import why as reasons
from cli.by_gateway import ByGateway
from cli.channels import forwarding
from cli.cluster import Cluster, cluster
from cli.gateway import opened
from cli.main import run_and_leave
from cli.options import GracePeriod
from cli.power import VERBS, Force, RequestId, Verb
from cli.render import dig
from cli.session import out, run
from cli.terminal import console as attach
from cli.terminal import pipe
from domain.channel import Endpoint
from domain.problem import Problem
from manifests.contract import PowerRequest
from manifests.registry import kind_called

app = typer.Typer(
    help=__doc__, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}, add_completion=False
)

Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Path of the kubeconfig.")]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; otherwise the current one.")]
Namespace = Annotated[str, typer.Option("-n", "--namespace", help="Namespace of the VM; otherwise the context's.")]
Target = Annotated[
    list[str], typer.Argument(metavar="[vm] NAME", help="The VM; `vm NAME` and `vm/NAME` mean the same.")
]
_KINDS = {"vm", "vms", "vmi", "vs", "virtualserver", "virtualservers", "virtualmachine"}
_VIEWERS = ("remote-viewer", "vncviewer", "xtigervncviewer", "vinagre")
_SSH_PORT = 22
_SOON, _SELDOM = 1.0, 15.0
"""Seconds between two looks at a log that is followed: while it grows, and after long silence. Each is a workflow."""

_LOG_LIMIT = 1024 * 1024
_MARK = 1024
"""Characters by which the end of a log is found again in a later one."""
_VM = kind_called("virtualservers")
_T = TypeVar("_T")


def named(target: list[str]) -> str:
    """Return the name in `NAME`, `vm NAME` or `vm/NAME`. Raises typer.BadParameter."""
    kind, _, name = "/".join(target).rpartition("/")
    if not name or (kind and kind.lower() not in _KINDS):
        raise typer.BadParameter("write the VM's name, or vm/NAME")
    return name


def asking(where: Cluster, command: Callable[[ByGateway], Awaitable[_T]]) -> _T:
    """Run a command that asks a gateway."""

    async def main() -> _T:
        async with opened(where) as gateway:
            return await command(ByGateway(gateway))

    return run(main())


def _command(verb: Verb) -> Callable[..., None]:
    def ask(
        target: Target,
        namespace: Namespace = "",
        context: Context = "",
        kubeconfig: Kubeconfig = "",
        request: RequestId = "",
    ) -> None:
        _ask(verb, named(target), cluster(kubeconfig, context, namespace), PowerRequest(request=request))

    def ask_or_force(
        target: Target,
        namespace: Namespace = "",
        context: Context = "",
        kubeconfig: Kubeconfig = "",
        request: RequestId = "",
        force: Force = False,
        grace: GracePeriod = None,
    ) -> None:
        asked = PowerRequest(request=request, force=force, grace=grace)
        _ask(verb, named(target), cluster(kubeconfig, context, namespace), asked)

    return ask_or_force if verb.forced else ask


def _ask(verb: Verb, name: str, where: Cluster, request: PowerRequest) -> None:
    asked = request.model_copy(update={"request": request.request or str(uuid4())})
    asking(where, lambda objects: objects.operate(verb.update, asked, name))
    out.print(f"VM {name} was scheduled to {verb.command.replace('-', ' ')}")


for _verb in VERBS:
    app.command(_verb.command, help=_verb.does)(_command(_verb))


@app.command("console")
def console(target: Target, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Connect to a VM's serial console; ^] leaves."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    asking(where, lambda objects: attach(partial(objects.channel, name, "", Endpoint.CONSOLE), name))


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

    async def show(objects: ByGateway) -> None:
        async with forwarding(partial(objects.channel, name, "", Endpoint.VNC), "127.0.0.1", port) as local:
            out.print(f"VNC of {name} on 127.0.0.1:{local}")
            if proxy_only or not viewer:
                await asyncio.Event().wait()
            url = f"vnc://127.0.0.1:{local}" if viewer.endswith("remote-viewer") else f"127.0.0.1::{local}"
            await (await asyncio.create_subprocess_exec(viewer, url)).wait()

    asking(where, show)


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
    pairs = [_ports(each) for each in ports]

    async def forward(objects: ByGateway) -> None:
        opened_at = {remote: partial(objects.channel, name, "", Endpoint.PORT, remote) for _, remote in pairs}
        if stdio:
            await pipe(opened_at[pairs[0][1]])
            return
        async with AsyncExitStack() as stack:
            for local, remote in pairs:
                listening = await stack.enter_async_context(forwarding(opened_at[remote], address, local))
                out.print(f"Forwarding from {address}:{listening} -> {remote}")
            await asyncio.Event().wait()

    asking(where, forward)


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

    async def show(objects: ByGateway) -> None:
        told, pause = "", _SOON
        while True:
            text = await objects.console_log(name, "", _LOG_LIMIT)
            new = _new_of(text, told)
            sys.stdout.write(new)
            sys.stdout.flush()
            if not follow:
                return
            told, pause = text, _SOON if new else min(2 * pause, _SELDOM)
            await asyncio.sleep(pause)  # a log is asked for, again and again: nobody tells when it grows

    asking(where, show)


@app.command("events")
def events(target: Target, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Tell a VM's story."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    stories.show(asking(where, lambda objects: objects.story(name)))


@app.command("why")
def why(target: Target, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Say why a VM is as it is."""
    where, name = cluster(kubeconfig, context, namespace), named(target)
    reasons.show(name, asking(where, lambda objects: objects.findings(name)))


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
    guest = dig(asking(where, lambda objects: objects.get(_VM, name)), "status", "guest")
    if not guest:
        raise Problem.wait("GuestSilent", "the guest has told nothing of itself (yet)", field=name)
    out.print_json(data=guest)


def _new_of(text: str, told: str) -> str:
    """Return what of a log is new; the log's beginning may have been dropped, or it may be that of another power-on."""
    if text.startswith(told):
        return text.removeprefix(told)
    tail = told[-_MARK:]
    return text.partition(tail)[2] if tail in text else text


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
