import cProfile, pstats, time, torch
from test_execution import *


def test_prof():
    one, other = (Setting(False, method="dreamer_v1") for _ in range(2))
    t = time.time()
    one.update(*data_of(one, 0))
    print("eager first", time.time() - t)
    t = time.time()
    one.update(*data_of(one, 0))
    print("eager second", time.time() - t)
    t = time.time()
    one.update(*data_of(one, 0))
    print("eager third", time.time() - t)
    for s in range(2):
        other.update(*data_of(other, s))
    record.owned = state_of(other)
    b, n = data_of(other, 5)
    t = time.time()
    pr = cProfile.Profile()
    pr.enable()
    rep, res = record(lambda: other.update(b, n))
    print("record", time.time() - t)
    pr.disable()
    pstats.Stats(pr).sort_stats("cumtime").print_stats(12)
    t = time.time()
    pr = cProfile.Profile()
    pr.enable()
    rep()
    pr.disable()
    print("replay", time.time() - t, len(rep.__self__.calls))
    pstats.Stats(pr).sort_stats("tottime").print_stats(12)
