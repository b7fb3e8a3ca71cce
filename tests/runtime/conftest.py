from tests.temporal_server import client, temporal_settings

__all__ = ["client", "temporal_settings"]
