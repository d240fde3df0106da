/**
 * A greeting server: it says `Welcome!` and answers each message with
 * `Hello, MESSAGE!` until the message `exit` or the end of the connection.
 *
 * ```sh
 * deno run --allow-net=127.0.0.1:9999 server.ts
 * deno run --allow-net=127.0.0.1:7000 server.ts --port 7000 --delay 0 --lines
 * deno run server.ts --help
 * ```
 *
 * @module
 */
import {
  EXIT,
  parseOptions,
  printable,
  report,
  TrioError,
  VERSION,
  writeAll,
} from "./mod.ts";

/** How {@linkcode serve} serves. */
export interface ServeOptions {
  /** The host to listen on; else `127.0.0.1`. */
  hostname?: string;
  /** The port to listen on; else 9999. 0 takes a free one. */
  port?: number;
  /** Milliseconds to wait before replies; else 1000. */
  delay?: number;
  /** Whether only a newline or EOF ends a message, not the end of a read. */
  lines?: boolean;
  /** The bytes a line may have, when `lines` is true; else 65536. */
  maxMessage?: number;
  /** Connections at once; else 10000. The kernel's queue holds the rest. */
  maxConnections?: number;
  /** Seconds a peer may send or take nothing; else 600. 0 is forever. */
  idleTimeout?: number;
  /** Connections the kernel's queue holds; else 4096. */
  backlog?: number;
  /** Seconds that replies in flight have at the end; else 5. */
  grace?: number;
  /** Ends the server and all its connections at once. */
  signal?: AbortSignal;
  /** Is called with what happens. */
  onEvent?: (event: ServerEvent) => void;
}

/** What happens at a server. */
export type ServerEvent =
  | { event: "listening"; address: string }
  | { event: "accept" | "close"; peer: string }
  | { event: "warning"; message: string };

/** What a server has done so far. */
export interface Status {
  /** Connections open now. */
  open: number;
  /** Connections accepted. */
  total: number;
  /** Messages replied to. */
  messages: number;
  /** Bytes of all replies. */
  bytes: number;
  /** Seconds since it listens. */
  seconds: number;
}

/** A server that runs. */
export interface GreetingServer extends AsyncDisposable {
  /** Where it listens. */
  addr: Deno.NetAddr;
  /** Resolves when it no longer listens and the last connection is gone. */
  finished: Promise<void>;
  /** Says what it has done so far. */
  status(): Status;
  /** Stops accepting, finishes replies in flight, and resolves as `finished`. */
  shutdown(): Promise<void>;
}

const text = new TextEncoder();
const WELCOME = text.encode("Welcome!");
const HELLO = text.encode("Hello, ");
const [LF, CR, BANG] = text.encode("\n\r!") as unknown as number[];
const EXIT_WORD = text.encode("exit");

/** Bytes that one read takes: its replies, at most 9 times as long, stay below 64 KiB. */
const READ = 4096;

/** What the messages in some bytes came to. */
export interface Greeting {
  /** The replies to all of them, joined. */
  replies: Uint8Array<ArrayBuffer>;
  /** How many messages they answer. */
  messages: number;
  /** How many of the bytes were used: the rest starts an unfinished message. */
  used: number;
  /** Why no more messages are to be read, if so. */
  end?: "exit" | "too long";
}

/**
 * Replies to the messages in `bytes`, each ended by `\n` or `\r\n` and, when
 * `cut` is true, by the end of the bytes; none longer than `limit` bytes.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const { replies, used } = greet(new TextEncoder().encode("Ada\r\nBob"), false);
 * assertEquals(new TextDecoder().decode(replies), "Hello, Ada!\r\n");
 * assertEquals(used, 5);
 * ```
 */
