"""Where the tests find what is not theirs."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
DATA = ROOT.parent / "shared" / "data"
GLOBO = DATA / "globo" / "clicks.parquet"
