/**
 * What the system may do to a listener and its connections: no second address, no descriptors,
 * connections that ended in the queue, writes that take a part, an end in the same moment.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import { TrioError } from "../../mod.ts";
import { serve } from "../../server.ts";
import { Caller, quickServer } from "../support/caller.ts";
import { replaced } from "../support/replaced.ts";

type Listen = (options: Deno.TcpListenOptions) => Deno.TcpListener;

/** While it lasts, `Deno.listen` is what `replace` makes of it. */
function listening(replace: (listen: Listen) => Listen): Disposable {
  return replaced(Deno, "listen", (own) => replace(own as Listen) as typeof Deno.listen);
}

/** A machine where the second address of localhost fails so. */
function withoutIPv6(error: Error): Disposable {
  return listening((listen) => (options) => {
    if (options.hostname === "::1") throw error;
    return listen(options);
  });
}

Deno.test("serve on localhost is content with IPv4 on a machine without IPv6", async () => {
  using _ = withoutIPv6(new Deno.errors.AddrNotAvailable("Cannot assign requested address"));
  await using server = quickServer({ hostname: "localhost" });
  assertEquals(server.events, [{ event: "listening", address: `127.0.0.1:${server.port}` }]);
  using caller = await Caller.call(server.port);
  await caller.asks("Ada", "Hello, Ada!");
});

Deno.test("serve on localhost listens nowhere if others have the second address", () => {
  let first = 0;
  using _ = listening((listen) => (options) => {
    if (options.hostname === "::1") throw new Deno.errors.AddrInUse("Address already in use");
    const listener = listen(options);
    first = listener.addr.port;
    return listener;
  });
  const options = { hostname: "localhost", port: 0 };
  const { code } = assertThrows(() => serve(options), TrioError, "is already in use");
  assertEquals(code, 1);
  Deno.listen({ hostname: "127.0.0.1", port: first }).close(); // it was given back
});

/** Listeners whose accept() fails with each of `errors` first; tells when it was called. */
function failing(errors: Error[], calls: number[]): Disposable {
  return listening((listen) => (options) => {
    const listener = listen(options), accept = listener.accept.bind(listener);
    listener.accept = () => {
      calls.push(performance.now());
      const error = errors.shift();
      return error ? Promise.reject(error) : accept();
    };
    return listener;
  });
}

Deno.test("serve accepts again after a failure, a moment later, and says so once", async () => {
  const calls: number[] = [], lacking = () => new Error("Too many open files (os error 24)");
  using _ = failing([lacking(), lacking(), lacking()], calls);
  await using server = quickServer();
  using caller = await Caller.call(server.port);
  assert(calls[3]! - calls[0]! > 290, `${calls}`); // else it would be busy with that alone
  const { message } = lacking();
  assertEquals(server.events.slice(1), [
    { event: "warning", message: `cannot accept: ${message}` },
    { event: "accept", peer: caller.address },
  ]);
});

Deno.test("serve does not wait after a connection that ended in the queue, nor warn of it", async () => {
  const { ConnectionReset, ConnectionAborted, NotConnected } = Deno.errors;
  const calls: number[] = [];
  using _ = failing([new ConnectionReset(), new ConnectionAborted(), new NotConnected()], calls);
  await using server = quickServer();
  using caller = await Caller.call(server.port);
  assertEquals(server.events.slice(1), [{ event: "accept", peer: caller.address }]);
});

/** Listeners whose connections are what `change` makes of them. */
function accepting(change: (conn: Deno.TcpConn) => void): Disposable {
  return listening((listen) => (options) => {
    const listener = listen(options), accept = listener.accept.bind(listener);
    listener.accept = async () => {
      const conn = await accept();
      change(conn);
      return conn;
    };
    return listener;
  });
}

Deno.test("serve sends each reply at once, and has the kernel look for dead peers", async () => {
  const set: string[] = [];
  using _ = accepting((conn) => {
    const { setNoDelay, setKeepAlive } = conn;
    conn.setNoDelay = () => (set.push("no delay"), setNoDelay.call(conn));
    conn.setKeepAlive = () => (set.push("keep alive"), setKeepAlive.call(conn));
  });
  await using server = quickServer();
  using _caller = await Caller.call(server.port);
  assertEquals(set, ["no delay", "keep alive"]);
});

Deno.test("serve writes all of a reply, however little a write takes", async () => {
  using _ = accepting((conn) => {
    const write = conn.write.bind(conn);
    conn.write = (bytes) => write(bytes.length > 8 ? bytes.subarray(0, 5) : bytes);
  });
  await using server = quickServer();
  using caller = await Caller.call(server.port);
  await caller.asks("Ada\nGrace", "Hello, Ada!\nHello, Grace!");
  assertEquals(server.status().bytes, 25);
});

Deno.test("serve ends at once also for who is accepted in the same moment", async () => {
  const atOnce = new AbortController();
  using _ = accepting(() => atOnce.abort());
  const server = quickServer({ signal: atOnce.signal });
  using caller = await Caller.dial(server.port);
  await server.finished;
  assertEquals(server.events.length, 1);
  await caller.conn.read(new Uint8Array(9)).catch(() => {}); // an end, or a reset
});

Deno.test("serve ends at once also for who says something in the same moment", async () => {
  const atOnce = new AbortController();
  using _ = accepting((conn) => {
    const read = conn.read.bind(conn);
    conn.read = async (buffer) => {
      const n = await read(buffer);
      atOnce.abort();
      return n;
    };
  });
  const server = quickServer({ signal: atOnce.signal, delay: 1e9 });
  using caller = await Caller.call(server.port);
  await caller.says("Ada");
  await server.finished; // the test would take as long as the delay
  await caller.hearsEnd();
});

Deno.test("serve warns again of what concerns no single peer after a minute", async () => {
  let later = 0;
  using _ = replaced(performance, "now", (now) => () => now.call(performance) + later);
  await using server = quickServer({ maxPerAddress: 1 });
  using _first = await Caller.call(server.port);
  const warnings: number[] = [];
  for (const seconds of [0, 30, 61, 90, 122]) {
    later = seconds * 1000;
    using more = await Caller.dial(server.port);
    await more.hearsEnd();
    warnings.push(server.events.filter(({ event }) => event === "warning").length);
  }
  assertEquals(warnings, [1, 1, 2, 2, 3]);
});
