"""Each log of ../shared/data with its shipped config: every row is accounted for."""

import pytest

from graphdet.config import load_config
from tests.helpers.paths import DATA
from tests.logs.log_desk import Desk

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent"),
]

# config, files, rows = clean + rejected + duplicates + filtered, users, items, sessions
LOGS = [
    ("globo", "globo/clicks.parquet", (2_988_181, 2_988_181, 0, 0, 0), 322_897, 46_033, 1_048_594),
    (
        "online_retail",
        "online_retail/orders.parquet",
        (541_909, 401_604, 135_080, 5_225, 0),
        4_372,
        3_684,
        22_190,
    ),
    ("trivago", "trivago/sessions.parquet", (100_003, 87_612, 0, 0, 12_391), None, 13_950, 7_513),
    ("taobao", "taobao/user_behavior.csv", (96_169, 96_168, 1, 0, 0), None, 75_384, 62_116),
    ("yelp_reviews", "yelpchi/reviews.txt.gz", (67_395, 67_395, 0, 0, 0), 38_063, 201, None),
    ("shopee_orders", "shopee_brushing/orders.csv", (53_432, 53_432, 0, 0, 0), None, 489, None),
    ("card_handbook", "card_handbook/transactions.parquet", (1_754_155,) * 2 + (0,) * 3, 4_990, 10_000, None),
    ("sffsd", "sffsd/transactions.csv", (77_881, 77_881, 0, 0, 0), None, 886, None),
    ("tweets", "coordinated_tweets/retweets.parquet", (35_125, 35_124, 0, 1, 0), 9_509, 7_285, None),
    ("youtube_comments", "social_text/youtube/*.csv", (1_961, 1_714, 246, 1, 0), None, 5, None),
    ("friends", "worlds/vk/log.parquet", (493_600, 493_600, 0, 0, 0), 1_488, 417_554, 1_488),
    ("transfers", "worlds/hop/log.parquet", (169_923, 169_923, 0, 0, 0), 16_935, 83_619, 16_935),
    ("tenders", "worlds/cartel_japan/log.parquet", (13_515, 13_515, 0, 0, 0), 1_665, 1_080, None),
    ("stars", "worlds/ghost_stars/log.parquet", (18_350, 18_350, 0, 0, 0), 13_676, 2_040, None),
    ("payments_payee", "worlds/aml_gentex_1k/log.parquet", (2_295, 2_295, 0, 0, 0), 571, 571, None),
]


@pytest.mark.parametrize(
    ("name", "files", "counts", "users", "items", "sessions"), LOGS, ids=[x[0] for x in LOGS]
)
def test_shared_log(
    desk: Desk,
    name: str,
    files: str,
    counts: tuple[int, ...],
    users: int | None,
    items: int,
    sessions: int | None,
) -> None:
    log = desk.read(DATA / files, config=load_config(name), now_ms=1_800_000_000_000)
    assert (log.n_rows, log.n_events, log.n_rejects, log.n_duplicates, log.n_filtered) == counts
    assert log.n_rows == sum(counts[1:])
    with desk.rejects_path.open() as stream:
        assert sum(1 for _ in stream) >= 1 + log.n_rejects + log.n_duplicates
    found = {
        table: getattr(log.tables, table).to_native().aggregate("count(*)").fetchone()[0]
        for table in ("items", "sessions", "events")
    }
    assert found["items"] == items
    assert found["events"] == log.n_events * (1 if load_config(name).columns.payee is None else 2)
    n_users = log.tables.sessions.to_native().aggregate("count(DISTINCT user_id)").fetchone()[0]
    assert users is None or n_users == users
    assert sessions is None or found["sessions"] == sessions
