"""Real backends behind barkeep, with the stand-in as Azure."""