export function greet(
  bytes: Uint8Array,
  cut: boolean,
  limit = Infinity,
): Greeting {
  let count = 1;
  for (let at = -1; (at = bytes.indexOf(LF!, at + 1)) !== -1;) count++;
  const replies = new Uint8Array(bytes.length + count * (HELLO.length + 1));
  let used = 0, at = 0, messages = 0;
  const greeting = (end?: Greeting["end"]): Greeting => ({
    replies: replies.subarray(0, at),
    messages,
    used,
    ...end && { end },
  });
  while (used < bytes.length) {
    const newline = bytes.indexOf(LF!, used);
    const next = newline === -1 ? bytes.length : newline + 1;
    let stop = newline === -1 ? next : newline;
    if (newline > used && bytes[newline - 1] === CR) stop--;
    const name = bytes.subarray(used, stop);
    if (newline === -1 && !cut) {
      // A last CR may be half of the newline to come.
      const most = limit + (bytes[stop - 1] === CR ? 1 : 0);
      return greeting(name.length > most ? "too long" : undefined);
    }
    if (name.length > limit) return greeting("too long");
    if (isExit(name)) return greeting("exit");
    replies.set(HELLO, at);
    replies.set(name, at += HELLO.length);
    replies[at += name.length] = BANG!;
    replies.set(bytes.subarray(stop, next), ++at);
    at += next - stop;
    used = next;
    messages++;
  }
  return greeting();
}

function isExit(name: Uint8Array): boolean {
  return name.length === EXIT_WORD.length &&
    EXIT_WORD.every((byte, i) => byte === name[i]);
}

/** A connection. */
interface Peer {
  conn: Deno.TcpConn;
  address: string;
  /** Whether it waits for the peer's next message. */
  idle: boolean;
  /** Ends the wait before its next reply. */
  wake?: () => void;
}

/**
 * Listens and greets, until it is shut down.
 *
 * ```ts
 * import { serve } from "./server.ts";
 *
 * await using server = serve({ port: 0, delay: 0 });
 * using conn = await Deno.connect(server.addr);
 * ```
 *
 * @throws {TrioError} 1 if it cannot listen there, 6 if the host has no address.
 */
export function serve(options: ServeOptions = {}): GreetingServer {
  const {
    hostname = "127.0.0.1",
    port = 9999,
    delay = 1000,
    lines = false,
    maxMessage = 65536,
    backlog = 4096,
    grace = 5,
    signal,
    onEvent = () => {},
  } = options;
  const listener = listen(hostname, port, backlog);
  const addr = listener.addr;
  const started = performance.now();
  const peers = new Set<Peer>();
  let stopping = false, total = 0, messages = 0, bytes = 0;

  async function greetPeer(peer: Peer) {
    const { conn } = peer;
    await writeAll(conn, WELCOME);
    let buffer = new Uint8Array(READ);
    for (let end = 0; !stopping;) {
      if (end === buffer.length) {
        const larger = new Uint8Array(2 * end);
        larger.set(buffer);
        buffer = larger;
      }
      peer.idle = true;
      const n = await conn.read(buffer.subarray(end, end + READ));
      peer.idle = false;
      end += n ?? 0;
      const greeting = greet(
        buffer.subarray(0, end),
        !lines || n === null,
        lines ? maxMessage : Infinity,
      );
      if (greeting.messages) {
        if (delay) await sleep(delay, peer);
        await writeAll(conn, greeting.replies);
        messages += greeting.messages;
        bytes += greeting.replies.length;
      }
      if (greeting.end === "too long") {
        onEvent({
          event: "warning",
          message:
            `${peer.address} sent a line longer than ${maxMessage} bytes`,
        });
      }
      if (n === null || greeting.end) return;
      buffer.copyWithin(0, greeting.used, end);
      end -= greeting.used;
    }
  }

  async function handle(conn: Deno.TcpConn) {
    const peer = { conn, address: format(conn.remoteAddr), idle: false };
    peers.add(peer);
    total++;
    onEvent({ event: "accept", peer: peer.address });
    try {
      await greetPeer(peer);
    } catch {
      // the peer broke the connection, or we closed it
    }
    peers.delete(peer);
    close(peer);
    onEvent({ event: "close", peer: peer.address });
  }

  async function accept() {
    const tasks = new Set<Promise<void>>();
    while (!stopping) {
      try {
        const task = handle(await listener.accept())
          .finally(() => tasks.delete(task));
        tasks.add(task);
      } catch {
        // the peer is gone already, or the listener is closed
      }
    }
    await Promise.all(tasks);
  }

  let timer: ReturnType<typeof setTimeout> | undefined;
  function shutdown() {
    if (!stopping) {
      stopping = true;
      listener.close();
      timer = setTimeout(abort, grace * 1000);
      for (const peer of peers) if (peer.idle) close(peer);
    }
    return finished;
  }

  function abort() {
    shutdown();
    for (const peer of peers) close(peer);
  }

  onEvent({ event: "listening", address: format(addr) });
  const finished = accept().finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  });
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  return {
    addr,
    finished,
    status: () => ({
      open: peers.size,
      total,
      messages,
      bytes,
      seconds: (performance.now() - started) / 1000,
    }),
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

function listen(
  hostname: string,
  port: number,
  tcpBacklog: number,
): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port, tcpBacklog });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const { message } = error as Error;
    const where = format({ hostname, port });
    if (error instanceof Deno.errors.AddrInUse) {
      throw new TrioError(
        EXIT.unexpected,
        `${where} is already in use (is another server running? choose --port)`,
        { cause: error },
      );
    }
    if (/lookup|invalid .*host/.test(message)) {
      throw new TrioError(
        EXIT.lookup,
        `cannot resolve ${hostname} (choose --hostname)`,
        { cause: error },
      );
    }
    throw new TrioError(
      EXIT.unexpected,
      `cannot listen on ${where}: ${message}`,
      { cause: error },
    );
  }
}

