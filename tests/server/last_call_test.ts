/**
 * Who comes while a server shuts down: the listener is closed when nobody waits, or when they never
 * cease to come, and nobody is reset where that can be helped.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { Caller, quickServer } from "../support/caller.ts";

/** What became of a session: the error's name, if it failed. */
async function session(port: number): Promise<string> {
  try {
    using caller = await Caller.dial(port);
    await caller.hears("Welcome!");
    await caller.asks("Ada", "Hello, Ada!");
    return "answered";
  } catch (error) {
    return (error as Error).name;
  }
}

Deno.test("shutdown closes the listener though more come than there is room for, and cuts nobody", async () => {
  await using server = quickServer({ maxConnections: 2, delay: 20, grace: 2 });
  const coming = Array.from({ length: 8 }, async () => {
    while (await session(server.port) === "answered");
  });
  await session(server.port); // those before it in the queue have come by then
  await server.shutdown();
  await Promise.all(coming);
  const { total, messages, cut } = server.status();
  // the end of the grace would cut the reply that always is on its way
  assertEquals({ total, cut }, { total: messages, cut: 0 });
});

Deno.test("shutdown resets nobody who comes when it is about to close the listener", async () => {
  // the last look into the queue comes at some time, of each server at another
  await Promise.all(Array.from({ length: 16 }, async (_, at) => {
    await using server = quickServer({ maxConnections: 1, grace: 1000 });
    const ended = server.shutdown();
    await new Promise((resolve) => setTimeout(resolve, 10 * at));
    const sessions = Array.from({ length: 3 }, () => session(server.port));
    for (const end of await Promise.all(sessions)) {
      assert(end === "answered" || end === "ConnectionRefused", end);
    }
    await ended;
  }));
});
