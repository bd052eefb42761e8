"""Customers' stories, played with a movable clock on the real actions and the real database."""
