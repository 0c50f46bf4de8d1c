"""Mean-field theory, in float64."""
