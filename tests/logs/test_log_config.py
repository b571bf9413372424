"""The TOML config: every table and key, and what a wrong one says."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from graphdet.config import Columns, Pictures, Rating, config_digest, load_config, shipped_configs
from graphdet.errors import ConfigError

UNTIMED = '[columns]\nuser_id = "u"\nitem_id = "i"\n'
REQUIRED = '[columns]\nuser_id = "u"\nitem_id = "i"\ntimestamp = "t"\n'


def load(tmp_path: Path, text: str):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_every_key_arrives(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [columns]
        user_id = "visitor"
        item_id = "article"
        timestamp = "at"
        session_id = "session"
        action = "event"
        event_id = "n"
        amount = "price"
        quantity = "pieces"
        text = "comment"
        item_name = "title"
        device_id = "dev"
        ip = "address"
        rating = "stars"
        [read]
        delimiter = ";"
        header = false
        names = ["visitor", "article"]
        quote = ""
        encoding = "latin-1"
        file_column = "file"
        [time]
        unit = "%d.%m.%Y"
        zone = "Europe/Berlin"
        earliest = "2020-01-01"
        latest = "2021-01-01"
        [sessions]
        gap_s = 60
        [actions]
        default = "Click"
        rename = { PV = "View" }
        keep = ["Click", "view"]
        negative_quantity = "storno"
        [entities]
        device = "device_id"
        picture = "photo"
        [attributes]
        country = "geo"
        [rating]
        low = 2
        high = 4.5
        [text]
        templates = true
        min_width = 12
        [pictures]
        folder = "photos"
        most_users = 9
        [filters]
        geo = ["BR", "PT"]
        price = { min = 1 }
        [reject]
        max_share = 0.5
        duplicates = false
        """,
    )
    assert config.name == "mine"
    others = {"payee", "sign"}  # which stand instead of item_id and of rating
    assert all(getattr(config.columns, f.name) for f in fields(Columns) if f.name not in others)
    assert config.rating == Rating(2.0, 4.5)
    assert config.read.names == ("visitor", "article")
    assert config.actions.keep == ("click", "view")
    assert config.actions.rename == {"pv": "view"}
    assert config.gap_s == 60.0
    assert (config.text.templates, config.text.min_width) == (True, 12)
    assert config.pictures == Pictures(str(tmp_path / "photos"), 9)
    assert config.filters == {"geo": ["BR", "PT"], "price": {"min": 1}}
    assert (config.max_reject_share, config.duplicates) == (0.5, False)


