"""Real crashes: a venue in a process of its own, a trader that is killed again and again, and what must hold after.

`server` is the venue, `child` the trader, `trial` kills and restarts it, `check` compares journal and venue.
"""
