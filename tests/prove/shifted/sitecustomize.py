"""Python sleeps until a moment of the steady clock, which libfaketime 0.9.10 refuses: here it sleeps by select."""

import select
import time


def sleep(seconds):
    """Sleep as time.sleep does."""
    select.select([], [], [], seconds)


time.sleep = sleep
