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
 * With `--json`, each line on stdout is an object with `time` and `event`: `listening` has
 * `address`; `accept` and `close` have `peer`; `warning` has `message`, and `peer` if it is about
 * one; `status` (on SIGUSR1) and `summary` (at the end) have `open`, `total`, `messages`, `bytes`
 * of replies, and `seconds`.
 *
 * @module
 */
import {
  EXIT,
  parseNumber,
  parseOptions,
  printable,
  report,
  TrioError,
  VERSION,
} from "./mod_old.ts";
import { Conversation, MAX_MESSAGE, READ_BYTES, WELCOME } from "./protocol/greeting.ts";

export { Conversation };

/** How {@linkcode serve} serves. */
export interface ServeOptions {
  /** The name or address to listen on; else `127.0.0.1`. */
  hostname?: string;
  /** The port to listen on; else 9999. 0 takes a free one. */
  port?: number;
  /** Milliseconds to wait before the replies to a read; else 1000. */
  delay?: number;
  /** Whether only a newline or EOF ends a message; else the end of a read does, too. */
  lines?: boolean;
  /** The most bytes of a message when `lines` is true; else 65536. */
  maxMessage?: number;
  /** The most connections at once, the kernel's queue holds the rest; else 10000. */
  maxConnections?: number;
  /** Seconds that a peer may send nothing, or take nothing; else 600. 0 is for ever. */
  idleTimeout?: number;
  /** The most connections in the kernel's queue; else 4096. */
  backlog?: number;
  /** Seconds that replies in flight have when the server shuts down; else 5. */
  grace?: number;
  /** Ends the server at once, with all its connections. */
  signal?: AbortSignal;
  /** Is told what happens; must not throw. */
  onEvent?: (event: ServerEvent) => void;
}

/** What happens at a server; `address` and `peer` are like `127.0.0.1:9999`. */
export type ServerEvent =
  | { event: "listening"; address: string }
  | { event: "accept"; peer: string }
  | { event: "close"; peer: string }
  | { event: "warning"; message: string; peer?: string };

/** What a server has done so far. */
export interface Status {
  /** Connections that are open. */
  open: number;
  /** Connections accepted. */
  total: number;
  /** Messages replied to. */
  messages: number;
  /** Bytes of these replies. */
  bytes: number;
  /** Seconds since it began to listen. */
  seconds: number;
}

/** A running server; disposing of it shuts it down. */
export interface GreetingServer extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: Deno.NetAddr;
  /** Resolves when it has ended and its last connection is gone. */
  readonly finished: Promise<void>;
  /** What it has done so far. */
  status(): Status;
  /** Accepts no more, closes idle connections, finishes replies in flight; returns `finished`. */
  shutdown(): Promise<void>;
}

/** What is served if nothing else is asked for. */
const DEFAULTS = {
  hostname: "127.0.0.1",
  port: 9999,
  delay: 1000,
  lines: false,
  maxMessage: MAX_MESSAGE,
  maxConnections: 10_000,
  idleTimeout: 600,
  backlog: 4096, // 511, the runtime's own, overflows when a thousand connect at once
  grace: 5,
};

/** Milliseconds to wait when nothing can be accepted: enough for some connections to end. */
const RETRY_MS = 100;

/** Milliseconds between two warnings that nothing can be accepted. */
const WARN_MS = 60_000;

/** Milliseconds that a peer has to end its side when the server has ended the conversation. */
const LINGER_MS = 1000;

/** A connection. */
interface Peer {
  readonly conn: Deno.TcpConn;
  /** Whether replies to it are in flight: not all are written yet. */
  busy: boolean;
  /** Milliseconds that it has sent nothing, or taken nothing, as far as the sweeps have seen. */
  idle: number;
  /** Ends the wait before its replies. */
  wake?: () => void;
}

/** How many operations the runtime does at a time, for all connections together. */
const RUNTIME_BUDGET = 128;

/** How many of the reads that wait for their turn go on at a time: each takes a write, too. */
const TURN_READS = RUNTIME_BUDGET / 4;

/**
 * Lets all connections have their turn when more are ready than the runtime serves at a time.
 *
 * What it puts off then, it serves after all that becomes ready in the meantime, and the last first:
 * a hundred busy connections would starve all others. So who was served waits in a queue before
 * reading again, until those put off were served, too. The queue moves faster when few of those it
 * let go were ready. (DENO_TOKIO_MAX_IO_EVENTS_PER_TICK=64 has the same effect, a little cheaper.)
 */
