"""A closer look at rehearsal-free continual learning."""
