"""Organic logs, planted campaigns and hard innocents."""

from graphdet.simulation.assemble import Planted, PlantedGroup
from graphdet.simulation.campaigns import (
    CAMPAIGN_KINDS,
    LEVELS,
    TRAINED_KINDS,
    Campaign,
    benchmark_plan,
    campaign_of_level,
    is_like,
    kind,
    training_plan,
    unseen_plan,
    with_knobs,
)
from graphdet.simulation.innocents import INNOCENT_KINDS, innocent, innocent_plan
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.simulation.row_values import RowValues, organic_values, planted_values

__all__ = [
    "CAMPAIGN_KINDS",
    "INNOCENT_KINDS",
    "LEVELS",
    "TRAINED_KINDS",
    "Campaign",
    "Planted",
    "PlantedGroup",
    "RowValues",
    "benchmark_plan",
    "campaign_of_level",
    "innocent",
    "innocent_plan",
    "is_like",
    "kind",
    "organic",
    "organic_values",
    "plant",
    "planted_values",
    "training_plan",
    "unseen_plan",
    "with_knobs",
]
