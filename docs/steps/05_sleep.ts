#!/usr/bin/env -S deno run
// Two tasks sleep, one long and one not at all: who is done first?
const timer = (ms: number) => new Promise((wake) => setTimeout(wake, ms));
const cell = new Int32Array(new SharedArrayBuffer(4));
const block = (ms: number) => Atomics.wait(cell, 0, 0, ms); // the whole thread sleeps

async function race(sleep: (ms: number) => unknown) {
  const done: string[] = [];
  async function task(name: string, ms: number) {
    await sleep(ms);
    done.push(name);
  }
  await Promise.all([task("long", 200), task("short", 0)]);
  return done.join(", then ");
}

console.log(`a timer: ${await race(timer)}`);
console.log(`a sleep that blocks: ${await race(block)}`);
