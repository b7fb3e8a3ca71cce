"""Whether the gateway of this container answers and reaches Temporal: the health check of docker-compose.yml.

python -m deploy.gateway_health      exits with 1 when it does not
"""

import asyncio
import sys

from runtime.services import gateway_answers
from runtime.settings import Settings


def main() -> None:
    """Check once."""
    settings = Settings()
    if not asyncio.run(gateway_answers(settings)):
        sys.exit(f"no gateway answers at {settings.gateway_url}, or it does not reach Temporal")


if __name__ == "__main__":
    main()
