"""Disk images on a hypervisor: fetched over HTTP, judged before anything opens them, converted, cached.

Theory of operation. Bytes from a stranger pass four gates, and each gate trusts only what the one before it proved:

1. `source` and `network`: which URL may be asked and which addresses may be connected to (HTTP only, checked per hop).
2. `download`: a partial file grows by synced steps, so a killed import goes on where it was; its digest is checked.
3. `inspect`: our own parsers read the headers and refuse whatever names a second file or an absurd size. Nothing is
   probed later: from here on every tool is told the format.
4. `qemu_img`: converts and checks in a process with limits, which dies with its parent.

Only then does `cache` publish the file under its final name. Until then every file carries a name of its own
(`layout`), and a lock (`lock`) that dies with its holder keeps one writer per image.
"""
