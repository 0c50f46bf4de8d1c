"""Measurements on arrays, weights and activations."""
