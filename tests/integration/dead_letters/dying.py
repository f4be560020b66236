"""The command in a process that is killed where it hurts: ``dying before|after replay ...``, of its first commit."""

import os
import signal
import sys

from aiokafka import AIOKafkaProducer

from services.config.dead_letters.command import main

commit = AIOKafkaProducer.commit_transaction


async def commit_and_die(producer: AIOKafkaProducer) -> None:
    if sys.argv[1] == "after":
        await commit(producer)
    os.kill(os.getpid(), signal.SIGKILL)


AIOKafkaProducer.commit_transaction = commit_and_die
main(sys.argv[2:])
