"""Import every module here, so that each `@job` and `@every` is known: a new file is a new job."""

import importlib
import pkgutil

import tasks

# The Celery application reads the environment and belongs to workers alone.
APART = {"app", "all"}

for module in pkgutil.iter_modules(tasks.__path__):
    if module.name not in APART:
        importlib.import_module(f"tasks.{module.name}")
