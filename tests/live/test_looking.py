"""A look in a process of its own finds what one here does, and events that come meanwhile wait for the next."""

import time
from pathlib import Path

from graphdet.live.looking import Casework, Looker, search
from graphdet.live.watching import WindowAsked
from graphdet.verbs.forget import forget
from tests.live.small_logs import CONFIG, part, small_log
from tests.live.test_watching import batch, by_members, opened


def test_a_look_elsewhere_is_a_look_here_and_one_that_is_killed_is_taken_again(tmp_path: Path) -> None:
    rows = small_log(1)
    live = opened(tmp_path)
    live.add([part(rows[:-40])])
    asked = live.ask()
    assert isinstance(asked, WindowAsked)
    looker = Looker(CONFIG, live.settings)
    try:
        looker.begin(asked.rows, asked.casework)
        live.add([part(rows[-40:])])  # is stored meanwhile, and not looked at
        while looker._process is None:
            time.sleep(0.01)
        looker._process.kill()
        found = looker.take(None)
    finally:
        looker.close()
    assert found is not None
    here = search(asked.rows, asked.casework, CONFIG, live.settings)
    assert (found.known.findings, found.e_values, found.shape) == (
        here.known.findings,
        here.e_values,
        here.shape,
    )
    assert live.tell(asked, found).n_rows == len(rows) - 40
    assert by_members(live.findings()) == by_members(batch(tmp_path / "batch", rows[:-40]))
    assert (live.state.since_look, live.state.looks, live.state.n_events) == (40, 1, len(rows))
    live.look()
    assert live.state.since_look == 0
    late = live.ask()
    assert late is not None
    forget(live.store, ["bad0"], "ann")
    assert not live.tell(late, here).alerts
    assert live.state.since_look == 1  # another look is due, and nothing was written of whom is forgotten
    assert "bad0" not in live.findings().members["user_id"].to_pylist()
    assert Casework.of(live.store).rings().rings.num_rows == live.findings().rings.num_rows
    live.store.close()
