"""Head-to-head timings: each topic computes the same on both sides, then they alternate."""
