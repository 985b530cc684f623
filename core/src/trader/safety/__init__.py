"""What stops trading, and what lets it go on: the kill switch and its sweep of the venue."""
