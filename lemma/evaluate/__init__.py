"""Measuring a model: how often it is right, how often it reflects, and what its reflections come to."""
