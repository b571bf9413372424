"""For the tests of this folder: the sample logs of the stores' tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "store"))
