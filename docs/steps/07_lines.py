#!/usr/bin/env python3
# Framing: a message ends at a newline, however its bytes were cut on the way.
import collections


class Lines:
    """Is fed what reads give, and gives the messages that are complete."""

    def __init__(self):
        self.rest = b''  # the beginning of a message whose end has not come yet

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b'\n')
        return [line.decode() for line in lines]  # no newline is inside a character of UTF-8


data = 'Ada\nBob\n小明\n'.encode()
answers = collections.Counter()
for first in range(len(data) + 1):
    for second in range(first, len(data) + 1):
        lines = Lines()
        cut = [data[:first], data[first:second], data[second:]]
        answers[' | '.join(line for part in cut for line in lines.feed(part))] += 1
for answer, count in answers.items():
    print('cut in %d ways: %s' % (count, answer))
