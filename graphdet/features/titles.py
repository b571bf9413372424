"""What the network's inputs are called, for people: one title per column of TrainedGnn's inputs."""

from graphdet.features.behaviour import FEATURE_NAMES, ITEM_FEATURE_NAMES

USER_TITLES = {
    "n_events": "number of acts",
    "n_items": "number of items",
    "n_sessions": "number of sessions",
    "items_per_session": "items per session",
    "repeat_share": "share of repeated acts",
    "span_h": "time from first to last act",
    "n_active_days": "days with an act",
    "edges_per_active_hour": "acts per hour at work",
    "gap_log_mean": "mean time between acts",
    "gap_log_std": "spread of the times between acts",
    "gap_log_min": "shortest time between acts",
    "hour_concentration": "always at the same time of day",
    "item_rarity_mean": "rarity of the items",
    "item_rarity_std": "spread of the rarity of the items",
    "rare_item_share": "share of acts on rare items",
    "item_age_log_mean": "age of the items when acted on",
    "busiest_hour_share": "share of acts in the items' busiest hour",
    "item_lift_mean": "how busy the items are when acted on",
    "main_action_share": "share of the commonest action",
    "action_entropy": "variety of actions",
    "n_entities": "number of devices, addresses …",
    "entity_users_log_max": "users of the most shared device, address …",
}
ITEM_TITLES = {
    "n_events": "number of acts on them",
    "n_users": "number of users",
    "n_sessions": "number of sessions",
    "repeat_share": "share of repeated acts",
    "span_h": "time from first to last act",
    "busiest_hour_share": "share of acts in the busiest hour",
    "hours_alive_share": "share of hours with an act",
    "hour_concentration": "always at the same time of day",
    "user_activity_log_mean": "how active their users are",
    "user_activity_log_std": "spread of how active their users are",
    "item_age_log_mean": "age when acted on",
    "main_action_share": "share of the commonest action",
}
SESSION_TITLES = {
    "n_acts": "number of acts",
    "duration": "duration",
    "start_cos": "started by night rather than by noon",
    "start_sin": "started in the morning rather than in the evening (UTC)",
}
OWN, SESSIONS, ITEMS, AUDIENCE, PARTNERS = "own", "sessions", "items", "audience", "partners"
WHOSE = {
    OWN: "its own",
    SESSIONS: "its sessions",
    ITEMS: "its items",
    AUDIENCE: "the other users of its items",
    PARTNERS: "who moves with it",
}
WHOSE_OF_MANY = {
    OWN: "their own",
    SESSIONS: "their sessions",
    ITEMS: "their items",
    AUDIENCE: "the other users of their items",
    PARTNERS: "who moves with them",
}


def gnn_inputs(n_user: int, n_session: int, n_item: int, n_inputs: int) -> list[tuple[str, str, str]]:
    """What each input of the network is: whose it is (of WHOSE), its name, its title.

    n_user, n_session, n_item: features of each kind of node; those beyond the known are called by their number.

    >>> len(gnn_inputs(22, 4, 12, 61)), gnn_inputs(22, 4, 12, 61)[0]
    (61, ('own', 'n_events', 'number of acts'))
    """
    item = {name: ITEM_TITLES[name] for name in ITEM_FEATURE_NAMES}
    user = {name: USER_TITLES[name] for name in FEATURE_NAMES}
    columns = [
        (whose, *each)
        for whose, titles, n in (
            (OWN, user, n_user),
            (SESSIONS, SESSION_TITLES, n_session),
            (ITEMS, item, n_item),
            (AUDIENCE, user, n_user),
        )
        for each in [*titles.items(), *((f"feature_{k}", f"feature {k}") for k in range(len(titles), n))][:n]
    ]
    columns.append((PARTNERS, "n_partners", "number of users who acted on the same items at the same time"))
    return columns[:n_inputs]
