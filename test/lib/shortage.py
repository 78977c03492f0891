# SPDX-License-Identifier: MIT
"""Memory runs out, once, at a place of a process where it is asked for (src/base/drill_alloc.c): a
walk from place to place, each in a run of its own that either does all of its work, what failed
when it is tried again, or ends and says that memory was missing.

With EVERY_PLACE in the environment no place is left out, however long it takes.
"""

import os
import re
import time

from hosts import wait_until

TRIES = 3
LIMIT = 20  # seconds a program may take for everything, on a loaded machine
HEAD = 8    # places that a process begins with, before libcrypto's
# These end themselves, or crash, when they get no memory; none of them is used but at the start.
FRAGILE = ("libseccomp", "libc", "libnss", "ld-linux")
# Memory that was freed, or never written, is full of this: who believes it is nothing, or still
# what it was, does not get far.
TUNABLES = "GLIBC_TUNABLES=glibc.malloc.perturb=165:glibc.malloc.tcache_count=0"
KILLED = re.compile(r"^.* died \(signal .*", re.M)


class Ended(Exception):
    """What was put to work is no more."""


class Attempt:
    """One run with one allocation refused. Derived: `process`, `work` (raises Ended), `judge` (of
    how it ended) and `clear`."""

    def __init__(self, role, place):
        self.role = role
        self.process = None
        self.prefix = "env", TUNABLES, f"ADIT_DRILL_ALLOC={role}:{place}"
        self.started = False
        self.started_without = False  # it was up before the allocation was asked for

    def said(self):
        return self.process.output() if self.process else ""

    def was_hit(self):
        return f"drill: {self.role}: " in self.said()

    def whom(self):
        """The program or library that asked for the memory."""
        return re.search("is refused, for (.*)", self.said())[1]

    def is_fragile(self):
        """Whether who asked may crash."""
        # a starter makes its sandbox when all the others are up
        return self.whom().startswith(FRAGILE[:1] if self.started else FRAGILE)

    def has_ended(self):
        return self.process.poll() is not None

    def await_start(self, is_up):
        wait_until(lambda: is_up() or self.has_ended(), LIMIT, "it is up or has ended", 0.01)
        if self.has_ended():
            raise Ended
        self.started = True
        self.started_without = not self.was_hit()

    def step(self, what, function):
        """Do something that may fail once, but not again."""
        for _ in range(TRIES):
            if function():
                return
            if self.has_ended():
                raise Ended
            time.sleep(0.05)
        wait_until(self.has_ended, 2, f"{what}; it fails again and again")
        raise Ended

    def run(self):
        """Give whether the allocation was asked for, and whether the work was done in spite of it."""
        survived = True
        try:
            self.work()
        except Ended:
            survived = False
            assert self.was_hit(), self.said()
            self.judge()
        # also if another was put in its place, and all went on
        killed = KILLED.search(self.said())
        assert not killed or self.was_hit() and self.is_fragile(), killed[0]
        self.clear()
        return self.was_hit(), survived


class Walk:
    """One process, place by place: of those in its start every so many, of those behind it others."""

    def __init__(self, attempt, role, stride, behind=1, head=HEAD):
        self.attempt, self.role, self.head = attempt, role, head
        self.stride, self.behind = (1, 1) if os.environ.get("EVERY_PLACE") else (stride, behind)
        self.tried = self.ended = 0

    def go(self, place):
        """Give whether there is such a place, and whether it is in the start. That one run has
        fewer of them, by chance, is not the end: another has to agree."""
        hit, in_start = self.attempt_at(place)
        return (hit, in_start) if hit else self.attempt_at(place)

    def attempt_at(self, place):
        attempt = self.attempt(self.role, place)
        try:
            hit, survived = attempt.run()
        except Exception as error:
            raise AssertionError(f"{self.role}, allocation {place}: {error}\n{attempt.said()}") from error
        self.tried += hit
        self.ended += hit and not survived
        return hit, hit and not attempt.started_without

    def run(self):
        place, in_start, begin = 0, True, time.monotonic()
        while in_start:
            _, in_start = self.go(place)
            place += self.stride if place >= self.head else 1
        place = max(0, place - 2 * self.stride) + 1  # the last one in the start, or just behind
        while self.go(place)[0]:
            place += self.behind
        self.took_s = time.monotonic() - begin
        return self

    def __str__(self):
        return f"{self.role}: {self.tried} allocations refused, {self.ended} of them the end, {self.took_s:.0f} s"
