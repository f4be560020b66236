"""One time limit for many."""

import asyncio

from services.ingress.patience import Patience
from tests.eventually import eventually


async def test_what_waits_longer_than_the_limit_is_given_up_in_order() -> None:
    given_up: list[int] = []
    patience = Patience(0.05, given_up.append)
    for item in range(100):
        patience.begin(item)

    async def all_are_given_up() -> bool:
        return given_up == list(range(100))

    await eventually(all_are_given_up, within_s=5)
    assert not patience.end(0)


async def test_what_ends_in_time_is_not_given_up() -> None:
    given_up: list[str] = []
    patience = Patience(0.05, given_up.append)
    patience.begin("early")
    patience.begin("late")
    assert patience.end("early")

    async def late_is_given_up() -> bool:
        return "late" in given_up

    await eventually(late_is_given_up, within_s=5)
    assert given_up == ["late"]


async def test_each_has_the_whole_limit_from_its_own_beginning() -> None:
    loop = asyncio.get_running_loop()
    waited: dict[int, float] = {}
    began: dict[int, float] = {}

    def give_up(item: int) -> None:
        waited[item] = loop.time() - began[item]

    patience = Patience(0.1, give_up)

    async def twenty_have_waited() -> bool:
        if len(began) < 20:
            began[len(began)] = loop.time()
            patience.begin(len(began) - 1)
        return len(waited) == 20

    await eventually(twenty_have_waited, within_s=5)
    assert min(waited.values()) >= 0.099
