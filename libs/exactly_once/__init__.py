"""From one topic to others, exactly once: what a `read_committed` consumer sees happened once, whatever died.

A service gives `runner.ExactlyOnce` a `Stage`: the topic it reads and a step that decides about records. What the
records lead to and the fact that they were read are committed in one Kafka transaction per input partition and
portion; whoever owns a partition fences every earlier owner before it reads where to go on.
"""
