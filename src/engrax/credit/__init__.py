"""Learners that assign credit, with and without backpropagation."""
