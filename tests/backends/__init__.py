"""Real servers to stand behind barkeep."""
