/**
 * A shutdown loses nothing: what was sent before is answered, who waits in the queue is accepted,
 * and who is quiet is let go at once.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { Caller, quickServer, refuses, ServerProcess } from "../support/caller.ts";
import { pause } from "../support/process.ts";
import { retimed } from "../support/replaced.ts";
import { some } from "../support/thorough.ts";

/** So many callers, welcomed. */
function callers(port: number, count: number): Promise<Caller[]> {
  return Promise.all(Array.from({ length: count }, () => Caller.call(port)));
}

for (const [when, delay] of [["at once", 0], ["after a delay", 50]] as const) {
  Deno.test(`shutdown answers each of 150 names sent before it, ${when}`, async () => {
    await using server = quickServer({ delay });
    const names = await callers(server.port, 150);
    await Promise.all(names.map((caller, i) => caller.says(`Name ${i}`)));
    const ended = server.shutdown();
    await Promise.all(names.map(async (caller, i) => {
      await caller.hears(`Hello, Name ${i}!`);
      await caller.hearsEnd();
      caller[Symbol.dispose]();
    }));
    await ended;
    const { messages, cut } = server.status();
    assertEquals({ messages, cut }, { messages: 150, cut: 0 });
  });
}

Deno.test("shutdown answers what is sent with the connection, before any welcome", async () => {
  await using server = quickServer();
  const dialled = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const caller = await Caller.dial(server.port);
    await caller.says(`Name ${i}`);
    return caller;
  }));
  const ended = server.shutdown();
  await Promise.all(dialled.map(async (caller, i) => {
    await caller.hears(`Welcome!Hello, Name ${i}!`);
    await caller.hearsEnd();
    caller[Symbol.dispose]();
  }));
  await ended;
});

Deno.test("shutdown accepts who waits in the kernel's queue", async () => {
  await using server = quickServer({ maxConnections: 1, grace: 1000 });
  using first = await Caller.call(server.port);
  await first.asks("Ada", "Hello, Ada!");
  const waiting = await Promise.all(Array.from({ length: 3 }, () => Caller.dial(server.port)));
  const ended = server.shutdown();
  await first.hearsEnd();
  for (const caller of waiting) {
    await caller.asks("Ada", "Welcome!Hello, Ada!");
    await caller.hearsEnd();
    caller[Symbol.dispose]();
  }
  first[Symbol.dispose]();
  await ended;
  assertEquals(server.status().total, 4);
});

Deno.test("shutdown closes the listener when its queue is empty: nobody of a crowd is reset", async () => {
  await using server = quickServer({ grace: 1000 });
  const ended = server.shutdown();
  for (let refused = 0; !refused;) {
    // all of them are in the queue before the first one is accepted
    const dialled = Array.from({ length: 8 }, () => Caller.dial(server.port));
    for (const result of await Promise.allSettled(dialled)) {
      if (result.status === "fulfilled") {
        using caller = result.value;
        await caller.hears("Welcome!");
        await caller.asks("exit", "");
        await caller.hearsEnd();
      } else if (result.reason instanceof Deno.errors.ConnectionRefused) refused++;
      else throw result.reason;
    }
    await pause(20); // between two crowds it is empty
  }
  await ended;
});

Deno.test("shutdown closes the listener though more come than there is room for, and cuts nobody", async () => {
  await using server = quickServer({ maxConnections: 2, delay: 20, grace: 2 });
  const session = async () => {
    using caller = await Caller.call(server.port);
    await caller.asks("Ada", "Hello, Ada!");
  };
  const coming = Array.from({ length: 8 }, async () => {
    while (await session().then(() => true, () => false));
  });
  await session(); // those before it in the queue have come by then
  await server.shutdown();
  await Promise.all(coming);
  const { total, messages, cut } = server.status();
  // the end of the grace would cut the reply that always is on its way
  assertEquals({ total, cut }, { total: messages, cut: 0 });
});

