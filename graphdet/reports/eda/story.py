"""What the numbers of a log say, in sentences: the list at the top of the page, and the titles of its pictures."""

from collections.abc import Mapping
from typing import Any

from graphdet import words
from graphdet.reports.eda import labels
from graphdet.reports.eda.when import WEEKDAYS, unit

Document = Mapping[str, Any]
_SHOWN = 200  # characters of a reason


def eda_findings(document: Document) -> list[str]:
    """The few sentences that a reader needs first."""
    lines = [_size(document["counts"]), _cleaning(document)]
    lines += [_concentration(document["tails"]), week_title(document["time"]), _texts(document["repeats"])]
    lines += [_outliers(one) for one in document["outliers"]]
    lines += [
        _alike(document["correlation"]),
        drift_title(document["drift"]),
        label_title(document["labels"]),
    ]
    return [line for line in lines if line]


def _size(counts: Mapping[str, Any]) -> str:
    size = (
        f"{words.plural(counts['events'], 'event')} of {words.plural(counts['users'], 'user')} on "
        f"{words.plural(counts['items'], 'item')} in {words.plural(counts['sessions'], 'session')}"
    )
    if counts["first_ms"] is None:
        return f"{size}; the log has no times."
    span = labels.amount_of_time((counts["last_ms"] - counts["first_ms"]) / 1000)
    when = f"within {span}" if counts["last_ms"] > counts["first_ms"] else "at a single moment"
    return f"{size}, {when} from {words.clock(counts['first_ms'])} UTC."


def _cleaning(document: Document) -> str:
    found, counts = document["cleaning"], document["counts"]
    unused = counts["rejects"] + counts["duplicates"] + counts["filtered"]
    if not unused:
        return "Every row can be used: nothing is missing, broken or an exact duplicate."
    said = [
        f"{words.shorten(one['reason'], _SHOWN)} ({words.thousands(one['n'])})"
        for one in found["reasons"][:3]
    ]
    if counts["filtered"]:
        said.append(f"left out by the config's own filters ({words.thousands(counts['filtered'])})")
    text = f"{words.percent(unused / max(counts['rows'], 1))} of the rows are not used: {'; '.join(said)}."
    if found["run_would_refuse"]:
        allowed = f"[reject] max_share = {found['max_share']:g} allows"
        text += f" That is more than {allowed}: ingest and run would refuse this log."
    return text


def _concentration(tails: list[Mapping[str, Any]]) -> str:
    shares = {one["of"]: one["top_1_percent_share"] for one in tails if one["n"] >= 100}
    said = []
    if "user" in shares:
        said.append(f"the busiest 1 % of users make {words.percent(shares['user'])} of all events")
    if "item" in shares:
        said.append(f"the busiest 1 % of items get {words.percent(shares['item'])}")
    text = ", ".join(said)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def week_title(time: Mapping[str, Any]) -> str:
    """The busiest hour of the week, or why there is none."""
    table = time["by_weekday_and_hour"]
    if time["days_only"]:
        return "Times carry a day only, no time of day."
    if time["n_days"] < 2:
        return ""
    _, day, hour = max((n, -day, -hour) for day, row in enumerate(table) for hour, n in enumerate(row))
    by_hour = [sum(row[h] for row in table) for h in range(24)]
    total = sum(by_hour)
    night = min((sum(by_hour[(h + k) % 24] for k in range(6)), h) for h in range(24))
    return (
        f"Busiest on {WEEKDAYS[-day]}s from {-hour:02d}:00 to {-hour + 1:02d}:00; the six quietest hours, from "
        f"{night[1]:02d}:00, hold {words.percent(night[0] / total)} of all events ({time['zone']})."
    )


def _texts(repeats: Mapping[str, Any]) -> str:
    texts = repeats["texts"]
    if not texts or not texts["n_events_with_shared_text"]:
        return ""
    top = texts["top"][0]
    return (
        f"{words.percent(texts['n_events_with_shared_text'] / texts['n'])} of texts are word for word those of another "
        "event; "
        f"the commonest is used {words.plural(top['events'], 'time')} by {words.plural(top['users'], 'user')}."
    )


def _outliers(one: Mapping[str, Any]) -> str:
    if one["note"] is not None:
        return ""
    both = next(region["n"] for region in one["agreement"] if len(region["methods"]) == 3)
    return (
        f"Of the {words.thousands(one['k'])} furthest {one['of']}s by each of z-score, IQR and ECOD, "
        f"{words.thousands(both)} are named by all three."
    )


def _alike(correlations: list[Mapping[str, Any]]) -> str:
    pairs = sum(len(one.get("close_pairs", ())) for one in correlations)
    if not pairs:
        return ""
    return f"{words.plural(pairs, 'pair')} of features say nearly the same (rank correlation of .9 or more)."


def drift_title(drift: Mapping[str, Any]) -> str:
    """The furthest move, or that all is stable."""
    rows = drift["rows"]
    if drift["note"] is not None or not rows:
        return ""
    row = max(rows, key=lambda one: max(one["psi"]))
    most = max(row["psi"])
    far = sum(max(one["psi"]) >= 0.25 for one in rows)
    if most < 0.1:
        return f"Nothing drifts {step_words(drift)}: every stability index is below .1."
    step = drift["steps"][row["psi"].index(most)]
    text = (
        f"{_capital(labels.feature(row['name']))} moves most {step_words(drift)}: stability index "
        f"{words.figure(most)} into the one from {labels.period(step[1], drift['width_s'], drift['zone'])}"
    )
    return (
        f"{text}; {words.thousands(far)} of {len(rows)} features pass .25 at least once."
        if far
        else f"{text}, short of .25."
    )


