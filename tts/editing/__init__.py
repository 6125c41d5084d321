"""Editing of recordings: other words in the voice of who speaks, the rest as it was recorded."""
