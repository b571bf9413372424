"""Make the network of users that owners who learn together start from.

    python -m scripts.ship_user_start

It learns planted campaigns in generated logs, so it is nobody's and may be given to everybody. About two minutes.
"""

import numpy as np
from safetensors.numpy import save_file

from graphdet.federate.examples import N_INPUTS, own_log
from graphdet.federate.networks import USERS, Voice
from graphdet.federate.rounds import Council
from graphdet.federate.start import USER_START
from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.simulation.organic import organic
from graphdet.workbench import Workbench

GENERATED = (  # users, items, days, kind
    (6_000, 3_000, 10, "news"),
    (4_000, 3_000, 360, "shop"),
    (8_000, 2_000, 30, "shop"),
    (8_000, 1_500, 30, "news"),
)
ROUNDS, SAMPLE = 150, 0.2


def main() -> None:
    """Train and write."""
    voices = {}
    for number, (n_users, n_items, days, kind) in enumerate(GENERATED):
        with Workbench.in_memory() as bench:
            log = organic(n_users, n_items, days, 7 + number, kind)
            own = own_log(log, bench, shipped_judge(), 0, Silent(), most_copies=1)
        voices[str(number)] = Voice(USERS, own.user_examples(0.0), SAMPLE, seed=number)
        print(f"{n_users} users, {kind}", flush=True)
    council = Council(USERS, N_INPUTS[USERS], ROUNDS)
    for _ in range(ROUNDS):
        weights = council.weights()
        council.step({name: voice.gradient(weights) for name, voice in voices.items()})
    save_file({name: np.ascontiguousarray(value) for name, value in council.weights().items()}, USER_START)


if __name__ == "__main__":
    main()
