"""Data: found, checked, and handed out in batches."""