Deno.test("shutdown lets go who was answered and is idle, long before grace", async () => {
  await using server = quickServer({ grace: 1000 });
  using caller = await Caller.call(server.port);
  await caller.asks("Ada", "Hello, Ada!");
  const ended = server.shutdown();
  await caller.hearsEnd(); // the test would take a quarter of an hour
  await ended;
});

Deno.test("shutdown waits a second for the first word of who was just welcomed", async () => {
  await using server = quickServer({ grace: 1000 });
  using caller = await Caller.call(server.port), silent = await Caller.call(server.port);
  const ended = server.shutdown();
  await pause(200); // it is far away
  await caller.asks("Ada", "Hello, Ada!");
  await caller.hearsEnd();
  await silent.hearsEnd(); // the test would take a quarter of an hour
  await ended;
});

Deno.test("shutdown answers whoever goes on speaking within a moment", async () => {
  await using server = quickServer({ grace: 1000 });
  using caller = await Caller.call(server.port);
  const ended = server.shutdown();
  for (let n = 0; n < 5; n++) {
    await pause(30); // as from far away
    await caller.asks(`Name ${n}`, `Hello, Name ${n}!`);
  }
  await caller.hearsEnd();
  await ended;
});

Deno.test("shutdown lets a busy peer go right after its reply, not after grace", async () => {
  await using server = quickServer({ grace: 1000, delay: 300 }); // longer than some looks
  using caller = await Caller.call(server.port);
  await caller.says("Ada");
  (await Caller.call(server.port))[Symbol.dispose](); // its welcome shows that Ada was read
  const ended = server.shutdown();
  await caller.hears("Hello, Ada!");
  await caller.hearsEnd();
  await ended;
});

Deno.test("shutdown does not wait for who was told the end and does not end its side", async () => {
  // it is not that such a peer has no more than a second in any case
  using _ = retimed((ms) => ms === 1000 ? 1e9 : ms);
  await using server = quickServer({ grace: 10_000 });
  using caller = await Caller.call(server.port);
  await caller.asks("Ada\nexit", "Hello, Ada!\n");
  await caller.hearsEnd();
  await server.shutdown(); // the test would take hours
  assertEquals(server.status().open, 0);
});

Deno.test("shutdown ends a peer that never is quiet, after a reply and before grace is over", async () => {
  await using server = quickServer({ grace: 2, delay: 20 });
  using caller = await Caller.call(server.port);
  const from = performance.now(), ended = server.shutdown();
  let replies = 0;
  for (const buffer = new Uint8Array(100);; replies++) {
    await caller.says("Ada");
    const n = await caller.conn.read(buffer);
    if (n === null) break;
    assertEquals(new TextDecoder().decode(buffer.subarray(0, n)), "Hello, Ada!");
  }
  caller[Symbol.dispose]();
  await ended;
  assert(performance.now() - from > 1000, "it had half of the grace");
  const { messages, cut } = server.status();
  assertEquals([messages, cut], [replies, 1]); // what it said last is not answered
  // a reply is always under way, so the end of the grace would have cut it, and said so
  assertEquals(server.events.filter(({ event }) => event === "warning"), []);
});

Deno.test("shutdown goes on accepting and answering for drain", async () => {
  await using server = quickServer({ drain: 0.3, delay: 0 });
  using idle = await Caller.call(server.port);
  const from = performance.now(), ended = server.shutdown();
  for (let i = 0; i < 10; i++) {
    using caller = await Caller.call(server.port);
    await caller.asks("Ada", "Hello, Ada!");
  }
  await idle.asks("Bob", "Hello, Bob!"); // nobody is let go yet
  await idle.hearsEnd();
  assert(performance.now() - from >= 300);
  await ended;
  await refuses(server.port);
});

Deno.test("shutdown takes drain for no part of grace", async () => {
  await using server = quickServer({ drain: 1.2, grace: 2 });
  using caller = await Caller.call(server.port);
  const from = performance.now(), ended = server.shutdown();
  while (performance.now() - from < 1500) { // half of the grace is over after 2200
    await pause(30);
    await caller.asks("Ada", "Hello, Ada!");
  }
  await caller.hearsEnd();
  await ended;
});