function sleep(milliseconds: number, peer: Peer): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    peer.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

function close(peer: Peer) {
  peer.wake?.();
  try {
    peer.conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

function format({ hostname, port }: { hostname: string; port: number }) {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

const HELP = `Usage: server.ts [OPTIONS]

Says Welcome! to each connection and answers each message with Hello, MESSAGE!
until the message exit or the end of the connection. Runs until Ctrl+C.

      --hostname HOST         listen on HOST (127.0.0.1)
  -p, --port PORT             listen on PORT; 0 takes a free one (9999)
      --delay MS              wait before replies (1000)
      --lines                 only a newline ends a message, not the end of a read
      --json                  log one JSON object a line on stdout
  -q, --quiet                 no log lines about connections
  -h, --help, --version
`;

function command(): string[] {
  const { hostname, port } = parse(Deno.args);
  const where = format({
    hostname: hostname.at(-1) ?? "127.0.0.1",
    port: Number(port.at(-1) ?? 9999),
  });
  return [`--allow-net=${where}`, "server.ts", ...Deno.args];
}

function parse(args: string[]) {
  return parseOptions(
    args,
    {
      hostname: "a host name or address",
      port: "a port, 0 to 65535",
      delay: "a number of milliseconds",
    },
    ["lines", "json", "quiet", "help", "version"],
    { p: "port", q: "quiet", h: "help" },
  );
}

async function main(args: string[]): Promise<number> {
  const options = parse(args);
  if (options.help) return print(HELP);
  if (options.version) return print(`server.ts ${VERSION}\n`);
  if (options._.length) {
    throw new TrioError(
      EXIT.usage,
      `unexpected argument ${options._[0]} (--help lists the options)`,
    );
  }
  const { json, quiet } = options;
  const number = (name: "port" | "delay", least: number, most: number) => {
    const value = options[name].at(-1);
    if (value === undefined) return {};
    if (!/^\d+$/.test(value) || +value < least || +value > most) {
      throw new TrioError(
        EXIT.usage,
        `--${name} takes a whole number from ${least} to ${most}, not ${value}`,
      );
    }
    return { [name]: +value };
  };
  const say = (event: object, line: string, log = console.error) => {
    if (json) console.log(JSON.stringify(event));
    else log(printable(line));
  };
  const server = serve({
    ...options.hostname.length && { hostname: options.hostname.at(-1)! },
    ...number("port", 0, 65535),
    ...number("delay", 0, 2 ** 31 - 1),
    lines: options.lines,
    onEvent(event) {
      if (event.event === "listening") {
        say(event, `server: listening on ${event.address} (Ctrl+C stops it)`);
        if (!json && !quiet) console.log("Waiting for connection...");
      } else if (event.event === "warning") {
        say(event, `server: ${event.message}`);
      } else if (!quiet) {
        say(
          event,
          event.event === "accept"
            ? `Accept new connection from ${event.peer}...`
            : `Connection from ${event.peer} closed.`,
          console.log,
        );
      }
    },
  });
  const stop = () => server.shutdown();
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGTERM", stop);
  await server.finished;
  const status = server.status();
  say(
    { event: "summary", ...status },
    `server: served ${status.total} connections, ${status.messages} messages, ` +
      `${status.bytes} bytes in ${status.seconds.toFixed(1)} s`,
  );
  return EXIT.ok;
}

function print(line: string): number {
  console.log(line.trimEnd());
  return EXIT.ok;
}

if (import.meta.main) {
  Deno.exit(
    await main(Deno.args).catch((error) => report("server", error, command)),
  );
}
