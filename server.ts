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
 * one; `status` (on SIGUSR2) and `summary` (at the end) have `open`, `total`, `messages`, `bytes`
 * of replies, `cut` replies, `seconds`, and `dropped` lines of the log.
 *
 * Its sections: options and results; where it listens; one peer; turns, when many are busy; the
 * server; the log; the command line.
 *
 * @module
 */
import {
  type Address,
  anyText,
  COMMON,
  decimal,
  EXIT,
  helpText,
  hostPort,
  jsonLine,
  MAX_TIMER_MS,
  MAX_TIMER_S,
  onStopSignal,
  type OptionTable,
  type OutputStream,
  parseOptions,
  pathNeeds,
  printable,
  printOnly,
  runScript,
  type Script,
  sleep,
  stderr,
  stdout,
  systemReason,
  TrioError,
  unbracketed,
  usageError,
  VERSION,
  whole,
} from "./mod.ts";
import { Conversation, MAX_MESSAGE, READ_BYTES, WELCOME } from "./protocol/greeting.ts";
import { ProxyHeaderReader } from "./protocol/proxy_header.ts";
export { Conversation, EXIT, TrioError };

// --- Options and results -------------------------------------------------------

/** How {@linkcode serve} serves. */
export interface ServeOptions {
  /** The name or address to listen on, `localhost` is both loopback addresses; else `127.0.0.1`. */
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
  /** The most connections of one address, more are closed; else any number. */
  maxPerAddress?: number;
  /** Seconds that a peer may send nothing, or take nothing; else 600. 0 is for ever. */
  idleTimeout?: number;
  /** Seconds that a connection may last; else for ever. */
  maxTime?: number;
  /** The most connections in the kernel's queue; else 4096. */
  backlog?: number;
  /** Seconds to go on accepting when a shutdown has begun; else 0. */
  drain?: number;
  /** Seconds that replies in flight have after that; else 5. */
  grace?: number;
  /** A certificate chain in PEM form, for TLS; with `key`. */
  cert?: string | undefined;
  /** Its private key in PEM form. */
  key?: string | undefined;
  /** Whether other processes may listen there, too: Linux shares connections out. */
  reusePort?: boolean;
  /** Whether a PROXY header comes first, which says who the client is. */
  proxyProtocol?: boolean;
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
  /** Replies that the end of the server has cut. */
  cut: number;
  /** Seconds since it began to listen. */
  seconds: number;
}

/** A running server; disposing of it shuts it down. */
export interface GreetingServer extends AsyncDisposable {
  /** Where it listens; `localhost` has the same port at `::1`. */
  readonly addr: Deno.NetAddr;
  /** Resolves when it has ended and its last connection is gone. */
  readonly finished: Promise<void>;
  /** What it has done so far. */
  status(): Status;
  /**
   * Accepts what is in the queue and no more, answers what has come, closes each connection once
   * it is quiet; returns `finished`.
   */
  shutdown(): Promise<void>;
}

/** All that a server has to know; TLS is only spoken with a certificate. */
type Settings =
  & Required<Omit<ServeOptions, "cert" | "key" | "signal">>
  & Pick<ServeOptions, "cert" | "key" | "signal">;

/** What is served if nothing else is asked for. */
const DEFAULTS: Settings = {
  hostname: "127.0.0.1",
  port: 9999,
  delay: 1000,
  lines: false,
  maxMessage: MAX_MESSAGE,
  maxConnections: 10_000,
  maxPerAddress: Infinity,
  idleTimeout: 600,
  maxTime: Infinity,
  backlog: 4096, // 511, the runtime's own, overflows when a thousand connect at once
  drain: 0,
  grace: 5,
  reusePort: false,
  proxyProtocol: false,
  onEvent: () => {},
};

// --- Where it listens ----------------------------------------------------------

type Listener = Deno.TcpListener | Deno.TlsListener;

type Conn = Deno.TcpConn | Deno.TlsConn;

/** The addresses of `localhost`, which no name server is asked for (RFC 6761 section 6.3). */
const LOOPBACK = ["127.0.0.1", "::1"];

/** The addresses to listen on: `localhost` → both loopback addresses, `[::1]` → `::1`. */
function addressesOf(hostname: string): string[] {
  return hostname === "localhost" ? LOOPBACK : [unbracketed(hostname)];
}

