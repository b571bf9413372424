"""Organic logs, planted campaigns and hard innocents."""

from graphdet.simulate.assemble import Planted, PlantedGroup
from graphdet.simulate.campaigns import (
    KINDS,
    LEVELS,
    TRAINED,
    Campaign,
    benchmark_plan,
    kind,
    level,
    training_plan,
)
from graphdet.simulate.innocents import INNOCENT_KINDS, innocent, innocent_plan
from graphdet.simulate.organic import organic
from graphdet.simulate.plant import plant

__all__ = [
    "INNOCENT_KINDS",
    "KINDS",
    "LEVELS",
    "TRAINED",
    "Campaign",
    "Planted",
    "PlantedGroup",
    "benchmark_plan",
    "innocent",
    "innocent_plan",
    "kind",
    "level",
    "organic",
    "plant",
    "training_plan",
]
