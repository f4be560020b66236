"""Measurements; each module runs alone, ``make bench`` runs all."""
