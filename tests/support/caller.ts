/**
 * What the tests of server.ts share: a caller that says bytes and expects
 * bytes, and the server as a process.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
import { writeAll } from "../../mod.ts";
import { serve, type ServeOptions, type ServerEvent } from "../../server.ts";
import { encode } from "./bytes.ts";
import { denoArgs, Running } from "./process.ts";

/** A connection to the server. */
export class Caller implements Disposable {
  /** The connection. */
  readonly conn: Deno.TcpConn;

  private constructor(conn: Deno.TcpConn) {
    this.conn = conn;
    conn.setNoDelay();
  }

  /** Connects, without waiting for a welcome. */
  static async dial(port: number, hostname = "127.0.0.1"): Promise<Caller> {
    return new Caller(await Deno.connect({ hostname, port }));
  }

  /** Connects and is welcomed. */
  static async call(port: number, hostname?: string): Promise<Caller> {
    const caller = await Caller.dial(port, hostname);
    try {
      await caller.hears("Welcome!");
      return caller;
    } catch (error) {
      caller[Symbol.dispose]();
      throw error;
    }
  }

  /** The address that the server sees. */
  get address(): string {
    const { hostname, port } = this.conn.localAddr;
    return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  }

  /** Sends `words`. */
  async says(words: string | Uint8Array): Promise<void> {
    await writeAll(this.conn, encode(words));
  }

  /** Expects the bytes of `words` next. */
  async hears(words: string | Uint8Array): Promise<void> {
    const expected = encode(words), heard = new Uint8Array(expected.length);
    let at = 0;
    for (let n: number | null = 1; n && at < heard.length; at += n ?? 0) {
      n = await this.conn.read(heard.subarray(at));
    }
    assertEquals(heard.subarray(0, at), expected);
  }

  /** Sends `words` and expects the reply. */
  async asks(words: string | Uint8Array, reply: string | Uint8Array): Promise<void> {
    await this.says(words);
    await this.hears(reply);
  }

  /** Expects the end of the connection, and nothing before. */
  async hearsEnd(): Promise<void> {
    assertEquals(await this.conn.read(new Uint8Array(100)), null);
  }

  /** Closes the connection, if it is open: a reset, if something was not read. */
  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

/** server.ts as a process. */
export class ServerProcess extends Running {
  /** Starts it on a free port. */
  constructor(args: string[] = [], program?: [string, (deno: string[]) => string[]]) {
    const deno = denoArgs("server.ts", ["--port", "0", ...args]);
    super(program?.[0] ?? Deno.execPath(), program?.[1](deno) ?? deno);
  }

  /** The port it listens on, once it does. */
  async port(): Promise<number> {
    return Number((await this.heard("stderr", /listening on \S+:(\d+)/))[1]);
  }

  /** Calls it and is welcomed. */
  async call(): Promise<Caller> {
    return await Caller.call(await this.port());
  }
}

/** A server in this process, quick to answer, that tells its events. */
export function quickServer(options: ServeOptions = {}) {
  const events: ServerEvent[] = [];
  const server = serve({
    port: 0,
    delay: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return Object.assign(server, { events, port: server.addr.port });
}

/** Asserts that nobody is welcomed any more; who dials as the server closes is reset. */
export async function refuses(port: number) {
  const error = await assertRejects(() => Caller.call(port), Error);
  const { ConnectionRefused, ConnectionReset } = Deno.errors;
  assert(error instanceof ConnectionRefused || error instanceof ConnectionReset, `${error}`);
}
