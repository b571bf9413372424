"""Which model found what a store holds; apart from the models, so that a report need not load torch."""

import hashlib
from pathlib import Path

MODEL_DIGEST = "model_digest"  # meta key, and key of run.json


def model_digest(directory: Path) -> str | None:
    """Digest a model's files, their names and bytes (SHA-256, hex); None where there is no model.

    What a killed writer left, under a hidden name, is none of them.
    """
    files = sorted(path for path in directory.glob("[!.]*") if path.is_file())
    if not files:
        return None
    digest = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()
