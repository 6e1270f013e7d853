"""Import what happens later, or once when the data is migrated: a new file (`*jobs`, `*upgrades`) is enough."""

import features
import machine
from machine.discover import modules

for package in (features, machine):
    for ending in ("jobs", "upgrades"):
        list(modules(package, ending))
