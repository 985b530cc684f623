"""The deterministic simulation: real sessions in a world of virtual time, faults and crashes, made from one seed.

    history = run(17)          # simulation.run
    history.converged, history.digest

`loop` and `timing` are the time, `process` and `world` what a session sees instead of the operating system, `lane` the
way to the venue, `venue` and `plugins` who is at its end, `profile` what goes wrong. The judges are in `checks`.
"""