def test_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, REQUIRED)
    assert (config.time.unit, config.time.zone, config.gap_s) == ("iso", "UTC", 1800.0)
    assert (config.actions.default, config.max_reject_share, config.duplicates) == ("view", 0.05, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (REQUIRED + "[colums]\n", ["[colums]", "columns"]),
        (REQUIRED + '[time]\nunits = "ms"\n', ["[time]", "units", "did you mean 'unit'"]),
        (REQUIRED + "[reject]\nmax_sahre = 0.1\n", ["max_sahre", "did you mean 'max_share'"]),
        ("gap_s = 3\n" + REQUIRED, ["gap_s", "[sessions]"]),
        ("columns = 3\n", ["columns must be a table"]),
        ('[columns]\nuser_id = "u"\ntimestamp = "t"\n', ["lacks item_id"]),
        (UNTIMED + '[time]\nunit = "ms"\n', ["[time] unit", "names no timestamp"]),
        (UNTIMED + "[sessions]\ngap_s = 60\n", ["[sessions] gap_s", "names no timestamp"]),
        (REQUIRED + 'payee = "p"\n', ["payee is the item", "leave item_id out"]),
        (REQUIRED + 'rating = "r"\n', ["rating needs [rating] low and high"]),
        (REQUIRED + 'rating = "r"\n[rating]\nlow = 4\nhigh = 2\n', ["low below high"]),
        (REQUIRED + "[rating]\nlow = 1\nhigh = 2\n", ["[rating] needs the ratings"]),
        (REQUIRED + 'rating = "r"\nsign = "s"\n', ["both rating and sign"]),
        (REQUIRED.replace('"i"', "[]"), ["item_id must be a text or a list of texts"]),
        (REQUIRED + '[time]\nunit = "step"\norigin = "2020-01-01"\n', ["needs step_s"]),
        (REQUIRED + '[time]\nunit = "step"\nstep_s = 60\n', ["needs origin"]),
        (REQUIRED + '[time]\nunit = "day"\nstep_s = 60\n', ["step_s needs unit step"]),
        (REQUIRED.replace('"u"', "3"), ["user_id must be a text", "3"]),
        (REQUIRED.replace('"u"', '""'), ["user_id must be a text"]),
        (REQUIRED + '[time]\nunit = "msec"\n', ["unit must be s, ms", "did you mean 'ms'"]),
        (REQUIRED + '[time]\nzone = "Mars/Olympus"\n', ["Mars/Olympus", "IANA"]),
        (REQUIRED + '[time]\nearliest = "yesterday"\n', ["earliest", "ISO date"]),
        (REQUIRED + '[time]\norigin = "2020-01-01"\n', ["origin needs unit"]),
        (REQUIRED + "[sessions]\ngap_s = 0\n", ["gap_s", "above 0"]),
        (REQUIRED + "[sessions]\ngap_s = true\n", ["gap_s"]),
        (REQUIRED + "[reject]\nmax_share = 5\n", ["max_share", "from 0 to 1"]),
        (REQUIRED + '[read]\ndelimiter = ":::::"\n', ["delimiter", "one character"]),
        (REQUIRED + "[read]\nheader = false\n", ["needs names"]),
        (REQUIRED + "[actions]\nkeep = []\n", ["keep must be a list"]),
        (REQUIRED + "[filters]\na = { between = 3 }\n", ["[filters] a", "min"]),
        (REQUIRED + '[attributes]\nuser_id = "u"\n', ["[attributes] user_id", "standard column"]),
        (REQUIRED + '[entities]\n"my ip" = "ip"\n', ["[entities]", "letters"]),
        (REQUIRED + "[text]\ntemplate = true\n", ["[text]", "did you mean 'templates'"]),
        (REQUIRED + "[text]\nmin_width = 0\n", ["min_width", "above 0"]),
        (REQUIRED + "[text]\ntemplates = true\n", ["[text] templates", "[columns]"]),
        (
            REQUIRED + 'text = "c"\n[text]\ntemplates = true\n[entities]\ntemplate = "c"\n',
            ["[entities] template", "leave one of them out"],
        ),
        (REQUIRED + '[pictures]\nfolder = "p"\n', ["[pictures]", "add picture", "[entities]"]),
        (REQUIRED + "[pictures]\nmost_users = 9\n", ["[pictures] lacks folder"]),
        (
            REQUIRED
            + '[entities]\npicture = "p"\n[pictures]\nfolder = "p"\n[privacy]\npseudonyms = ["picture"]\n',
            ["[privacy] pseudonyms", "[pictures]", "leave picture out"],
        ),
        ("[columns\n", ["not valid TOML"]),
    ],
)
def test_wrong_configs_say_what_where_and_the_nearest_name(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert "mine.toml" in message
    assert "\n" not in message
    for word in words:
        assert word in message
    assert caught.value.exit_code == 2


def test_names_of_shipped_configs() -> None:
    assert {"globo", "online_retail", "simulated", "youtube_comments"} <= set(shipped_configs())
    for name in shipped_configs():
        assert load_config(name).name == name
    with pytest.raises(ConfigError, match="did you mean 'globo'"):
        load_config("glbo")
    with pytest.raises(ConfigError, match="no such file"):
        load_config("no/such/file.toml")


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        load_config(tmp_path)


def test_digest_is_of_the_meaning(tmp_path: Path) -> None:
    plain = load(tmp_path, REQUIRED)
    spelled = load(
        tmp_path,
        '# the same\n[time]\nzone = "UTC"\nunit = "iso"\n' + REQUIRED + "[reject]\nmax_share = 0.2\n",
    )
    assert config_digest(plain) == config_digest(replace(spelled, name="other"))
    for other in ('[time]\nunit = "s"\n', "[sessions]\ngap_s = 60\n", '[actions]\nkeep = ["view"]\n'):
        assert config_digest(load(tmp_path, REQUIRED + other)) != config_digest(plain)


def test_a_payee_is_the_item_and_items_may_be_several(tmp_path: Path) -> None:
    paid = load(tmp_path, '[columns]\nuser_id = "from"\npayee = "to"\n').columns
    assert (paid.user_id, paid.item_id, paid.payee) == ("from", "to", "to")
    assert load(tmp_path, REQUIRED.replace('"i"', '["url", "tag"]')).columns.item_id == ("url", "tag")


def test_a_config_means_the_same_as_before_its_newer_keys(tmp_path: Path) -> None:
    # The digest of a store's log, by which it is known again.
    before = "1d6998996823e3233d69b270b4d98bf0a9f31b841538c1a7f0bed8d294bcd662"
    assert config_digest(load(tmp_path, REQUIRED + 'session_id = "s"\n[time]\nunit = "ms"\n')) == before
