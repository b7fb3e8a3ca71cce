"""Golden histories: lives that were really lived, which every later version of the workflows must be able to replay."""

from pathlib import Path

FOLDER = Path(__file__).parent
