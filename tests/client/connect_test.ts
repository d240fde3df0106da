/**
 * `connect()` and what it gives, in this process.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
import { connect, probe } from "../../client.ts";
import { TrioError, writeAll } from "../../mod.ts";
import { serve } from "../../server.ts";
import { rejectsWith } from "../support/assertions.ts";
import { encode } from "../support/bytes.ts";
import { tutorialServer } from "../support/client.ts";
import { pause } from "../support/process.ts";
import { seeingConnections } from "../support/replaced.ts";
import { clientEnds, FakeServer } from "../support/servers.ts";
import { ManualTimeouts } from "../support/signals.ts";

Deno.test("connect is as the example says, and its greetings queue in order", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  await using greeter = await connect({ port: server.port });
  assertEquals(greeter.welcome, "Welcome!");
  const names = Array.from({ length: 50 }, (_, i) => `name ${i}`);
  const all = Promise.all(names.map((name) => greeter.greet(name)));
  const exited = greeter.exit(); // after all of them
  assertEquals(await all, names.map((name) => `Hello, ${name}!`));
  await exited;
  assertEquals(messages, [...names, "exit"]);
  assert(greeter.signal.aborted && greeter.elapsed > 0);
  await assertRejects(() => greeter.greet("late"), TrioError, "is over");
});

Deno.test("greet refuses a name that cannot be sent, and goes on", async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using greeter = await connect({ port: server.addr.port });
  for (const name of ["", "a\nb", "a\r", "exit", "half a 😀: \ud83d"]) {
    const error = await assertRejects(() => greeter.greet(name), TrioError);
    assertEquals(error.code, 2);
  }
  assertEquals(await greeter.greet("Ada"), "Hello, Ada!");
});

Deno.test("connect and greet end with the reason of the signal", async () => {
  const stop = new AbortController();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    const buffer = new Uint8Array(9);
    while (await conn.read(buffer) !== null) stop.abort(new Error("enough"));
  });
  await using greeter = await connect({ port: server.port, signal: stop.signal });
  const [first, second] = await Promise.allSettled([greeter.greet("Ada"), greeter.greet("Bob")]);
  assert(first.status === "rejected" && second.status === "rejected");
  assertEquals([first.reason.message, second.reason.message], ["enough", "enough"]);
  await assertRejects(() => connect({ port: server.port, signal: stop.signal }), Error, "enough");
});

Deno.test("connect closes the connection when its Greeter is disposed of", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    resolve(String(await conn.read(new Uint8Array(9))));
  });
  {
    await using _greeter = await connect({ port: server.port });
  }
  assertEquals(await promise, "null"); // EOF, and no exit
});

Deno.test("connect aborts its signal at once when the server goes away", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    await promise;
  });
  await using greeter = await connect({ port: server.port });
  const aborted = new Promise((done) => greeter.signal.addEventListener("abort", done));
  resolve();
  await aborted;
  const error = await assertRejects(() => greeter.greet("Ada"), TrioError, "closed");
  assertEquals(error.code, 56);
});

Deno.test("exit takes a server that closed after the last reply as one that closes then", async () => {
  for (const [more, code] of [["", undefined], ["Hello", 56]] as const) {
    await using server = new FakeServer(async (conn) => {
      await writeAll(conn, encode("Welcome!"));
      await conn.read(new Uint8Array(9));
      await writeAll(conn, encode(`Hello, Ada!${more}`));
    });
    await using greeter = await connect({ port: server.port });
    const ended = new Promise((end) => greeter.signal.addEventListener("abort", end));
    await greeter.greet("Ada");
    await ended;
    await rejectsWith(56, greeter.greet("Bob"), "closed the connection");
    if (code) await rejectsWith(code, greeter.exit(), "closed the connection");
    else await greeter.exit();
  }
});

Deno.test("connect closes a connection that is made when its signal aborts", async () => {
  const stop = new AbortController();
  await using server = new FakeServer((conn) => clientEnds(conn));
  using _ = seeingConnections(() => stop.abort(new Error("enough")));
  await assertRejects(
    () => connect({ port: server.port, signal: stop.signal }),
    Error,
    "enough",
  ); // an open connection would fail the test
});

Deno.test("disposing of a Greeter waits until nothing of it is under way", async () => {
  let reading = 0;
  using _ = seeingConnections((conn) => {
    const read = conn.read.bind(conn);
    conn.read = async (buffer) => {
      reading++;
      try {
        return await read(buffer);
      } finally {
        await pause(20);
        reading--;
      }
    };
  });
  await using server = tutorialServer([]);
  const greeter = await connect({ port: server.port });
  assertEquals(reading, 1);
  await greeter[Symbol.asyncDispose]();
  assertEquals(reading, 0);
});

Deno.test("connect closes a connection to itself, and takes it for a refused one", async () => {
  await using server = new FakeServer((conn) => clientEnds(conn));
  using _ = seeingConnections((conn) =>
    Object.defineProperty(conn, "localAddr", { value: conn.remoteAddr })
  );
  await rejectsWith(7, connect({ port: server.port }), "by itself");
});

Deno.test("connect takes the same port of another address for no connection to itself", async () => {
  await using server = tutorialServer([]);
  using _ = seeingConnections((conn) => {
    const value = { ...conn.remoteAddr, hostname: "127.0.0.2" };
    Object.defineProperty(conn, "localAddr", { value });
  });
  await using greeter = await connect({ port: server.port });
  assertEquals(greeter.welcome, "Welcome!");
});

Deno.test("greet waits until a name is written, also for a reply that is faster", async () => {
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("Welcome!Hello, Ada!"));
    await clientEnds(conn);
  });
  const taken = Promise.withResolvers<void>();
  using _ = seeingConnections((conn) => {
    const write = conn.write.bind(conn);
    conn.write = (bytes) => taken.promise.then(() => write(bytes));
  });
  await using greeter = await connect({ port: server.port });
  let greeted = false;
  const reply = greeter.greet("Ada").then(() => greeted = true);
  await pause(50); // the reply has been read by then
  assert(!greeted);
  taken.resolve();
  await reply;
});

Deno.test("connect gives the server ten seconds if nothing else is said", async () => {
  using timeouts = new ManualTimeouts();
  await using server = new FakeServer(() => {});
  await rejectsWith(52, connect({ port: server.port }));
  const { ms } = timeouts.made[0]!;
  assert(ms > 9000 && ms <= 10_000, `${ms} ms`);
});

Deno.test("probe tells how many milliseconds the connection took, too", async () => {
  await using server = new FakeServer((conn) => clientEnds(conn));
  using _ = seeingConnections(() => pause(50)); // it is far away
  const { ms } = await probe({ port: server.port });
  assert(ms > 45, `${ms} ms`);
});

Deno.test("greet tells how many milliseconds a reply took", async () => {
  await using server = serve({ port: 0, delay: 50 });
  await using greeter = await connect({ port: server.addr.port });
  await greeter.greet("Ada");
  assert(greeter.elapsed > 45, `${greeter.elapsed} ms`);
});

Deno.test("connect takes what can be no port for a mistake, not for a failure that may pass", async () => {
  for (const port of [0, -1, 65_536, 1.5, NaN]) {
    await rejectsWith(2, connect({ port }), "Invalid port");
  }
  // the system refuses a link's address that does not say which link
  await rejectsWith(7, connect({ hostname: "fe80::1" }), "cannot connect");
});
