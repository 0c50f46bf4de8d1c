"""One module a paper: its configurations, arms, claims and figures."""
