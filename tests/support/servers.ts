/**
 * Servers made of one function that is called with each connection, and what
 * such a function is made of.
 *
 * @module
 */
import { readUntilEof, writeAll } from "../../mod.ts";
import { joined, textOf } from "./bytes.ts";
import type { Chain } from "./certificates.ts";

/**
 * A loopback port that nothing listens on. It is below those that the system picks itself: one of
 * them could become another test's before it is used.
 */
export function closedPort(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** A server made of one function that is called with each connection. */
export class FakeServer implements AsyncDisposable {
  /** The loopback port it listens on. */
  readonly port: number;
  #listener: Deno.TcpListener;
  #open = new Set<Deno.TcpConn>();
  #tasks: Promise<void>[] = [];
  #ended = false;

  /** Listens on a free loopback port. */
  constructor(
    handle: (conn: Deno.TcpConn, count: number) => Promise<void> | void,
  ) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#tasks.push(this.#accept(handle));
  }

  async #accept(
    handle: (conn: Deno.TcpConn, count: number) => Promise<void> | void,
  ) {
    for (let count = 1;; count++) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch {
        return; // closed at the end of the test
      }
      if (this.#ended) return close(conn);
      this.#open.add(conn);
      this.#tasks.push(this.#serve(conn, count, handle));
    }
  }

  async #serve(
    conn: Deno.TcpConn,
    count: number,
    handle: (conn: Deno.TcpConn, count: number) => Promise<void> | void,
  ) {
    try {
      await handle(conn, count);
    } catch {
      // the script under test may close the connection at any moment
    } finally {
      this.#open.delete(conn);
      close(conn);
    }
  }

  /** Closes the listener and all connections. */
  async [Symbol.asyncDispose]() {
    this.#listener.close();
    this.#ended = true;
    for (const conn of this.#open) close(conn);
    for (const task of this.#tasks) await task; // also of those that were just accepted
  }
}

function close(conn: Deno.Conn) {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** A TLS server made of one function that is called with each connection. */
export class TlsServer implements AsyncDisposable {
  /** The loopback port it listens on. */
  readonly port: number;
  /** The protocols that were agreed on. */
  readonly protocols: (string | null)[] = [];
  #listener: Deno.TlsListener;
  #finished: Promise<void>;

  /** Listens on a free loopback port. */
  constructor(
    { certificate, key }: Chain,
    handle: (conn: Deno.TlsConn, count: number) => Promise<void>,
    hostname: string = "127.0.0.1",
  ) {
    this.#listener = Deno.listenTls({
      ...{ hostname, port: 0, alpnProtocols: ["http/1.1", "h2"] },
      ...{ cert: Deno.readTextFileSync(certificate), key: Deno.readTextFileSync(key) },
    });
    this.port = this.#listener.addr.port;
    this.#finished = this.#accept(handle);
  }

  async #accept(handle: (conn: Deno.TlsConn, count: number) => Promise<void>) {
    const tasks: Promise<void>[] = [];
    try {
      for (let count = 1;; count++) {
        tasks.push(this.#serve(await this.#listener.accept(), handle, count));
      }
    } catch {
      await Promise.all(tasks); // closed at the end of the test
    }
  }

  async #serve(
    conn: Deno.TlsConn,
    handle: (conn: Deno.TlsConn, count: number) => Promise<void>,
    count: number,
  ) {
    try {
      using _closed = conn;
      this.protocols.push((await conn.handshake()).alpnProtocol);
      await handle(conn, count);
      await conn.closeWrite();
    } catch {
      // the client may refuse the certificate
    }
  }

  /** Closes the listener, once all that was asked is answered. */
  async [Symbol.asyncDispose]() {
    this.#listener.close();
    await this.#finished;
  }
}

/** A listener whose queue is full: who connects hears nothing. */
export class FullListener implements Disposable {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  #queue: Deno.Conn[] = [];
  /** The loopback port it listens on. */
  readonly port = this.#listener.addr.port;

  /** Listens, and fills the queue. */
  static async start(): Promise<FullListener> {
    const listener = new FullListener();
    const { port } = listener;
    // a queue of 1 holds 2
    for (let n = 0; n < 2; n++) listener.#queue.push(await Deno.connect({ port }));
    return listener;
  }

  /** Closes all. */
  [Symbol.dispose]() {
    for (const conn of this.#queue) conn.close();
    this.#listener.close();
  }
}

/** The URL of a path of a server on 127.0.0.1. */
export function urlOf({ port }: { port: number }, path = "/"): string {
  return `http://127.0.0.1:${port}${path}`;
}

/** Reads the head of a request; what was read so far if the client ends it. */
export async function readHead(conn: Pick<Deno.Conn, "read">): Promise<string> {
  const buffer = new Uint8Array(4096);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const n = await conn.read(buffer);
    if (n === null) break;
    head += textOf(buffer.subarray(0, n));
  }
  return head;
}

/** Resolves when the client ends the connection. */
export async function clientEnds(conn: Pick<Deno.Conn, "read">): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    while (await conn.read(buffer) !== null);
  } catch {
    // a reset is an end too
  }
}

/** A server that reads one request, sends the reply and closes. */
export function replying(
  reply: string | Uint8Array | ((head: string, count: number) => string | Uint8Array),
  heads: string[] = [],
): (conn: Deno.Conn, count: number) => Promise<void> {
  return async (conn, count) => {
    const head = await readHead(conn);
    heads.push(head);
    const bytes = typeof reply === "function" ? reply(head, count) : reply;
    await writeAll(conn, joined(bytes));
  };
}

/** Copies until EOF and passes that on; `see` is called with each part first. */
export async function copy(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  see: (bytes: Uint8Array) => unknown = () => {},
) {
  for await (const bytes of readUntilEof(from)) {
    await see(bytes);
    await writeAll(to, bytes);
  }
  await to.closeWrite();
}

/** Waits until a client has closed its connection. */
export async function soon(ended: Promise<void>) {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("the connection is still open")), 5000);
  await Promise.race([ended, late.promise]).finally(() => clearTimeout(timer));
}