function takeTurns() {
  const queue: (() => void)[] = [];
  let ready = 0, batch = TURN_READS, ending = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  function endTurn() {
    if (!ending) setImmediate(nextTurn); // after all that this turn of the event loop serves
    ending = true;
  }
  function nextTurn() {
    clearTimeout(timer);
    if (ready < RUNTIME_BUDGET) {
      batch = ready < TURN_READS ? 2 * batch : TURN_READS;
      for (const go of queue.splice(0, batch)) go();
    }
    ready = 0;
    ending = false;
    if (queue.length) timer = setTimeout(endTurn, 1); // should none of them be ready
  }
  return {
    /** What a connection must wait for before it reads again, if anything. */
    turn(): Promise<void> | undefined {
      if (ready < RUNTIME_BUDGET && !queue.length) return;
      return new Promise((resolve) => queue.push(resolve));
    },
    /** Counts a read that has ended. */
    count() {
      ready++;
      endTurn();
    },
  };
}

/**
 * Listens, and greets whoever connects until it is shut down. Nothing that a peer does ends more
 * than its own connection.
 *
 * @example
 * ```ts
 * import { serve } from "./server.ts";
 * import { readAll, writeAll } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serve({ port: 0, delay: 0 });
 * using conn = await Deno.connect({ port: server.addr.port });
 * await writeAll(conn, new TextEncoder().encode("Ada"));
 * await conn.closeWrite();
 * assertEquals(new TextDecoder().decode(await readAll(conn, 100)), "Welcome!Hello, Ada!");
 * ```
 *
 * @throws {TrioError} 1 if it cannot listen there, 6 if the name is not resolved.
 */
