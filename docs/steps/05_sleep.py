#!/usr/bin/env python3
# Two tasks sleep, one long and one not at all: who is done first?
import asyncio
import threading
import time


async def race(sleep):
    done = []

    async def task(name, seconds):
        await sleep(seconds)
        done.append(name)

    await asyncio.gather(task('long', 0.2), task('short', 0))
    return ', then '.join(done)


async def block(seconds):
    time.sleep(seconds)  # the whole thread sleeps


def thread(name, seconds):
    time.sleep(seconds)  # this thread sleeps, and no other
    done.append(name)


print('a timer: ' + asyncio.run(race(asyncio.sleep)))
print('a sleep that blocks: ' + asyncio.run(race(block)))
done = []
threads = [threading.Thread(target=thread, args=job) for job in [('long', 0.2), ('short', 0)]]
for each in threads:
    each.start()
for each in threads:
    each.join()
print('the same sleep in threads: ' + ', then '.join(done))
