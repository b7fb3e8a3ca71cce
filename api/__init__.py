"""The REST gateway: it will speak Kubernetes to stock kubectl. Nothing is here before it does."""