Deno.test("serve counts the replies that grace has cut, and says so", async () => {
  await using server = quickServer({ delay: 1e9, grace: 0.05 });
  using one = await Caller.call(server.port), two = await Caller.call(server.port);
  await one.says("A\nB\nC");
  await two.says("D");
  using _last = await Caller.call(server.port);
  await server.shutdown();
  assertEquals(server.status().cut, 4);
  const warnings = server.events.filter((it) => it.event === "warning");
  assertEquals(warnings, [{ event: "warning", message: "4 replies were cut after 0.05 s" }]);
});

Deno.test("serve counts no reply as cut that was written before all ended at once", async () => {
  const atOnce = new AbortController();
  await using server = quickServer({ signal: atOnce.signal });
  using caller = await Caller.call(server.port);
  await caller.asks("Ada", "Hello, Ada!");
  atOnce.abort();
  await server.finished;
  assertEquals(server.status().cut, 0);
});

Deno.test("serve takes times beyond those of a timer for the longest one", async () => {
  const controller = new AbortController();
  const server = quickServer({ delay: 1e300, grace: Infinity, signal: controller.signal });
  using busy = await Caller.call(server.port);
  await busy.says("Ada");
  using idle = await Caller.call(server.port);
  const ended = server.shutdown();
  await idle.hearsEnd();
  assertEquals(server.status().open, 1); // an overflow would have ended it at once
  controller.abort();
  await ended;
});

Deno.test("serve leaves no listener on its signal", async () => {
  let listeners = 0;
  const controller = new AbortController(), { signal } = controller;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  for (let i = 0; i < 3; i++) await quickServer({ signal }).shutdown();
  assertEquals(listeners, 0);
});

for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"] as const) {
  Deno.test({
    name: `server.ts answers what came before ${signal}, and exits with 0`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using server = new ServerProcess(["--delay", "100", "--quiet"]);
      const names = await callers(await server.port(), 20);
      await Promise.all(names.map((caller, i) => caller.says(`Name ${i}`)));
      server.child.kill(signal);
      await Promise.all(names.map(async (caller, i) => {
        await caller.hears(`Hello, Name ${i}!`);
        await caller.hearsEnd();
        caller[Symbol.dispose]();
      }));
      assertEquals((await server.child.status).code, 0);
    },
  });

  Deno.test({
    name: `server.ts ends at once on a second ${signal}, also while it drains`,
    ignore: Deno.build.os === "windows",
    async fn() {
      const ways = [["--grace=1000", "--delay=1000000"], ["--drain=1000"]];
      for (const args of signal === "SIGTERM" ? ways : some(ways)) {
        await using server = new ServerProcess(args);
        using busy = await server.call();
        await busy.says("Michael");
        using _idle = await server.call();
        server.child.kill(signal);
        // the runtime takes the signals that have come by their numbers, and one of each kind:
        // the second answer shows that it has taken the first one
        for (const answered of [/ open/, / open[^]* open/]) {
          server.child.kill("SIGUSR2");
          await server.heard("stderr", answered);
        }
        server.child.kill(signal);
        const code = { SIGINT: 130, SIGHUP: 129, SIGTERM: 143 }[signal];
        assertEquals((await server.child.status).code, code);
        await server.heard("stderr", /ended, .* 1 reply cut,/);
      }
    },
  });
}

Deno.test("server.ts --drain says nothing of it, and ends with 0", async () => {
  await using server = new ServerProcess(["--drain", "0.1", "--delay", "0"]);
  using caller = await server.call();
  await caller.asks("Ada", "Hello, Ada!");
  assertEquals((await server.stop("SIGTERM")).code, 0);
  const counts = "1 connection \\(0 open\\), 1 message, 11 bytes, up [\\d.]+ s";
  assertMatch(server.stderr, new RegExp(`^server: listening [^\n]*\nserver: ended, ${counts}\n$`));
  await caller.hearsEnd();
});
