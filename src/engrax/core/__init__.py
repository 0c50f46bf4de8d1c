"""Systems, the few lawful ways to combine them, and the runner."""
