import os
import socket
from tempfile import TemporaryFile

from tests.chaos.injections import Fault, soak_plan
from tests.chaos.soak import Sample, growths, sample_of

MIB = 1024 * 1024


def grown(samples: list[Sample], process: str = "ingress") -> set[str]:
    return {one.name for one in growths({process: samples}) if not one.is_flat}


def test_what_grows_all_the_time_is_found_and_noise_is_not() -> None:
    steady = [Sample(100 * MIB + n % 3 * MIB, 30 + n % 2, 4, 20 + n % 5) for n in range(100)]
    assert grown(steady) == set()
    assert grown([one._replace(memory=one.memory + n * MIB) for n, one in enumerate(steady)]) == {"memory"}
    leaking = [one._replace(files=one.files + n, connections=one.connections + n) for n, one in enumerate(steady)]
    assert grown(leaking) == {"files", "connections"}
    assert grown([one._replace(threads=one.threads + n // 5) for n, one in enumerate(steady)]) == {"threads"}


def test_the_memory_of_kafka_and_of_redis_may_grow_and_nothing_else_of_them() -> None:
    growing = [Sample((100 + n) * MIB, n, n, n) for n in range(100)]
    for process in ("kafka", "redis"):
        assert grown(growing, process) == {"files", "threads", "connections"}


def test_what_grows_only_until_everything_is_warm_is_not_found() -> None:
    assert grown([Sample(min(n, 20) * 10 * MIB, min(n, 20), 4, min(n, 20)) for n in range(100)]) == set()


def test_a_sample_is_what_the_process_has() -> None:
    before = sample_of(os.getpid())
    with TemporaryFile(), socket.socket():
        after = sample_of(os.getpid())
    assert (after.files - before.files, after.connections - before.connections) == (2, 1)
    assert before.memory > 10 * MIB
    assert before.threads >= 1


def test_between_two_faults_of_a_soak_and_at_both_ends_nothing_happens() -> None:
    faults = [one.fault for one in soak_plan(1800)]
    assert len(faults) == 25
    assert {*faults[::2]} == {Fault.NONE}
    assert Fault.NONE not in faults[1::2]
