"""The counts of latencies, against sorted lists."""

from __future__ import annotations

import ctypes
import math
import random
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

QUANTILES = [0.0, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    file = tmp_path_factory.mktemp("histogram") / "histogram.so"
    source = ROOT / "Benchmarks/Load/histogram.c"
    subprocess.run(["clang", "-std=gnu11", "-shared", "-fPIC", "-o", file, source, "-lm"], check=True)
    library = ctypes.CDLL(str(file))
    library.histogram_record.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    library.histogram_add.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.histogram_quantile.argtypes = [ctypes.c_void_p, ctypes.c_double]
    library.histogram_quantile.restype = ctypes.c_uint64
    return library


def make() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(64 << 10)


def values(kind: str) -> list[int]:
    generator = random.Random(kind)
    if kind == "small":
        return [generator.randrange(300) for _ in range(5000)]
    if kind == "of every size":
        return [int(2 ** generator.uniform(0, 39)) for _ in range(5000)]
    return [50_000] * 5000


@pytest.mark.parametrize("kind", ["small", "of every size", "all the same"])
def test_quantiles_are_within_a_hundred_and_twenty_eighth(library: ctypes.CDLL, kind: str):
    histogram, durations = make(), sorted(values(kind))
    for duration in durations:
        library.histogram_record(histogram, duration)
    for quantile in QUANTILES:
        exact = durations[max(0, math.ceil(quantile * len(durations)) - 1)]
        found = library.histogram_quantile(histogram, quantile)
        assert exact <= found <= exact * (1 + 1 / 128) + 1


def test_the_sum_of_two_is_as_if_all_had_been_counted_in_one(library: ctypes.CDLL):
    first, second, both = make(), make(), make()
    for index, duration in enumerate(values("of every size")):
        library.histogram_record(first if index % 3 else second, duration)
        library.histogram_record(both, duration)
    library.histogram_add(first, second)
    assert first.raw == both.raw


def test_what_is_too_long_counts_as_the_longest(library: ctypes.CDLL):
    histogram = make()
    library.histogram_record(histogram, 2**50)
    assert library.histogram_quantile(histogram, 0.5) >= 2**39
    assert library.histogram_quantile(make(), 0.5) == 0
