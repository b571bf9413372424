"""Organic logs, planted campaigns and hard innocents."""

from graphdet.simulation.assemble import Planted, PlantedGroup
from graphdet.simulation.campaigns import (
    KINDS,
    LEVELS,
    TRAINED,
    Campaign,
    benchmark_plan,
    is_like,
    kind,
    level,
    training_plan,
    unseen_plan,
    with_knobs,
)
from graphdet.simulation.innocents import INNOCENT_KINDS, innocent, innocent_plan
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.simulation.row_values import RowValues, organic_values, planted_values

__all__ = [
    "INNOCENT_KINDS",
    "KINDS",
    "LEVELS",
    "TRAINED",
    "Campaign",
    "Planted",
    "PlantedGroup",
    "RowValues",
    "benchmark_plan",
    "innocent",
    "innocent_plan",
    "is_like",
    "kind",
    "level",
    "organic",
    "organic_values",
    "plant",
    "planted_values",
    "training_plan",
    "unseen_plan",
    "with_knobs",
]
