"""What a guest's web server says."""

import httpx

from tests.e2e.stacks import eventually


async def answer(address: str) -> str:
    """Return what the guest's web server says, as soon as it says anything."""
    said = ""

    async def answers() -> bool:
        nonlocal said
        try:
            said = (await http.get(f"http://{address}/")).text
        except httpx.TransportError:
            return False
        return True

    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        await eventually(answers, f"an HTTP answer from {address}")
    return said