def step_words(drift: Mapping[str, Any]) -> str:
    """From which period to which drift is told."""
    name = unit(drift["width_s"])
    return f"from one {f'period of {name}' if name[0].isdigit() else name} to the next"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def label_title(found: Mapping[str, Any] | None) -> str:
    """What the labels show, or why they show nothing."""
    if found is None:
        return ""
    if found["note"] is not None:
        return f"Labels: {found['note']}"
    best = found["features"][0]
    if found["auroc"] < 0.55:
        return (
            f"A forest tells labelled {found['of']}s apart no better than chance (AUROC {found['auroc']:.2f}): read "
            "nothing into the importance of its features."
        )
    return (
        f"A forest tells fraudulent {found['of']}s from clean ones at AUROC {found['auroc']:.2f}, average precision "
        f"{found['auprc']:.2f} against {found['base_rate']:.2f} by chance; most by {labels.feature(best['name'])}."
    )


def distribution_title(one: Mapping[str, Any]) -> str:
    """What a distribution says, in a sentence."""
    name, _, things = labels.size_words(one["name"])
    low, high = one["low"], one["high"]
    if low == high:
        return f"{name}: always {labels.sized(one['name'], high)}"
    middle, top = one["quantiles"]["0.5"], one["quantiles"]["0.99"]
    zero = one["n_zero"] / one["n"]
    upper = f"1 in 100 above {labels.sized(one['name'], top)}"
    if middle == 0:
        text = f"{name}: {words.percent(zero)} of {things} are 0"
        text += f", {upper}" if top > 0 else f", the largest is {labels.sized(one['name'], high)}"
    else:
        text = f"{name}: half at most {labels.sized(one['name'], middle)}, {upper}"
        text += f"; {words.percent(zero)} of {things} are 0" if zero >= 0.05 else ""
    if one["n_negative"]:
        text += f"; {words.thousands(one['n_negative'])} negative"
    return text


def tail_title(one: Mapping[str, Any]) -> str:
    """What a tail says."""
    of = one["of"]
    if one["most"] < 2:
        return f"Every {of} has one event"
    share = words.percent(one["top_1_percent_share"])
    verb = {"user": "make", "item": "get", "session": "hold"}[of]
    return f"The busiest 1 % of {of}s {verb} {share} of all events; the busiest one has {words.thousands(one['most'])}"


def tail_note(one: Mapping[str, Any]) -> str:
    """The exponent and what it means, or why there is none."""
    law = one["power_law"]
    if law is None:
        few = f"Too few {one['of']}s, or too few different counts, to fit an exponent."
        return f"{few} Gini coefficient {one['gini']:.2f}."
    # Hill's estimator is for continuous sizes: on counts it serves from about six on.
    hill = f", {law['hill']:.2f} by Hill's estimator" if law["x_min"] >= 6 else ""
    fit = "close to" if law["ks"] < 0.03 else "roughly" if law["ks"] < 0.08 else "hardly"
    return (
        f"P(k) ∝ k⁻ᵅ from k = {words.thousands(law['x_min'])} on: α = {law['alpha']:.2f} ± {law['alpha_se']:.2f} "
        f"by maximum likelihood{hill}, on {words.plural(law['n_tail'], one['of'])}; the tail is "
        f"{fit} a power law (KS {law['ks']:.3f}). Gini coefficient {one['gini']:.2f}."
    )


def correlation_title(one: Mapping[str, Any]) -> str:
    """Which features of users or items go together most."""
    a, b, value = one["strongest"][0]
    how = "rise together" if value > 0 else "go against each other"
    return f"Of {one['of']}s, {labels.feature(a)} and {labels.feature(b)} {how} most ({labels.signed(value)})"


def outlier_title(one: Mapping[str, Any]) -> str:
    """How many stand out by every way."""
    both = next(region["n"] for region in one["agreement"] if len(region["methods"]) == 3)
    whose = f"{_capital(one['of'])}s: {words.thousands(both)} of {words.thousands(one['k'])}"
    return f"{whose} are furthest out whichever way is asked"


def scatter_title(one: Mapping[str, Any]) -> str:
    """What two features have to do with each other."""
    value = one["spearman"]
    if value is None:
        return f"{_capital(one['of'])}s: {labels.feature(one['x'])} and {labels.feature(one['y'])}"
    both = f"{_capital(one['of'])}s: {labels.feature(one['x'])} and {labels.feature(one['y'])}"
    how = (
        "rise together"
        if value > 0.3
        else "go against each other"
        if value < -0.3
        else "have little to do with each other"
    )
    return f"{both} {how} (rank correlation {labels.signed(value)})"


def line_title(time: Mapping[str, Any]) -> str:
    """How even events are along time."""
    events = time["line"]["events"]
    if len(events) < 2:
        return ""
    mean = sum(events) / len(events)
    name = unit(time["line"]["width_s"])
    silent = sum(n == 0 for n in events)
    most = f"{words.thousands(max(events))} events, {words.figure(max(events) / mean)} times the mean"
    text = f"The busiest {name} {'have' if name[0].isdigit() else 'has'} {most}"
    return f"{text}; {silent} of {len(events)} have none" if silent else text