/** Why it cannot listen there, in a sentence. */
function listenError(address: Address, cause: Error): TrioError {
  const where = hostPort(address), reason = systemReason(cause);
  if (cause instanceof Deno.errors.AddrInUse) {
    const topic = "address in use";
    return new TrioError(EXIT.unexpected, `${where} is already in use`, { cause, topic });
  }
  if (cause instanceof URIError) return new TrioError(EXIT.usage, reason, { cause });
  if (cause.message.includes("lookup")) {
    return new TrioError(EXIT.lookup, `cannot resolve ${address.hostname}`, { cause });
  }
  if (/certificate|private key|keys found/.test(reason)) {
    return new TrioError(EXIT.usage, `cannot use the certificate and key: ${reason}`, { cause });
  }
  return new TrioError(EXIT.unexpected, `cannot listen on ${where}: ${reason}`, { cause });
}

function listen(address: Address, options: Settings): Listener {
  const { backlog: tcpBacklog, reusePort, cert, key } = options;
  try {
    const shared = { ...address, tcpBacklog, ...reusePort ? { reusePort } : {} };
    return cert && key ? Deno.listenTls({ ...shared, cert, key }) : Deno.listen(shared);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    throw listenError(address, error);
  }
}

/** Listens on each of the addresses, on the same port. */
function listenAll(hostname: string, port: number, options: Settings): Listener[] {
  const listeners: Listener[] = [];
  try {
    for (const address of addressesOf(hostname)) {
      const free = listeners[0]?.addr.port ?? port;
      try {
        listeners.push(listen({ hostname: address, port: free }, options));
      } catch (error) {
        const absent = error instanceof TrioError &&
          error.cause instanceof Deno.errors.AddrNotAvailable;
        if (listeners.length === 0 || !absent) throw error; // a machine may be without IPv6
      }
    }
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return listeners;
}

/**
 * An address as others can use it: IPv4 without its form in IPv6, `::ffff:192.0.2.1` →
 * `192.0.2.1`, and a link-local one with the zone of the listener, `fe80::1` → `fe80::1%eth0`
 * (a listener at `::` has none, and the runtime does not tell that of the peer).
 */
function usable({ hostname, port }: Address, zone: string): Address {
  const bare = hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return { hostname: bare.startsWith("fe80:") ? bare + zone : bare, port };
}

// --- One peer ------------------------------------------------------------------

/** Milliseconds that a peer has to end its side when the server has ended the conversation. */
const LINGER_MS = 1000;

/**
 * Milliseconds that a peer has for its first word when the server ends: to the other side of the
 * world and back, with a packet lost on the way.
 */
const FIRST_WORD_MS = 1000;

/** A connection, and what the server has to know about it. */
class Peer {
  /** As it is called in the log. */
  name: string;
  /** Whether it is a balancer that checks the server's health. */
  isCheck = false;
  /** Whether it has been let in: what has to come before the welcome has come. */
  greeted = false;
  /** Whether it is its turn to say something. */
  reading = false;
  /** Whether it has said nothing since somebody last asked. */
  quiet = false;
  /** Whether it has said something that was answered. */
  heard = false;
  /** When it connected, in milliseconds. */
  readonly since = performance.now();
  /** Whether it is to be closed after the next reply. */
  leaving = false;
  /** Messages whose replies are not all written. */
  due = 0;
  /** Milliseconds that it has sent nothing, or taken nothing, as far as the sweeps have seen. */
  idle = 0;
  /** Milliseconds that it has been connected, likewise. */
  age = 0;
  #closed = false;
  #wake?: () => void;

  constructor(readonly conn: Conn, public address: Address, readonly conversation: Conversation) {
    this.name = hostPort(address);
  }

  /** Takes the client that a balancer names for the peer. */
  speaksFor(client: Address) {
    this.address = client;
    this.name = hostPort(client);
  }

  /** Whether nothing of it is on its way, as far as one can tell: who was welcomed will speak. */
  get isDone(): boolean {
    return this.quiet && (this.heard || performance.now() - this.since > FIRST_WORD_MS);
  }

  read(): Promise<number | null> {
    this.reading = true;
    return this.conn.read(this.conversation.free);
  }

  /** Waits; close() ends the wait, also where it came in the turn of the read before it. */
  sleep(milliseconds: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.idle = -Infinity; // it is us who wait
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(milliseconds, MAX_TIMER_MS));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /**
   * Ends the server's side and reads until the peer has ended its own, if it has not: to close
   * with bytes unread resets a connection, and the peer may lose replies that are on their way.
   * Returns how many bytes came that nobody answers.
   */
  async finish(ended: boolean): Promise<number> {
    const timer = setTimeout(() => this.close(), LINGER_MS);
    let unanswered = 0;
    try {
      await this.conn.closeWrite(); // TLS writes what it holds back, too
      const buffer = new Uint8Array(READ_BYTES);
      this.reading = true;
      while (!ended) {
        const n = await this.conn.read(buffer);
        unanswered += n ?? 0;
        ended = n === null;
      }
    } finally {
      clearTimeout(timer);
    }
    return unanswered;
  }

  /** Closes the connection, whatever it is doing; nothing if it is closed. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake?.();
    this.conn.close();
  }
}

// --- Turns, when many are busy -------------------------------------------------

/** How many operations the runtime does in a turn of its event loop, for all connections. */
const RUNTIME_BUDGET = 128;
/** How many of the reads that wait for their turn go on at a time: each takes a write, too. */
const TURN_READS = RUNTIME_BUDGET / 4;
/** So many polls with few reads show that nothing is put off. */
const IDLE_POLLS = 8;

/** Resolves when the runtime has looked for new bytes and connections: before an immediate it does not. */
function nextPoll(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** So many microtasks run what is ready: accept() takes two when somebody waits in the queue. */
const READY_MICROTASKS = 8;

/** Whether a promise still waits for the world outside, when all that is ready has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const settled = () => void (pending = false);
  promise.then(settled, settled);
  for (let i = 0; i < READY_MICROTASKS; i++) await undefined;
  return pending;
}

/**
 * Lets all connections have their turn when more are ready than the runtime serves in one.
 *
 * Those it puts off, it serves after all that becomes ready in the meantime, and the last first: a
 * hundred busy connections would starve all others. So who was served waits in a queue before
 * reading again, until those put off were served, too. That holds for a few thousand;
 * DENO_TOKIO_MAX_IO_EVENTS_PER_TICK=64, as the task sets it, makes the runtime itself fair to 10,000.
 */
class Turns {
  readonly #peers: ReadonlySet<Peer>;
  readonly #queue: (() => void)[] = [];
  /** Reads that have ended, ever and in this turn. */
  #reads = 0;
  #ready = 0;
  /** Peers that the next turn lets read. */
  #batch = TURN_READS;
  #ending = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(peers: ReadonlySet<Peer>) {
    this.#peers = peers;
  }

  /** Reads what `peer` says next, as soon as it is its turn. */
  read(peer: Peer): Promise<number | null> {
    if (this.#ready < RUNTIME_BUDGET && this.#queue.length === 0) return peer.read();
    return new Promise((resolve) => this.#queue.push(() => resolve(peer.read())));
  }

  /** Counts a read that has ended. */
  count() {
    this.#reads++;
    if (this.#peers.size <= RUNTIME_BUDGET) return;
    this.#ready++;
    this.#endTurn();
  }

  /** Whether the runtime puts off nothing, so that all that has come has been read. */
  async caughtUp(): Promise<boolean> {
    for (let polls = 0; polls < IDLE_POLLS; polls++) {
      const before = this.#reads;
      await nextPoll();
      if (this.#reads - before >= TURN_READS) return false;
    }
    return true;
  }

  #endTurn = () => {
    if (!this.#ending) setImmediate(this.#nextTurn);
    this.#ending = true;
  };

  #nextTurn = () => {
    clearTimeout(this.#timer);
    if (this.#ready < RUNTIME_BUDGET) {
      // it goes faster when few of those it let go were ready
      this.#batch = this.#ready < TURN_READS ? 2 * this.#batch : TURN_READS;
      for (const go of this.#queue.splice(0, this.#batch)) go();
    }
    this.#ready = 0;
    this.#ending = false;
    if (this.#queue.length) this.#timer = setTimeout(this.#endTurn, 1); // should none be ready
  };
}

// --- The server ----------------------------------------------------------------

/** Milliseconds to wait when nothing can be accepted: enough for some connections to end. */
const RETRY_MS = 100;
/** Milliseconds between two warnings of a kind that concerns no single peer. */
const WARN_MS = 60_000;
/** Seconds that a PROXY header and the handshake of TLS may take. */
const ADMISSION_S = 10;
/** Milliseconds between two sweeps, at most. */
const SWEEP_MS = 1000;

/** Milliseconds without a word after which nothing of a peer is on its way, when it is let go. */
const QUIET_MS = 50;

/** Whether a connection failed, before it was accepted, for reasons of its own. */
function isPeerGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted;
}

/** `1 reply`, `2 replies`. */
function counted(count: number, one: string, many = `${one}s`): string {
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, ",")} ${count === 1 ? one : many}`;
}

/** Makes TLS of a connection: a failure is the peer's. */
async function handshake(conn: Deno.TlsConn) {
  try {
    await conn.handshake();
  } catch (error) {
    if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
      throw error; // it was closed here
    }
    throw new TrioError(EXIT.tls, `TLS handshake failed: ${systemReason(error)}`);
  }
}

class Server implements GreetingServer {
  readonly addr: Deno.NetAddr;
  readonly finished: Promise<void>;
  readonly #options: Settings;
  /** Those that are open. */
  readonly #listeners: Set<Listener>;
  readonly #zone: string;
  readonly #peers = new Set<Peer>();
  readonly #turns = new Turns(this.#peers);
  readonly #started = performance.now();
  readonly #done = { total: 0, messages: 0, bytes: 0, cut: 0 };
  /** Aborts when all must end at once. */
  readonly #over = new AbortController();
  readonly #perAddress = new Map<string, number>();
  readonly #warned = new Map<string, number>();
  /** Whether there is no room for one more connection. */
  #full = false;
  /** Whether the listener is to be closed as soon as nobody waits behind the next connection. */
  #lastCall = false;
  #shuttingDown: Promise<void> | undefined;
  #sweeper: ReturnType<typeof setInterval> | undefined;
  /** Resolves when a connection ends, if somebody waits for that. */
  #ended: PromiseWithResolvers<void> | undefined;

  constructor(options: ServeOptions) {
    this.#options = { ...DEFAULTS, ...options };
    const { hostname, port, cert, key, proxyProtocol, signal } = this.#options;
    if (!cert !== !key) throw usageError("a certificate needs its key, and a key its certificate");
    if (cert && proxyProtocol) {
      throw usageError("no TLS behind a PROXY header: the balancer that sends it has to end TLS");
    }
    const listeners = listenAll(hostname, port, this.#options);
    this.#listeners = new Set(listeners);
    this.#zone = hostname.match(/%[^\]]+/)?.[0] ?? "";
    this.addr = listeners[0]!.addr as Deno.NetAddr;
    for (const { addr } of listeners) {
      const address = hostPort(usable(addr as Deno.NetAddr, this.#zone));
      this.#options.onEvent({ event: "listening", address });
    }
    this.finished = this.#run();
    signal?.addEventListener("abort", this.#endAtOnce);
    if (signal?.aborted) this.#endAtOnce();
  }

  status(): Status {
    const seconds = (performance.now() - this.#started) / 1000;
    return { open: this.#peers.size, ...this.#done, seconds };
  }

  shutdown(): Promise<void> {
    this.#shuttingDown ??= this.#shutDown();
    return this.finished;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #run() {
    await Promise.all([...this.#listeners].map((listener) => this.#accept(listener)));
    await this.#fewerThan(1);
    await this.#shuttingDown;
    clearInterval(this.#sweeper);
    this.#options.signal?.removeEventListener("abort", this.#endAtOnce);
  }

  /** Waits until fewer than `count` connections are open. */
  async #fewerThan(count: number) {
    while (this.#peers.size >= count) {
      this.#ended ??= Promise.withResolvers();
      await this.#ended.promise;
    }
  }

  async #accept(listener: Listener) {
    for (;;) {
      await this.#room();
      try {
        const accepting = listener.accept();
        // after a connection, the runtime asks the kernel for the next one here and now: if there
        // is none, the queue is empty at this moment, and nobody in it is reset
        if (this.#lastCall && await isPending(accepting)) this.#close(listener);
        const conn = await accepting;
        if (this.#over.signal.aborted) return conn.close(); // both in one turn
        this.#attend(conn);
      } catch (error) {
        if (!this.#listeners.has(listener)) return;
        if (isPeerGone(error)) continue;
        // Most likely out of descriptors: some come back when connections end.
        this.#warnRarely("accept", `cannot accept: ${(error as Error).message}`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Waits until one more connection may be open. */
  async #room() {
    const { maxConnections } = this.#options;
    if (this.#peers.size < maxConnections) return;
    this.#full = true;
    const open = counted(maxConnections, "connection is", "connections are");
    this.#warnRarely("full", `${open} open, the most there may be: others wait`);
    await this.#fewerThan(maxConnections);
    this.#full = false;
  }

  /** Attends to a connection from its first byte to its last; never rejects. */
  async #attend(conn: Conn) {
    const { lines, maxMessage } = this.#options;
    const address = usable(conn.remoteAddr as Deno.NetAddr, this.#zone);
    const peer = new Peer(conn, address, new Conversation(lines, maxMessage));
    this.#peers.add(peer);
    this.#done.total++;
    this.#beginSweeps();
    let admitted = false;
    try {
      const first = await this.#firstBytes(peer);
      admitted = this.#admit(peer);
      if (admitted) await this.#converse(peer, first);
    } catch (error) {
      // else the peer broke the connection, or close() ended it
      if (error instanceof TrioError) this.#warn(peer, `${peer.name}: ${error.message}`);
    }
    peer.close();
    this.#peers.delete(peer);
    if (admitted) this.#dismiss(peer);
    this.#ended?.resolve();
    this.#ended = undefined;
  }

  /** Reads the PROXY header, if one is expected; returns how many bytes of messages came with it. */
  async #firstBytes(peer: Peer): Promise<number> {
    if (!this.#options.proxyProtocol) return 0;
    const reader = new ProxyHeaderReader(), buffer = new Uint8Array(READ_BYTES);
    for (;;) {
      const n = await peer.conn.read(buffer);
      if (n === null) throw new TrioError(EXIT.unexpected, "no PROXY header: the connection ended");
      const header = reader.take(buffer.subarray(0, n));
      if (!header) continue;
      if (header.client) peer.speaksFor(usable(header.client, ""));
      peer.isCheck = header.local;
      peer.conversation.free.set(header.rest);
      return header.rest.length;
    }
  }

  /** Lets a peer in, unless there are too many of its address, or this is the end of the server. */
  #admit(peer: Peer): boolean {
    if (peer.isCheck && this.#shuttingDown) return false; // so its balancer sends nobody any more
    const { maxPerAddress, onEvent } = this.#options, { hostname } = peer.address;
    if (maxPerAddress < Infinity) {
      const count = this.#perAddress.get(hostname) ?? 0;
      if (count >= maxPerAddress) {
        const has = `${hostname} has ${counted(count, "connection")}`;
        this.#warnRarely("per address", `${has}, the most it may have: more are closed`);
        return false;
      }
      this.#perAddress.set(hostname, count + 1);
    }
    onEvent({ event: "accept", peer: peer.name });
    return true;
  }

  /** Undoes #admit(). */
  #dismiss(peer: Peer) {
    const { maxPerAddress, onEvent } = this.#options, { hostname } = peer.address;
    if (maxPerAddress < Infinity) {
      const count = this.#perAddress.get(hostname)! - 1;
      if (count > 0) this.#perAddress.set(hostname, count);
      else this.#perAddress.delete(hostname);
    }
    onEvent({ event: "close", peer: peer.name });
  }

  /** Welcomes and greets; `n` bytes of messages have come already. */
  async #converse(peer: Peer, n: number | null) {
    const { conn, conversation } = peer, { delay, maxMessage } = this.#options;
    if ("handshake" in conn) await handshake(conn);
    else {
      conn.setNoDelay();
      conn.setKeepAlive();
    }
    peer.greeted = true;
    await conn.write(WELCOME); // an empty buffer takes that much in one write
    // All that waits for the peer waits here: each function that waits is memory and time.
    for (;; n = await this.#turns.read(peer)) {
      peer.reading = peer.quiet = false;
      peer.idle = 0;
      this.#turns.count();
      const replies = conversation.answer(n);
      if (replies.length) {
        peer.heard = true;
        peer.due = conversation.messages;
        if (delay) await peer.sleep(delay);
        for (let sent = 0; sent < replies.length;) {
          peer.idle = 0;
          sent += await conn.write(sent ? replies.subarray(sent) : replies);
        }
        peer.due = 0;
        this.#done.messages += conversation.messages;
        this.#done.bytes += replies.length;
      }
      if (n === null || conversation.end || peer.leaving) break;
    }
    if (conversation.end === "too long") {
      this.#warn(peer, `${peer.name} sent a line of over ${maxMessage} bytes`);
    }
    const unanswered = await peer.finish(n === null);
    if (peer.leaving && unanswered > 0) this.#done.cut++;
  }

  #warn({ name }: Peer, message: string) {
    this.#options.onEvent({ event: "warning", peer: name, message });
  }

  /** Warns of what concerns no single peer, once a minute for each kind. */
  #warnRarely(kind: string, message: string) {
    const now = performance.now();
    if (now - (this.#warned.get(kind) ?? -Infinity) < WARN_MS) return;
    this.#warned.set(kind, now);
    this.#options.onEvent({ event: "warning", message });
  }

  /** One timer for all: connections are swept, so that no read and no write needs its own. */
  #beginSweeps() {
    if (this.#sweeper !== undefined) return;
    const { idleTimeout, maxTime, cert, proxyProtocol } = this.#options;
    const limits = [
      idleTimeout || Infinity,
      maxTime,
      cert || proxyProtocol ? ADMISSION_S : Infinity,
    ];
    const least = Math.min(...limits);
    if (least === Infinity) return;
    const period = Math.min(least * 1000 / 4, SWEEP_MS);
    this.#sweeper = setInterval(() => this.#sweep(period), period);
  }

  #sweep(period: number) {
    for (const peer of this.#peers) {
      peer.idle += period;
      peer.age += period;
      const why = this.#overdue(peer);
      if (!why) continue;
      this.#warn(peer, `${peer.name} ${why}`);
      peer.close();
    }
  }

  /** Why a peer has to go, if so. */
  #overdue({ greeted, idle, age }: Peer): string | undefined {
    const { idleTimeout, maxTime, proxyProtocol } = this.#options;
    if (!greeted && age > ADMISSION_S * 1000) {
      const what = proxyProtocol ? "sent no PROXY header" : "made no TLS handshake";
      return `${what} in ${ADMISSION_S} s`;
    }
    if (idleTimeout && idle > idleTimeout * 1000) return `was idle for ${idleTimeout} s`;
    if (age > maxTime * 1000) return `was connected for ${maxTime} s`;
    return undefined;
  }

  /** Shuts down without losing a message that has come, and lets each peer go once it is quiet. */
  async #shutDown() {
    const { drain, grace } = this.#options, { signal } = this.#over;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      if (drain) await sleep(drain * 1000, signal);
      const begun = performance.now();
      timer = setTimeout(this.#endGrace, Math.min(grace * 1000, MAX_TIMER_MS));
      while (this.#listeners.size > 0 || this.#peers.size > 0) {
        for (const peer of this.#peers) peer.quiet = peer.reading;
        await sleep(QUIET_MS, signal);
        const caughtUp = await this.#turns.caughtUp();
        const emptied = caughtUp && await this.#queueIsEmpty();
        const spent = (performance.now() - begun) / (grace * 1000);
        // nobody has come for a round, or they never cease
        if (this.#lastCall && emptied || spent > 0.75) this.#closeAll();
        this.#lastCall = emptied;
        const letGo = caughtUp && (this.#listeners.size === 0 || this.#full);
        for (const peer of this.#peers) {
          peer.leaving = spent > 0.5; // who never is quiet goes after a reply
          if (letGo && peer.isDone) peer.close();
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether nobody waits in the kernel's queue: to close it would reset them. */
  async #queueIsEmpty(): Promise<boolean> {
    for (let before = -1; before < this.#done.total;) {
      before = this.#done.total;
      await nextPoll();
    }
    return !this.#full;
  }

  #close(listener: Listener) {
    this.#listeners.delete(listener);
    listener.close();
  }

  #closeAll() {
    for (const listener of this.#listeners) this.#close(listener);
  }

  #endGrace = () => {
    this.#endAtOnce();
    const cut = counted(this.#done.cut, "reply was", "replies were");
    const message = `${cut} cut after ${this.#options.grace} s`;
    if (this.#done.cut) this.#options.onEvent({ event: "warning", message });
  };

  #endAtOnce = () => {
    this.#over.abort();
    this.#closeAll();
    for (const peer of this.#peers) {
      this.#done.cut += peer.due;
      peer.close();
    }
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
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * await using server = serve({ port: 0, delay: 0 });
 * using conn = await Deno.connect({ port: server.addr.port });
 * await writeAll(conn, new TextEncoder().encode("Ada"));
 * await conn.closeWrite();
 * assertEquals(new TextDecoder().decode(await readAll(conn, 100)), "Welcome!Hello, Ada!");
 * ```
 *
 * @throws {TrioError} 1 if it cannot listen there, 2 if the options or the name cannot be, 6 if
 * the name is not resolved.
 */
export function serve(options: ServeOptions = {}): GreetingServer {
  return new Server(options);
}

// --- The log -------------------------------------------------------------------

/** The most characters of lines that wait for somebody who reads them. */
const MAX_WAITING = 2 ** 20;

/** Lines for a stream that may be stuck or full: nobody waits for it, and what is too much is dropped. */
class Log {
  /** Lines that were dropped. */
  dropped = 0;
  #waiting = "";
  #writing = false;
  /** Lines that were dropped since the last that was written. */
  #missing = 0;
  /** Whether the last line may have been written in part. */
  #torn = false;

  /** Tells `onMissing` how many lines are missing, when one is written again. */
  constructor(readonly stream: OutputStream, readonly onMissing: (count: number) => void) {}

  /** Adds a line. */
  add(line: string) {
    if (this.#waiting.length + line.length > MAX_WAITING) this.#drop(1);
    else this.#waiting += `${line}\n`;
    if (!this.#writing) this.#write();
  }

  async #write() {
    this.#writing = true;
    while (this.#waiting) {
      const lines = this.#take();
      try {
        await this.stream.write(lines);
        this.#torn = false;
        if (this.#missing && this.#waiting.length < MAX_WAITING / 2) this.#sayMissing();
      } catch {
        this.#torn = true; // a full disk ends the log, not the server
        this.#drop(lines.filter((byte) => byte === 0x0a).length);
      }
    }
    this.#writing = false;
  }

  #take(): Uint8Array {
    const lines = new TextEncoder().encode((this.#torn ? "\n" : "") + this.#waiting);
    this.#waiting = "";
    return lines;
  }

  #drop(count: number) {
    this.dropped += count;
    this.#missing += count;
  }

  /** Says so, perhaps in a line of this log: it needs room. */
  #sayMissing() {
    this.onMissing(this.#missing);
    this.#missing = 0;
  }

  /** Hands over what waits: the stream's own end bounds how long that may take. */
  end() {
    if (this.#waiting) this.stream.write(this.#take()).catch(() => {});
  }
}

/** What a server has done, in words. */
function describe({ open, total, messages, bytes, cut, seconds }: Status, dropped: number): string {
  return [
    `${counted(total, "connection")} (${open} open)`,
    counted(messages, "message"),
    counted(bytes, "byte"),
    ...cut ? [`${counted(cut, "reply", "replies")} cut`] : [],
    ...dropped ? [`${counted(dropped, "log line")} dropped`] : [],
    `up ${seconds.toFixed(1)} s`,
  ].join(", ");
}

/** Tells people, or with `json` programs, what happens. */
class Reporter {
  readonly #options: { json: boolean; quiet: boolean };
  readonly #stdout = new Log(stdout, (count) => this.#missing(count));
  readonly #stderr = new Log(stderr, (count) => this.#missing(count));

  constructor(options: { json: boolean; quiet: boolean }) {
    this.#options = options;
  }

  event = (event: ServerEvent) => {
    if (this.#options.quiet && "peer" in event) return;
    switch (event.event) {
      case "listening":
        return this.#say(event, `server: listening on ${event.address} (Ctrl+C stops it)`);
      case "accept":
        return this.#say(event, `Accept new connection from ${event.peer}...`, this.#stdout);
      case "close":
        return this.#say(event, `Connection from ${event.peer} closed.`, this.#stdout);
      case "warning":
        return this.#say(event, `server: ${event.message}`);
    }
  };

  /** Says that it waits, as the tutorial's server. */
  waiting() {
    const { json, quiet } = this.#options;
    if (!json && !quiet) this.#stdout.add("Waiting for connection...");
  }

  /** Says what the server has done so far, or at its end. */
  status(event: "status" | "summary", status: Status) {
    const dropped = this.#stdout.dropped + this.#stderr.dropped;
    const ended = event === "summary" ? "ended, " : "";
    this.#say({ event, ...status, dropped }, `server: ${ended}${describe(status, dropped)}`);
  }

  /** Hands over what is not written yet. */
  end() {
    this.#stdout.end();
    this.#stderr.end();
  }

  #missing(count: number) {
    const lines = counted(count, "line of the log is", "lines of the log are");
    this.event({ event: "warning", message: `${lines} missing: nobody took them` });
  }

  #say(event: object, line: string, log = this.#stderr) {
    if (this.#options.json) {
      this.#stdout.add(jsonLine({ time: new Date().toISOString(), ...event }));
    } else log.add(printable(line));
  }
}

// --- The command line ----------------------------------------------------------

const INTRO = `Usage: server.ts [OPTIONS]

Says Welcome! to each connection, answers each message with Hello, MESSAGE!
and closes it after the message exit. Runs until Ctrl+C.
`;

const SECONDS = decimal("S", 0, MAX_TIMER_S);

// deno-fmt-ignore
const OPTIONS = {
  hostname: { group: "Where:", value: anyText("HOST", "a name or address"), default: DEFAULTS.hostname,
    help: "listen on this name or address" },
  port: { letter: "p", value: whole("PORT", 0, 65535), default: DEFAULTS.port,
    help: "listen on this port; 0 takes a free one" },
  "reuse-port": { help: "share the port with other processes (Linux)" },
  backlog: { value: whole("N", 1, 65535), default: DEFAULTS.backlog,
    help: "connections in the kernel's queue" },
  cert: { value: anyText("FILE", "a PEM file"), help: "speak TLS with this certificate" },
  key: { value: anyText("FILE", "a PEM file"), help: "the key of the certificate" },
  "proxy-protocol": { help: "expect a PROXY header, log the client in it" },
  delay: { group: "Greetings:", value: whole("MS", 0, MAX_TIMER_MS), default: DEFAULTS.delay,
    help: "wait before replies" },
  lines: { help: "only a newline ends a message: right everywhere" },
  "max-message": { value: whole("BYTES", 1, 2 ** 30), default: DEFAULTS.maxMessage,
    help: "longer lines end it" },
  "max-connections": { group: "Limits:", value: whole("N", 1, 1_000_000),
    default: DEFAULTS.maxConnections, help: "more wait until others end" },
  "max-per-address": { value: whole("N", 1, 1_000_000), default: DEFAULTS.maxPerAddress,
    help: "more of one address are closed" },
  "idle-timeout": { value: SECONDS, default: DEFAULTS.idleTimeout,
    help: "close what is idle; 0 is never" },
  "max-time": { value: SECONDS, default: DEFAULTS.maxTime, help: "close what lasts longer" },
  drain: { group: "The end:", value: SECONDS, default: DEFAULTS.drain,
    help: "go on accepting after Ctrl+C" },
  grace: { value: SECONDS, default: DEFAULTS.grace, help: "then replies in flight have so long" },
  json: { group: "Output:", help: "log one JSON object a line" },
  quiet: { letter: "q", help: "log nothing about single connections" },
  ...COMMON,
} as const satisfies OptionTable;

const OUTRO = `
Needs --allow-net=HOST:PORT, for TLS --allow-read=FILE,FILE, for --reuse-port
--unstable-net. Ctrl+C, SIGTERM and SIGHUP let it finish what has come, a
second one ends it at once. SIGUSR2 shows what it has done.

Examples:
  deno run --allow-net=127.0.0.1:9999 server.ts
  deno run --allow-net=127.0.0.1:7000 server.ts --port 7000 --delay 0 --lines`;

const SCRIPT: Script = {
  name: "server",
  advice: {
    "address in use": "is another server running? choose --port",
    [EXIT.lookup]: "choose another --hostname",
  },
  async needs() {
    const given = await parseOptions(Deno.args, OPTIONS);
    const { hostname, port, cert, key, "reuse-port": reuse } = given;
    const addresses = addressesOf(hostname).map((address) => hostPort({ hostname: address, port }));
    const files = [cert, key].filter((file) => file !== undefined);
    return [
      ...reuse ? ["unstable-net"] : [],
      `net=${addresses}`,
      ...pathNeeds("read", files),
    ];
  },
  args: () => Deno.args,
};

/** Whether the runtime was started so that ports can be shared: asking it would end the process. */
function canSharePorts(): boolean {
  return "listenDatagram" in Deno;
}

async function readPem(option: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw usageError(`cannot read --${option} ${file}: ${systemReason(error)}`);
  }
}

/** The options of the library that a command line asks for. */
async function serveOptions(args: string[]) {
  const given = await parseOptions(args, OPTIONS);
  const [extra] = given._;
  if (extra !== undefined && !given.help && !given.version) {
    throw usageError(`unexpected argument ${extra} (--help shows the usage)`);
  }
  if (given["reuse-port"] && !canSharePorts()) {
    throw usageError("--reuse-port needs the runtime's: deno run --unstable-net ...");
  }
  return {
    ...given,
    maxMessage: given["max-message"],
    maxConnections: given["max-connections"],
    maxPerAddress: given["max-per-address"],
    idleTimeout: given["idle-timeout"],
    maxTime: given["max-time"],
    reusePort: given["reuse-port"],
    proxyProtocol: given["proxy-protocol"],
    cert: await readPem("cert", given.cert),
    key: await readPem("key", given.key),
  };
}

async function main(args: string[]): Promise<number> {
  const options = await serveOptions(args);
  if (options.help || options.version) {
    return await printOnly(options.help ? helpText(INTRO, OPTIONS, OUTRO) : `server.ts ${VERSION}`);
  }
  const reporter = new Reporter(options), atOnce = new AbortController();
  const server = serve({ ...options, signal: atOnce.signal, onEvent: reporter.event });
  reporter.waiting();
  let signals = 0, ended: number = EXIT.ok;
  onStopSignal((code) => {
    if (signals++ === 0) return server.shutdown();
    ended = code;
    atOnce.abort();
  });
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGUSR2", () => reporter.status("status", server.status()));
  }
  await server.finished;
  const status = server.status();
  reporter.status("summary", status);
  reporter.end();
  return ended || (status.cut ? EXIT.timeout : EXIT.ok);
}

if (import.meta.main) await runScript(SCRIPT, main);
