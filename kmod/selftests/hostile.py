#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Guests that attack: the host survives, and other guests do not notice."""

import os
import random

from lib.py import ksft_eq, ksft_exit, ksft_ge, ksft_pr, ksft_run, ksft_true
from nai_env import FAULTS, Flood, Guest, NaiEnv, number, wait_for

SECONDS = number("KSFT_FUZZ_SECONDS", 20)
SEED = number("KSFT_FUZZ_SEED", 0) or random.SystemRandom().randrange(1, 1 << 31)


def _fuzz(cfg, *options, seed):
    """Let a guest attack for a while, beside one that does not."""
    cfg.setup()
    witness = Guest(cfg, "--echo")
    cfg.attach(witness)
    hostile = Guest(cfg, *options, port=True)
    hostile.do("attach")
    floods = [Flood(cfg, hostile, b=30), Flood(cfg, witness, r=300, stream=2)]
    ksft_pr(f"seed {seed}: {' '.join(map(str, options))}")
    told = hostile.do(f"fuzz {SECONDS} {seed}", SECONDS + 60)
    ksft_pr(f"{sum(told['fuzz'].values())} operations, {told['attached']} leases, "
            f"{told['refused']} refused: {told['fuzz']}")
    ksft_ge(told["attached"], 2)
    ksft_eq({name: n for name, n in told["fuzz"].items() if not n and SECONDS >= 20}, {})
    ksft_eq({key: told[key] for key in FAULTS if told[key]}, {})

    # Behaving again, it is served as anybody.
    before = sum(told["rx"])
    ksft_true(wait_for(lambda: sum(hostile.stats()["rx"]) > before + 100),
              "frames after all")
    told = floods[1].stop()
    floods[0].stop()
    ksft_true(cfg.fq(witness), "the witness has its lease")
    stats = witness.check("witness")
    ksft_ge(stats["rx"][2], told["sent"] * 0.8, "frames of the witness")
    hostile.check("after all")


def fuzz(cfg):
    """Everything at once, from one seed."""
    _fuzz(cfg, seed=SEED)


def fuzz_mergeable(cfg):
    """The same with small buffers, of which a frame takes several."""
    _fuzz(cfg, "--mergeable", "--buffer", 512, "--event-idx", seed=SEED + 1)


def fuzz_sending(cfg):
    """The same with a lease that sends."""
    _fuzz(cfg, "--tx", seed=SEED + 2)


def fuzz_seeded(cfg):
    """The same with the guest's own buffers posted to the hardware."""
    cfg.need_sim()
    _fuzz(cfg, "--seeded", seed=SEED + 1000)


def fuzz_seeded_mergeable(cfg):
    """The same, and each buffer just long enough, or not if it was moved."""
    cfg.need_sim()
    _fuzz(cfg, "--seeded", "--mergeable", "--buffer", 1530, seed=SEED + 1001)


def fuzz_and_reset(cfg):
    """The same while the port is reset again and again."""
    cfg.setup()
    cfg.need_sim()
    hostile = Guest(cfg, port=True)
    hostile.do("attach")
    flood = Flood(cfg, hostile, b=30)
    hostile.tell(f"fuzz {SECONDS // 2 + 1} {SEED + 3}")
    for _ in range(10 * SECONDS):
        cfg.knob("stop_delay_us", random.choice((0, 0, 300)))
        cfg.reset()
        random.SystemRandom().randrange(2) or os.sched_yield()
    told = hostile.read(SECONDS + 60)
    flood.stop()
    ksft_ge(told["attached"], 2)
    hostile.check()


def fuzz_and_kill(cfg):
    """Killed in the middle of it."""
    cfg.setup()
    for i in range(number("KSFT_KILLS", 100) // 10):
        hostile = Guest(cfg, port=True)
        hostile.do("attach")
        flood = Flood(cfg, hostile, t=1)
        hostile.tell(f"fuzz 5 {SEED + 4 + i}")
        flood.wait()
        hostile.kill()
        cfg.await_end(hostile)


def main():
    cfg = NaiEnv(__file__)
    ksft_pr(f"KSFT_FUZZ_SEED={SEED} repeats this run")
    ksft_run([fuzz, fuzz_mergeable, fuzz_sending, fuzz_seeded,
              fuzz_seeded_mergeable, fuzz_and_reset, fuzz_and_kill], args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
