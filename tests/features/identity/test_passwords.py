"""Passwords: argon2id with its parameters, and that a wrong name costs what a wrong password costs."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import pytest
from argon2 import PasswordHasher

from features.identity.passwords import Passwords, complaint

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def passwords(settings):
    return Passwords(settings)


def test_hash_is_argon2id_with_the_chosen_cost(passwords):
    assert passwords.hash("a password").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_the_right_password_is_accepted_and_a_wrong_one_is_not(passwords):
    encoded = passwords.hash("a password")
    assert passwords.verify(encoded, "a password")
    assert not passwords.verify(encoded, "a passwore")


def test_nobody_has_a_password(passwords):
    assert not passwords.verify(None, "a password")


def test_a_broken_hash_is_no_password(passwords):
    assert not passwords.verify("$argon2id$nonsense", "a password")


def test_a_lone_surrogate_is_a_password_like_any_other(passwords):
    assert passwords.verify(passwords.hash("\ud800 and more"), "\ud800 and more")


def test_a_hash_of_other_cost_is_made_anew(passwords):
    assert passwords.needs_rehash(PasswordHasher(time_cost=1, memory_cost=1024).hash("a password"))
    assert not passwords.needs_rehash(passwords.hash("a password"))


def test_checking_nobody_takes_as_long_as_checking_somebody(passwords):
    encoded = passwords.hash("a password")

    def cpu_seconds(hashed):
        begun = time.process_time()
        passwords.verify(hashed, "wrong")
        return time.process_time() - begun

    pairs = [(cpu_seconds(encoded), cpu_seconds(None)) for _ in range(21)]
    known, unknown = (median(column) for column in zip(*pairs, strict=True))
    assert 0.9 < unknown / known < 1.1


def test_no_more_are_checked_at_once_than_there_are_cores(passwords):
    running, most, lock = 0, 0, threading.Lock()

    def check():
        nonlocal running, most
        with passwords.turn():
            with lock:
                running += 1
                most = max(most, running)
            passwords.hasher.hash("a password")
            with lock:
                running -= 1

    threads = [threading.Thread(target=check) for _ in range(12)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert most == passwords.turns._initial_value


SIGN_INS = """
import os, threading
from features.identity.passwords import Passwords

def kept():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

passwords = Passwords(None)
encoded, before = passwords.hash("a password"), kept()
threads = [threading.Thread(target=passwords.verify, args=(encoded, "wrong")) for _ in range(24)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(kept() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's account of memory")
def test_many_sign_ins_keep_the_memory_of_a_few():
    """glibc keeps for each thread what it has once asked for: 19 MiB for every thread that ever checked a password."""
    ran = subprocess.run(
        [sys.executable, "-c", SIGN_INS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) < 20 * ((os.cpu_count() or 1) + 1)


@pytest.mark.parametrize(
    "password",
    ["short", "x" * 300, "aaaaaaaaaa", "Ada@Example.org"],
    ids=["short", "long", "same", "address"],
)
def test_a_poor_password_is_refused(password):
    assert complaint(password, "ada", "ada@example.org")


def test_a_long_sentence_is_a_fine_password():
    assert complaint("four words and a lamp", "ada", None) is None