export function serve(options: ServeOptions = {}): GreetingServer {
  const {
    hostname,
    port,
    delay,
    lines,
    maxMessage,
    maxConnections,
    idleTimeout,
    backlog,
    grace,
    signal,
    onEvent = () => {},
  } = { ...DEFAULTS, ...options };
  const listener = listen(hostname.replace(/^\[|\]$/g, ""), port, backlog);
  const started = performance.now();
  const peers = new Set<Peer>();
  const turns = takeTurns();
  const done = { total: 0, messages: 0, bytes: 0 };
  let stopping = false;
  /** Resolves when a connection ends. */
  let ended = Promise.withResolvers<void>();

  /** Waits until fewer than `count` connections are open. */
  async function fewerThan(count: number) {
    while (peers.size >= count) {
      ended = Promise.withResolvers();
      await ended.promise;
    }
  }

  async function accept() {
    let warned = -Infinity;
    for (;;) {
      await fewerThan(maxConnections);
      try {
        attend(await listener.accept());
      } catch (error) {
        if (stopping) return await fewerThan(1);
        if (isPeerGone(error)) continue;
        // Most likely out of descriptors: some come back when connections end.
        if (performance.now() - warned > WARN_MS) {
          warned = performance.now();
          onEvent({ event: "warning", message: `cannot accept: ${(error as Error).message}` });
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Attends to a connection from its first byte to its last; never rejects. */
  async function attend(conn: Deno.TcpConn) {
    const peer: Peer = { conn, busy: false, idle: 0 };
    peers.add(peer);
    done.total++;
    onEvent({ event: "accept", peer: format(conn.remoteAddr) });
    try {
      conn.setNoDelay();
      await conn.write(WELCOME); // so few bytes always fit
      const conversation = new Conversation(lines, maxMessage);
      let n: number | null = 0;
      // All that waits for the peer waits here: each function that waits is memory and time.
      while (n !== null && !conversation.end && !stopping) {
        const turn = turns.turn();
        if (turn) await turn;
        n = await conn.read(conversation.space);
        if (peers.size > RUNTIME_BUDGET) turns.count();
        peer.idle = 0;
        const replies = conversation.hear(n);
        if (replies.length) {
          peer.busy = true;
          if (delay) await sleep(delay, peer);
          for (let sent = 0; sent < replies.length;) {
            peer.idle = 0;
            sent += await conn.write(sent ? replies.subarray(sent) : replies);
          }
          peer.busy = false;
          done.messages += conversation.messages;
          done.bytes += replies.length;
        }
      }
      if (conversation.end === "too long") warn(peer, `sent a line of over ${maxMessage} bytes`);
      if (n !== null) await drain(peer);
    } catch {
      // the peer broke the connection, or close() ended it
    }
    close(peer);
    peers.delete(peer);
    onEvent({ event: "close", peer: format(conn.remoteAddr) });
    ended.resolve();
  }

  function warn(peer: Peer, what: string) {
    const address = format(peer.conn.remoteAddr);
    onEvent({ event: "warning", peer: address, message: `${address} ${what}` });
  }

  // One timer for all: connections are swept, so that no read and no write needs its own.
  const limit = idleTimeout * 1000, period = Math.min(limit / 4, 1000);
  const sweeper = limit ? setInterval(sweep, period) : undefined;
  function sweep() {
    for (const peer of peers) {
      if ((peer.idle += period) <= limit) continue;
      warn(peer, `was idle for ${idleTimeout} s`);
      close(peer);
    }
  }

  let deadline: ReturnType<typeof setTimeout> | undefined;
  function shutdown() {
    if (!stopping) {
      stopping = true;
      listener.close();
      deadline = setTimeout(abort, grace * 1000);
      for (const peer of peers) if (!peer.busy) close(peer);
    }
    return finished;
  }

  function abort() {
    shutdown();
    for (const peer of peers) close(peer);
  }

  onEvent({ event: "listening", address: format(listener.addr) });
  const finished = accept().finally(() => {
    clearInterval(sweeper);
    clearTimeout(deadline);
    signal?.removeEventListener("abort", abort);
  });
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  return {
    addr: listener.addr,
    finished,
    status: () => ({
      open: peers.size,
      ...done,
      seconds: (performance.now() - started) / 1000,
    }),
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

/** Whether a connection failed, before it was accepted, for reasons of its own. */
function isPeerGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted;
}

function listen(hostname: string, port: number, tcpBacklog: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port, tcpBacklog });
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    const where = format({ hostname, port });
    const fail = (code: number, message: string) => new TrioError(code, message, { cause: error });
    if (error instanceof Deno.errors.AddrInUse) {
      const advice = "is another server running? choose --port";
      throw fail(EXIT.unexpected, `${where} is already in use (${advice})`);
    }
    if (error instanceof URIError || error.message.includes("lookup")) {
      throw fail(EXIT.lookup, `cannot resolve ${hostname} (choose another --hostname)`);
    }
    throw fail(EXIT.unexpected, `cannot listen on ${where}: ${error.message}`);
  }
}

/** Waits; close() ends the wait. */
function sleep(milliseconds: number, peer: Peer): Promise<void> {
  peer.idle = -Infinity; // it is us who wait
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    peer.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

/**
 * Ends the server's side and reads until the peer has ended its own. To close with bytes unread
 * resets a connection, and the peer may lose replies that are on their way.
 */
async function drain(peer: Peer) {
  const timer = setTimeout(close, LINGER_MS, peer);
  try {
    await peer.conn.closeWrite();
    const buffer = new Uint8Array(READ_BYTES);
    while (await peer.conn.read(buffer) !== null);
  } finally {
    clearTimeout(timer);
  }
}

/** Closes a connection, whatever it is doing; nothing if it is closed. */
function close(peer: Peer) {
  peer.wake?.();
  try {
    peer.conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

function format({ hostname, port }: { hostname: string; port: number }): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

const HELP = `Usage: server.ts [OPTIONS]

Says Welcome! to each connection, answers each message with Hello, MESSAGE!
and closes it after the message exit. Runs until Ctrl+C.

      --hostname HOST      listen on this name or address (127.0.0.1)
  -p, --port PORT          listen on this port; 0 takes a free one (9999)
      --delay MS           wait before replies (1000)
      --lines              only a newline ends a message: right on any network
      --max-message BYTES  longer lines end their connection (65536)
      --max-connections N  more wait until others end (10000)
      --idle-timeout S     close what is idle for so long; 0 is never (600)
      --backlog N          how many may wait in the kernel's queue (4096)
      --grace S            what replies in flight have after Ctrl+C (5)
      --json               log one JSON object a line
  -q, --quiet              log nothing about single connections
  -h, --help               show this
      --version            show the version

Ctrl+C or SIGTERM finishes replies in flight, a second one ends at once.
SIGUSR1 shows the status.`;

/** Seconds that a timer can take: 2^31 - 1 ms, rounded down. */
const LONGEST = 2_000_000;

const TAKES = {
  hostname: "a name or address",
  port: "a port",
  delay: "milliseconds",
  "max-message": "bytes",
  "max-connections": "a number",
  "idle-timeout": "seconds",
  backlog: "a number",
  grace: "seconds",
};

function parse(args: string[]) {
  const flags = ["lines", "json", "quiet", "help", "version"] as const;
  return parseOptions(args, TAKES, flags, { p: "port", q: "quiet", h: "help" });
}

/** What `deno run` needs to grant what these arguments ask for. */
function command(): string[] {
  const { hostname, port } = parse(Deno.args);
  const host = (hostname.at(-1) ?? DEFAULTS.hostname).replace(/^\[|\]$/g, "");
  const where = format({ hostname: host, port: Number(port.at(-1) ?? DEFAULTS.port) });
  return [`--allow-net=${where}`, "server.ts", ...Deno.args];
}

async function main(args: string[]): Promise<number> {
  const options = parse(args);
  const { lines, json, quiet } = options;
  if (options.help || options.version) {
    console.log(options.help ? HELP : `server.ts ${VERSION}`);
    return EXIT.ok;
  }
  if (options._.length) {
    throw new TrioError(EXIT.usage, `unexpected argument ${options._[0]} (--help shows the usage)`);
  }
  const number = (
    name: keyof typeof TAKES,
    other: number,
    min: number,
    max: number,
    whole = true,
  ) => parseNumber(name, options[name].at(-1) ?? String(other), min, max, whole);

  const log = (event: object, line: string, write = console.error) => {
    try {
      if (json) console.log(JSON.stringify({ time: new Date().toISOString(), ...event }));
      else write(printable(line));
    } catch {
      // a full disk ends the log, not the server
    }
  };
  const onEvent = (event: ServerEvent) => {
    if (quiet && "peer" in event) return;
    switch (event.event) {
      case "listening":
        log(event, `server: listening on ${event.address} (Ctrl+C stops it)`);
        if (!json && !quiet) log(event, "Waiting for connection...", console.log);
        break;
      case "accept":
        return log(event, `Accept new connection from ${event.peer}...`, console.log);
      case "close":
        return log(event, `Connection from ${event.peer} closed.`, console.log);
      case "warning":
        return log(event, `server: ${event.message}`);
    }
  };
  const now = new AbortController();
  let stopping = false;
  const stop = () => {
    if (stopping) now.abort();
    else server.shutdown();
    stopping = true;
  };
  const windows = Deno.build.os === "windows";
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener(windows ? "SIGBREAK" : "SIGTERM", stop);
  if (!windows) {
    Deno.addSignalListener("SIGUSR1", () => {
      const status = server.status();
      log({ event: "status", ...status }, `server: ${sum(status)}`);
    });
  }
  const server = serve({
    hostname: options.hostname.at(-1) ?? DEFAULTS.hostname,
    port: number("port", DEFAULTS.port, 0, 65535),
    delay: number("delay", DEFAULTS.delay, 0, LONGEST * 1000),
    lines,
    maxMessage: number("max-message", DEFAULTS.maxMessage, 1, 2 ** 30),
    maxConnections: number("max-connections", DEFAULTS.maxConnections, 1, 1_000_000),
    idleTimeout: number("idle-timeout", DEFAULTS.idleTimeout, 0, LONGEST, false),
    backlog: number("backlog", DEFAULTS.backlog, 1, 65535),
    grace: number("grace", DEFAULTS.grace, 0, LONGEST, false),
    signal: now.signal,
    onEvent,
  });
  await server.finished;
  const status = server.status();
  log({ event: "summary", ...status }, `server: ended, ${sum(status)}`);
  return now.signal.aborted ? EXIT.interrupted : EXIT.ok;
}

/** What a server has done, in words. */
function sum({ open, total, messages, bytes, seconds }: Status): string {
  const of = (count: number, what: string) =>
    `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
  return `${of(total, "connection")} (${open} open), ${of(messages, "message")}, ` +
    `${of(bytes, "byte")}, up ${seconds.toFixed(1)} s`;
}

if (import.meta.main) {
  Deno.exit(await main(Deno.args).catch((error) => report("server", error, command)));
}
