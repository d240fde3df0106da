/**
 * A greeting client and TCP probe: it reads `Welcome!`, sends names, and checks that each is
 * answered with `Hello, NAME!`, byte for byte, however TCP splits or joins it. Of any other TCP
 * service it sees that a connection is accepted, or that certain bytes come.
 *
 * ```sh
 * deno run --allow-net=127.0.0.1:9999 client.ts
 * deno run --allow-net=127.0.0.1:9999 client.ts --lines Michael 小明
 * deno run --allow-net=127.0.0.1:9999 client.ts --wait 30 --quiet
 * deno run --allow-net=127.0.0.1:9999 client.ts --ping --count 10
 * deno run --allow-net=127.0.0.1:6379 client.ts -p 6379 --send 'PING\r\n' --expect '+PONG\r\n'
 * deno run client.ts --help
 * ```
 *
 * From the bottom up:
 *
 * 1. Options and results
 * 2. One connection and its life: `Link`
 * 3. The greeting: `connect()`
 * 4. Another protocol: `probe()`
 * 5. What is shown
 * 6. Trying again: `--wait`, `--gone`
 * 7. Greeting: names, from the command line or from stdin
 * 8. Again and again: `--ping`
 * 9. The command line
 *
 * What the server says is compared in protocol/greeting.ts, without a connection.
 *
 * @module
 */
import {
  abortable,
  type Address,
  anyText,
  cannotPrint,
  COMMON,
  Deadline,
  decimal,
  EXIT,
  helpText,
  hostPort,
  interruption,
  jsonLine,
  MAX_TIMER_S,
  type OptionTable,
  type Parsed,
  parseOptions,
  pathNeeds,
  printOnly,
  runScript,
  type Script,
  sleep,
  stderr,
  stdout,
  systemReason,
  TransientError,
  TrioError,
  unbracketed,
  usageError,
  type Value,
  VERSION,
  whole,
  writeAll,
} from "./mod.ts";
import { escaped, quote, unescaped } from "./protocol/escapes.ts";
import { looksLikeServer, Replies, replyTo } from "./protocol/greeting.ts";
import { histogram, type Statistics, statistics, toMicroseconds } from "./protocol/statistics.ts";

export { type Address, EXIT, Replies, type Statistics, statistics, TransientError, TrioError };

// --- Options and results -----------------------------------------------------

/** Where a server is, and how it is reached. */
export interface LinkOptions {
  /** Its name or address; else `127.0.0.1`. */
  hostname?: string;
  /** Its port; else 9999. */
  port?: number;
  /** Seconds for the connection (and TLS), and for each reply; else 10. */
  timeout?: number;
  /** Whether to use TLS. */
  tls?: boolean;
  /** The name its certificate has to be for; else `hostname`. */
  servername?: string | undefined;
  /** PEM certificates to trust besides the usual ones, when using TLS. */
  caCerts?: string[];
  /** Closes the connection; what waits for it fails with the signal's reason. */
  signal?: AbortSignal;
}

/** How {@linkcode connect} connects. */
export interface ConnectOptions extends LinkOptions {
  /** Whether a newline ends each name and each reply; else nothing does. */
  lines?: boolean;
}

/** What {@linkcode probe} asks for. */
export interface ProbeOptions extends LinkOptions {
  /** What is sent first; else nothing. */
  send?: string | Uint8Array<ArrayBuffer> | undefined;
  /** The bytes that have to come first, exactly; more may follow. Else a connection is enough. */
  expect?: string | Uint8Array<ArrayBuffer> | undefined;
}

/** What {@linkcode probe} found. */
export interface Probed {
  /** The address that answered. */
  address: Address;
  /** Milliseconds from the beginning to the connection, or to the last byte that was expected. */
  ms: number;
}

/** A connection to a greeting server; disposing of it closes it. */
export interface Greeter extends AsyncDisposable {
  /** What the server said first. */
  readonly welcome: string;
  /** The address that answered. */
  readonly address: Address;
  /** Milliseconds from sending the last name to the end of its reply. */
  readonly elapsed: number;
  /** Aborts as soon as the connection ends; its reason says why. */
  readonly signal: AbortSignal;
  /**
   * Sends `name` and returns the reply. Calls queue: a name is sent when the reply before it is
   * complete.
   *
   * @throws {TrioError} 2 if `name` cannot be sent (the connection goes on); 1 if anything but
   * the right reply comes, 28 if it does not come in time, 56 if the connection breaks.
   */
  greet(name: string): Promise<string>;
  /**
   * Sends `exit` after the last reply, and waits until the server closes, if it has not: nobody can
   * tell whether a server that closes at this moment has read `exit`.
   *
   * @throws {TrioError} 1, 28 or 56, as {@linkcode Greeter.greet}.
   */
  exit(): Promise<void>;
}

/** What happens; `ms` are milliseconds, addresses are `HOST:PORT`. */
export type ClientEvent =
  | { event: "welcome"; server: string; address: string; welcome: string }
  | { event: "reply"; seq?: number; address: string; name: string; reply: string; ms: number }
  | { event: "connection"; seq?: number; server: string; address: string; ms: number }
  /** `answer` is what was expected and came, escaped as `--expect` takes it. */
  | { event: "answer"; seq?: number; server: string; address: string; answer: string; ms: number }
  | { event: "gone"; server: string }
  | { event: "lost"; seq: number; error: string; code: number }
  | {
    event: "summary";
    server: string;
    sent: number;
    received: number;
    lost: number;
    lostPercent: number;
  } & Statistics;

/** What `--json` shows, one object a line. */
export type TimedEvent = ClientEvent & {
  /** The time of day: `2026-05-01T12:00:00.000Z`. */
  time: string;
};

// --- One connection and its life ---------------------------------------------

/** An error that may pass, for what the system said. */
function systemError(code: number, what: string, cause: unknown): TransientError {
  return new TransientError(code, `${what}: ${systemReason(cause)}`, { cause });
}

/** Whether a connection goes from its own port to itself, as it may on a free ephemeral port. */
function isToItself({ localAddr, remoteAddr }: Deno.TcpConn): boolean {
  return hostPort(localAddr) === hostPort(remoteAddr);
}

/** Takes a TLS connection that ends without close_notify for one that ends. */
function endOfTls(error: unknown): null {
  if (error instanceof Deno.errors.UnexpectedEof) return null;
  throw error;
}

/** The topic of an end where the server owed nothing. */
const CLOSED_IDLE = "closed while idle";

/**
 * A connection, TCP or TLS, that ends once: the first reason to end it closes it, and all that
 * waits for it fails with that reason.
 */
class Link implements Disposable {
  /** `HOST:PORT` of the server, as it was asked for. */
  readonly where: string;
  readonly #host: Address;
  readonly #timeout: number;
  readonly #life: Deadline;
  #conn: Deno.TcpConn | Deno.TlsConn | undefined;
  #secure = false;

  private constructor({ hostname = "127.0.0.1", port = 9999, timeout = 10, signal }: LinkOptions) {
    this.#host = { hostname: unbracketed(hostname), port };
    this.where = hostPort(this.#host);
    this.#timeout = timeout;
    this.#life = new Deadline(signal);
    this.signal.addEventListener("abort", () => this.#close());
  }

  /**
   * Connects.
   *
   * @throws {TrioError} 2 if host or port cannot be one, 6 if the host is not resolved, 7 if there is
   * no connection, 28 if that takes too long, 35 or 60 if TLS fails.
   */
  static async open(options: LinkOptions): Promise<Link> {
    const link = new Link(options);
    let duty = "accept the connection";
    await link.within(() => duty, async () => {
      await link.#connect();
      duty = "finish the TLS handshake";
      if (options.tls) await link.#secureWith(options);
    });
    return link;
  }

  async #connect(): Promise<void> {
    const { signal, where } = this;
    const conn = await Deno.connect({ ...this.#host, signal }).catch((error) => {
      if (error instanceof Deno.errors.NotCapable) throw error;
      const noAddress = error instanceof URIError || error.message.startsWith("Invalid port");
      if (noAddress) throw usageError(error.message);
      throw error.message.startsWith("failed to lookup")
        ? systemError(EXIT.lookup, `cannot resolve ${this.#host.hostname}`, error)
        : systemError(EXIT.connect, `cannot connect to ${where}`, error);
    });
    if (isToItself(conn)) {
      conn.close(); // at once: a server may want this port
      const refused = new Deno.errors.ConnectionRefused("Connection refused (by itself)");
      throw systemError(EXIT.connect, `cannot connect to ${where}`, refused);
    }
    conn.setNoDelay();
    this.#adopt(conn);
  }

  async #secureWith({ servername = this.#host.hostname, caCerts = [] }: LinkOptions) {
    const tcp = this.#conn as Deno.TcpConn;
    this.#conn = undefined; // startTls takes it
    try {
      const conn = await Deno.startTls(tcp, { hostname: servername, caCerts });
      this.#adopt(conn);
      this.#secure = true;
      await conn.handshake();
    } catch (cause) {
      const reason = systemReason(cause);
      if (reason.startsWith("Invalid hostname")) throw usageError(reason);
      const { tlsError } = await import("./protocol/tls.ts");
      const { code, message } = tlsError(cause, this.where);
      throw code === EXIT.certificate
        ? new TrioError(code, message, { cause })
        : new TransientError(code, message, { cause });
    }
  }

  #adopt(conn: Deno.TcpConn | Deno.TlsConn): void {
    this.#conn = conn;
    if (!this.signal.aborted) return;
    this.#close(); // the signal was faster
    throw this.signal.reason;
  }

  /** Aborts when the connection ends. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** The address that answered. */
  get address(): Address {
    const { hostname, port } = this.#conn!.remoteAddr;
    return { hostname, port };
  }

  /** Does a task for which the server has to do its `duty` in time. */
  async within<T>(duty: () => string, task: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    this.#life.set(
      this.#timeout,
      () =>
        new TransientError(
          EXIT.timeout,
          `${this.where} did not ${duty()} within ${this.#timeout} s`,
        ),
    );
    try {
      return await task();
    } catch (error) {
      throw this.fail(error);
    } finally {
      this.#life.clear();
    }
  }

  /** Reads what has come, at least a byte; null at the end, also at one without close_notify. */
  #read(buffer: Uint8Array): Promise<number | null> {
    if (!this.#conn) throw this.signal.reason;
    const reading = this.#conn.read(buffer);
    return this.#secure ? reading.catch(endOfTls) : reading;
  }

  /** Writes all of `bytes`. It never rejects: a failure ends the connection. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      if (this.#conn) await writeAll(this.#conn, bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Reads until all that is due has come, or the end if that is. It never rejects: a failure ends
   * the connection.
   */
  async receive(replies: Replies, buffer: Uint8Array): Promise<void> {
    try {
      while (!replies.complete) {
        const n = await this.#read(buffer);
        if (n !== null) replies.take(buffer.subarray(0, n));
        else if (replies.over) return;
        else if (replies.silent) {
          throw new TransientError(EXIT.empty, `${this.where} closed without a word`);
        } else {
          const topic = replies.idle ? CLOSED_IDLE : undefined;
          throw new TransientError(EXIT.broken, `${this.where} closed the connection`, { topic });
        }
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ends it because of an error; gives the reason why it ended, which may be an earlier one. */
  fail(error: unknown): unknown {
    const known = error instanceof TrioError || error instanceof Deno.errors.NotCapable;
    this.end(
      known ? error : systemError(EXIT.broken, `the connection to ${this.where} broke`, error),
    );
    return this.signal.reason;
  }

  /** Ends it. */
  end(reason: unknown): void {
    this.#life.abort(reason);
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    this.end(new TrioError(EXIT.broken, `the session with ${this.where} is over`));
  }

  #close(): void {
    this.#conn?.close();
    this.#conn = undefined;
    this.#life[Symbol.dispose]();
  }
}

// --- The greeting ------------------------------------------------------------

const encoder = new TextEncoder();

/** How much of what comes is read at once, in bytes. */
const READ_BYTES = 64 * 1024;

function checkName(name: string, lines: boolean): void {
  if (/\n|\r$/.test(name)) {
    throw usageError(`${quote(name)} has a newline, where a name would end`);
  }
  if (!name.isWellFormed()) throw usageError(`${quote(name)} is not Unicode`);
  if (!name && !lines) {
    throw new TrioError(EXIT.usage, "an empty name cannot be sent", { topic: "empty name" });
  }
}

/** A conversation over a connection: a read is always under way, so that an end is noticed at once. */
class Greeting implements Greeter {
  readonly welcome = "Welcome!";
  readonly address: Address;
  elapsed = NaN;
  readonly #link: Link;
  readonly #newline: "" | "\n";
  readonly #replies: Replies;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #reading: Promise<void> = Promise.resolve();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(link: Link, lines: boolean) {
    this.#link = link;
    this.address = link.address;
    this.#newline = lines ? "\n" : "";
    this.#replies = new Replies(link.where);
  }

  get signal(): AbortSignal {
    return this.#link.signal;
  }

  /** Waits for the welcome. */
  async begin(): Promise<void> {
    await this.#link.within(() => "say Welcome!", async () => {
      await this.#receive();
      this.signal.throwIfAborted();
      this.#readOn();
    });
  }

  /** Reads what is due next, the beginning of which does not depend on the name. */
  #readOn(): void {
    this.#replies.begin();
    this.#reading = this.#receive();
  }

  /** Waits for what is due; the link's signal tells how that went. */
  #receive(): Promise<void> {
    return this.#link.receive(this.#replies, this.#buffer);
  }

  /** Does what the server has to answer, when all before that is done. */
  async #inTurn(duty: () => string, task: () => Promise<void>): Promise<void> {
    const before = this.#turn, { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      await this.#link.within(duty, task);
    } finally {
      resolve();
    }
  }

  async greet(name: string): Promise<string> {
    checkName(name, this.#newline !== "");
    if (name === "exit") throw usageError("exit gets no reply: call exit()");
    const reply = replyTo(name);
    await this.#inTurn(() => `answer ${quote(name)}`, async () => {
      const message = encoder.encode(name + this.#newline);
      this.#replies.expect(message);
      const start = performance.now();
      const written = this.#link.write(message);
      await this.#reading;
      if (!this.#replies.complete) await this.#receive(); // the beginning had come before the name
      await written;
      this.signal.throwIfAborted();
      this.elapsed = performance.now() - start;
      this.#readOn();
    });
    return reply;
  }

  async exit(): Promise<void> {
    await this.#inTurn(() => "close after exit", async () => {
      this.#replies.end();
      await this.#link.write(encoder.encode(`exit${this.#newline}`));
      await this.#reading;
      this.signal.throwIfAborted();
    }).catch((error) => {
      if (!(error instanceof TrioError) || error.topic !== CLOSED_IDLE) throw error;
    });
    this.#link[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link[Symbol.dispose]();
    await this.#reading;
  }
}

/**
 * Connects to a greeting server and reads its welcome.
 *
 * @example
 * ```ts
 * import { serve } from "./server.ts";
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * await using server = serve({ port: 0, delay: 0 });
 * await using greeter = await connect({ port: server.addr.port });
 * assertEquals(await greeter.greet("Ada"), "Hello, Ada!");
 * await greeter.exit();
 * ```
 *
 * @throws {TrioError} 2 if host or port cannot be one, 60 if TLS finds a certificate that is not
 * trusted, 1 if anything but the welcome comes.
 * @throws {TransientError} 6 if the host is not resolved, 7 if there is no connection, 28 if that
 * or the welcome takes too long, 35 if TLS fails, 52 if the server closes without a word, 56 if
 * the connection breaks.
 */
export async function connect(options: ConnectOptions = {}): Promise<Greeter> {
  const greeting = new Greeting(await Link.open(options), options.lines ?? false);
  await greeting.begin();
  return greeting;
}

// --- Another protocol --------------------------------------------------------

function toBytes(words: string | Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return typeof words === "string" ? encoder.encode(words) : words;
}

/**
 * Connects to any server, sends what is to be sent, compares what comes with what is expected,
 * byte for byte, and closes.
 *
 * @example
 * ```ts
 * import { serve } from "./server.ts";
 * import { assert } from "jsr:@std/assert@^1.0.0";
 *
 * await using server = serve({ port: 0, delay: 0 });
 * const { ms } = await probe({ port: server.addr.port, send: "Ada\n", expect: "Welcome!Hello, " });
 * assert(ms > 0);
 * ```
 *
 * @throws {TrioError} as {@linkcode connect}, of what is expected in place of the welcome.
 */
export async function probe(options: ProbeOptions = {}): Promise<Probed> {
  const { send = "", expect } = options, start = performance.now();
  using link = await Link.open(options);
  const { address } = link;
  const written = link.write(toBytes(send));
  await link.within(() => expect === undefined ? "take what was sent" : "answer", async () => {
    // who answers need not have read all
    if (expect === undefined) await written;
    else await link.receive(new Replies(link.where, toBytes(expect)), new Uint8Array(READ_BYTES));
    link.signal.throwIfAborted();
  });
  return { address, ms: toMicroseconds(performance.now() - start) };
}

// --- What is shown -----------------------------------------------------------

/** What is shown, in order: a line is written while what comes next is waited for. */
class Screen {
  #last: Promise<void> = Promise.resolve();

  /** When quiet, shows only summaries; waits no more when `signal` aborts. */
  constructor(readonly json: boolean, readonly quiet: boolean, readonly signal: AbortSignal) {}

  /** Shows a line, or the event it tells as JSON, once the one before is written. */
  async show(line: string, event: ClientEvent): Promise<void> {
    if (this.quiet && event.event !== "summary") return;
    const time = new Date().toISOString();
    await this.flush();
    this.#last = stdout.print(this.json ? jsonLine({ time, ...event } satisfies TimedEvent) : line);
    this.#last.catch(() => {}); // who flushes is told
  }

  /** Waits until all is written; not for a reader who keeps others from ending. */
  async flush(): Promise<void> {
    if (this.signal.aborted) return;
    try {
      await abortable(this.#last, this.signal);
    } catch (error) {
      this.signal.throwIfAborted();
      throw cannotPrint(error);
    }
  }

  /** Waits for the last line though the signal has aborted, as long as somebody takes any. */
  async finish(): Promise<void> {
    await stdout.flush();
    if (!stdout.idle) throw cannotPrint("nobody takes it");
    await this.#last.catch((error) => {
      throw cannotPrint(error);
    });
  }
}

/** What one run of the command line is to do. */
interface Session extends Required<Omit<ConnectOptions, "servername">> {
  servername: string | undefined;
  /** Whether it only connects. */
  connect: boolean;
  /** What is sent to a service that does not greet, and what has to come. */
  send: Uint8Array<ArrayBuffer> | undefined;
  expect: Uint8Array<ArrayBuffer> | undefined;
  /** The names to greet as; `-` stands for those from stdin. */
  names: readonly string[];
  interactive: boolean;
  /** Seconds to keep trying; 0 is one try. */
  wait: number;
  /** Whether it waits until nobody accepts any more. */
  gone: boolean;
  ping: boolean;
  /** How often, and each how many seconds, it pings; for how many seconds at most. */
  count: number;
  interval: number;
  deadline: number | undefined;
  /** What a path may lose, in percent, and how long it may take, in milliseconds. */
  maxLoss: number | undefined;
  maxP99: number | undefined;
  verbose: boolean;
  screen: Screen;
  /** Aborts when the process is asked to end. */
  interrupted: AbortSignal;
  /** The end of waiting or pinging; its signal is `signal`, and aborts with `interrupted`, too. */
  limit: Deadline;
}

/** A line for people, and the same for programs. */
interface Shown {
  line: string;
  event: Extract<ClientEvent, { ms: number }>;
}

/** Connects to a greeting server and shows the welcome. */
async function enter(session: Session): Promise<Greeter> {
  const greeter = await connect(session);
  const { welcome } = greeter, address = hostPort(greeter.address);
  await session.screen.show(welcome, {
    event: "welcome",
    server: hostPort(session),
    address,
    welcome,
  });
  return greeter;
}

/** Greets once. */
async function askName(greeter: Greeter, name: string): Promise<Shown> {
  const reply = await greeter.greet(name), ms = toMicroseconds(greeter.elapsed);
  const address = hostPort(greeter.address);
  return { line: reply, event: { event: "reply", address, name, reply, ms } };
}

/** Probes once. */
async function probeOnce(session: Session): Promise<Shown> {
  const { address: from, ms } = await probe(session);
  const address = hostPort(from), server = hostPort(session);
  if (!session.expect) {
    return { line: `${address} accepted`, event: { event: "connection", server, address, ms } };
  }
  const answer = escaped(session.expect);
  return {
    line: `${address} answered "${answer}"`,
    event: { event: "answer", server, address, answer, ms },
  };
}

// --- Trying again ------------------------------------------------------------

/** Milliseconds between two tries: soon for a person, rare for a machine. */
const RETRY_MS = 200;

/** Tries; after what may pass tries again, until `--wait` is over. */
async function keepTrying<T>(session: Session, attempt: () => Promise<T>): Promise<T> {
  const { wait, limit, signal } = session;
  if (wait === 0) return await attempt();
  let last = new TransientError(
    EXIT.timeout,
    `gave up on ${hostPort(session)} after ${wait} s`,
    { topic: "wait" },
  );
  limit.set(wait, () => last);
  for (;;) {
    try {
      const result = await attempt();
      limit.clear();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      last = error;
    }
    if (session.verbose) stderr.say(`client: ${last.message}`);
    await sleep(RETRY_MS, signal);
  }
}

/**
 * Sees that nobody accepts. Only a refused connection shows that: where nothing comes back, a
 * full queue may be the reason.
 */
async function seeGone(session: Session): Promise<void> {
  const server = hostPort(session);
  try {
    using _link = await Link.open({ ...session, tls: false });
  } catch (error) {
    const { cause } = error as Error;
    if (!(cause instanceof Deno.errors.ConnectionRefused)) throw error;
    return await session.screen.show(`${server} is gone`, { event: "gone", server });
  }
  throw new TransientError(EXIT.timeout, `${server} still accepts`, { topic: "wait" });
}

// --- Greeting ----------------------------------------------------------------

/** The lines of stdin; throws when `signal` aborts. */
async function* linesOfStdin(signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true }), buffer = new Uint8Array(READ_BYTES);
  let rest = "";
  for (let n: number | null = 0; n !== null;) {
    n = await abortable(Deno.stdin.read(buffer), signal);
    const [first = "", ...more] = decoder.decode(buffer.subarray(0, n ?? 0), { stream: n !== null })
      .split("\n");
    const lines = [rest + first, ...more];
    rest = lines.pop()!;
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  if (rest) yield rest;
}

/** The names from stdin, asked for if interactive. */
async function* namesFromStdin(session: Session, signal: AbortSignal): AsyncGenerator<string> {
  const { interactive, lines, screen } = session;
  let asked = false;
  async function ask() {
    if (!interactive) return;
    await screen.flush(); // the prompt is below it
    asked = true;
    stderr.write(encoder.encode("Name: ")).catch(() => {});
  }
  try {
    await ask();
    for await (const name of linesOfStdin(signal)) {
      asked = false;
      if (name || lines || !interactive) yield name;
      await ask();
    }
  } catch (error) {
    if (error instanceof TrioError) throw error; // the reason of the signal
    if (error instanceof TypeError) throw usageError("stdin is not UTF-8");
    throw new TrioError(EXIT.usage, `cannot read stdin: ${systemReason(error)}`, { cause: error });
  } finally {
    if (asked) stderr.say(""); // ends the line of the prompt
  }
}

/** The names given, with those from stdin in the place of each `-`. */
async function* allNames(session: Session, signal: AbortSignal): AsyncGenerator<string> {
  for (const name of session.names) {
    if (name === "-") yield* namesFromStdin(session, signal);
    else yield name;
  }
}

/** Greets as each name until `exit`, and leaves. */
async function greetAll(greeter: Greeter, session: Session): Promise<void> {
  for await (const name of allNames(session, greeter.signal)) {
    if (name === "exit") break;
    const { line, event } = await askName(greeter, name);
    await session.screen.show(line, event);
  }
  await greeter.exit();
}

// --- Again and again ---------------------------------------------------------

/** Whether an error is that the server said another thing than it had to. */
function isWrong(error: unknown): boolean {
  return error instanceof TrioError && error.code === EXIT.unexpected;
}

/** What `--ping` repeats. */
interface Question {
  /** What it is called in the summary. */
  readonly what: string;
  /** Makes sure that it can be asked. */
  open(): Promise<void>;
  /** Asks for the `seq`th time, and connects first where that is not done. */
  ask(seq: number): Promise<Shown>;
  /** Leaves the server. */
  leave(): Promise<void>;
}

/** A greeting, on one connection as long as that lasts. */
class AskGreeting implements Question {
  readonly what = "greeting";
  /** What answered last. */
  #greeter: Greeter | undefined;

  constructor(readonly session: Session) {}

  async open(): Promise<void> {
    if (!this.#takeOpen()) this.#greeter = await enter(this.session);
  }

  /**
   * What answered last, if it is open; it has to answer again before it counts.
   *
   * @throws {TrioError} 1 if it said something wrong since then.
   */
  #takeOpen(): Greeter | undefined {
    const greeter = this.#greeter;
    if (!greeter?.signal.aborted) return greeter;
    this.#greeter = undefined;
    if (isWrong(greeter.signal.reason)) throw greeter.signal.reason;
    return undefined;
  }

  async ask(seq: number): Promise<Shown> {
    await this.open();
    const { names } = this.session, greeter = this.#greeter!;
    this.#greeter = undefined; // until it answers: a failure is told once
    const shown = await askName(greeter, names[(seq - 1) % names.length]!);
    this.#greeter = greeter;
    return shown;
  }

  async leave(): Promise<void> {
    await this.#takeOpen()?.exit().catch((error) => {
      if (!(error instanceof TransientError)) throw error; // what was asked was answered
    });
  }
}

/** A probe, on a connection of its own each time. */
class AskProbe implements Question {
  readonly what: string;

  constructor(readonly session: Session) {
    this.what = session.expect ? "answer" : "connection";
  }

  async open(): Promise<void> {
    await probe(this.session);
  }

  async ask(): Promise<Shown> {
    return await probeOnce(this.session);
  }

  async leave(): Promise<void> {}
}

/** What came of a ping so far. */
class Tally {
  readonly times: number[] = [];
  sent = 0;
  /** The last loss. */
  loss: TrioError | undefined;
  readonly #begin = performance.now();

  /** When the question was asked that is not answered, on the clock of `performance`. */
  asked: number | undefined;

  get lost(): number {
    return this.sent - this.times.length;
  }

  /** Percent that were lost. */
  get lostPercent(): number {
    return this.lost * 100 / Math.max(this.sent, 1);
  }

  /** Milliseconds since the beginning. */
  get elapsed(): number {
    return performance.now() - this.#begin;
  }
}

/** Shows percent as ping does: six digits, so that one of many is not nothing. */
function sixDigits(percent: number): number {
  return Number(percent.toPrecision(6));
}

/** Whether a ping counts an error as a loss, and goes on. */
function isLoss(error: unknown): error is TrioError {
  return error instanceof TransientError || isWrong(error);
}

/** Counts a loss, and shows it. */
async function lose(loss: TrioError, tally: Tally, session: Session): Promise<void> {
  const seq = ++tally.sent, { message: error, code } = tally.loss = loss;
  await session.screen.show(`lost seq=${seq}: ${error}`, { event: "lost", seq, error, code });
}

/**
 * Counts the question that the deadline cut off as lost, if it took longer than any before it and
 * than the interval: it is not that it was asked too late.
 */
async function loseLate(tally: Tally, session: Session): Promise<void> {
  const ms = performance.now() - (tally.asked ?? NaN), { max } = statistics(tally.times);
  if (!(ms > Math.max(max, session.interval * 1000))) return; // nor without a time to compare
  const late = `${hostPort(session)} did not answer in the last ${(ms / 1000).toFixed(1)} s`;
  await lose(new TransientError(EXIT.timeout, late), tally, session);
}

/** Asks as often as `--count` says; a question that is late does not make the next ones late. */
async function askAgain(question: Question, tally: Tally, session: Session): Promise<void> {
  const { count, interval, signal } = session;
  for (let due = performance.now(); tally.sent < count;) {
    const seq = tally.sent + 1;
    tally.asked = performance.now();
    const answer = await question.ask(seq).catch((error) => {
      if (!isLoss(error)) throw error; // one that is interrupted is neither answered nor lost
      return error;
    });
    tally.asked = undefined;
    if (answer instanceof TrioError) await lose(answer, tally, session);
    else {
      const { line, event } = answer;
      tally.sent = seq;
      tally.times.push(event.ms);
      await session.screen.show(`${line} seq=${seq} time=${event.ms.toFixed(3)} ms`, {
        ...event,
        seq,
      });
    }
    const now = performance.now();
    due = Math.max(due + interval * 1000, now);
    if (due > now && seq < count) await sleep(due - now, signal);
  }
}

/** Shows what a ping came to, as ping does. */
async function summarize(what: string, tally: Tally, session: Session): Promise<void> {
  const { sent, times, lost } = tally, lostPercent = sixDigits(tally.lostPercent);
  const received = times.length, found = statistics(times), server = hostPort(session);
  const join = (...times: number[]) => times.map((time) => time.toFixed(3)).join("/");
  const lines = [
    `\n--- ${server} ${what} statistics ---`,
    `${sent} sent, ${received} received, ${lost} lost (${lostPercent} %), ` +
    `time ${Math.round(tally.elapsed)} ms`,
  ];
  if (received) {
    const { min, avg, max, stddev, p50, p99 } = found;
    lines.push(`min/avg/max/stddev = ${join(min, avg, max, stddev)} ms`);
    lines.push(`p50/p99 = ${join(p50, p99)} ms`);
  }
  if (Deno.stdout.isTerminal()) lines.push(...histogram(times));
  const counts = { sent, received, lost, lostPercent };
  await session.screen.show(lines.join("\n"), { event: "summary", server, ...counts, ...found });
}

/** Says with an error that the path was not good enough; else gives the code of the last loss. */
function judge({ sent, times, loss, lostPercent }: Tally, session: Session): number {
  const { count, deadline, maxLoss, maxP99, signal } = session;
  if (maxLoss !== undefined && lostPercent > maxLoss) {
    const message = `${sent - times.length} of ${sent} were lost: ${sixDigits(lostPercent)} %`;
    throw new TrioError(loss!.code, `${message}, not at most ${maxLoss} %`, { topic: "judged" });
  }
  const late = (message: string) => new TrioError(EXIT.timeout, message, { topic: "judged" });
  if (signal.aborted && (sent === 0 || count !== Infinity)) {
    throw late(`only ${sent} were done within ${deadline} s`);
  }
  const { p99 } = statistics(times);
  if (maxP99 !== undefined && !(p99 <= maxP99)) {
    throw late(times.length ? `p99 is ${p99} ms, not at most ${maxP99} ms` : "p99 is unknown");
  }
  const forgiven = maxLoss !== undefined && times.length > 0; // some reply was seen
  return forgiven ? EXIT.ok : loss?.code ?? EXIT.ok;
}

/** Asks again and again, and shows the times and, whatever happens, a summary. */
async function ping(question: Question, session: Session): Promise<number> {
  const { deadline, limit, interrupted } = session;
  const tally = new Tally(), timeIsUp = new TrioError(EXIT.timeout, "time is up");
  try {
    if (session.wait) await keepTrying(session, () => question.open());
    if (deadline) limit.set(deadline, () => timeIsUp);
    await askAgain(question, tally, session);
    limit.clear();
  } catch (error) {
    if (error === timeIsUp) await loseLate(tally, session);
    else if (!interrupted.aborted) throw error;
  } finally {
    await summarize(question.what, tally, session);
  }
  if (interrupted.aborted) return interrupted.reason.code;
  await question.leave();
  if (limit.signal.aborted) await session.screen.finish();
  return judge(tally, session);
}

// --- The command line --------------------------------------------------------

/** Whether an argument had bytes that are not UTF-8: the runtime puts U+FFFD in their place. */
function isGarbled(argument: string): boolean {
  return argument.includes("\ufffd");
}

const ESCAPED: Value<Uint8Array<ArrayBuffer>> = {
  name: "TEXT",
  takes: "a text in which \\r \\n \\t \\xHH \\\\ stand for bytes",
  parse: (text) => isGarbled(text) || !text ? undefined : unescaped(text),
};

/** The options. */
const OPTIONS = {
  hostname: {
    group: "The server",
    value: anyText("HOST", "a name or address"),
    default: "127.0.0.1",
    help: "its name or address; HOST:PORT, too",
  },
  port: { letter: "p", value: whole("PORT", 1, 65535), default: 9999, help: "its port" },
  tls: { help: "use TLS" },
  cacert: {
    value: anyText("FILE", "a file of PEM certificates"),
    many: true,
    help: "use TLS, and trust the certificates in FILE, too",
  },
  servername: { value: anyText("NAME", "a name"), help: "use TLS; its certificate is for NAME" },
  wait: {
    group: "Time, in seconds",
    letter: "w",
    value: decimal("S", 0, MAX_TIMER_S),
    default: 0,
    help: "keep trying for so long; no NAME: to get in is all",
  },
  gone: { help: "with --wait: until nobody accepts any more" },
  timeout: {
    value: decimal("S", 0.001, MAX_TIMER_S),
    default: 10,
    help: "for each connection and each reply",
  },
  lines: { group: "What is said", help: "a newline ends each name: right on any network" },
  interactive: { letter: "i", help: "ask for names until exit or Ctrl+D" },
  connect: { help: "no greeting: to be accepted (and TLS) is all" },
  send: { value: ESCAPED, help: "another protocol: send TEXT; \\r \\n \\t \\xHH \\\\" },
  expect: { value: ESCAPED, help: "the bytes that have to come first, exactly" },
  ping: { group: "Again and again", help: "time it until Ctrl+C, and sum up" },
  count: {
    letter: "c",
    value: whole("N", 1, Number.MAX_SAFE_INTEGER),
    default: Infinity,
    help: "so often",
  },
  interval: { value: decimal("S", 0, MAX_TIMER_S), default: 1, help: "each S seconds" },
  deadline: { value: decimal("S", 0.001, MAX_TIMER_S), help: "for so many seconds" },
  "max-loss": { value: decimal("PERCENT", 0, 100), help: "exit code: no more was lost" },
  "max-p99": {
    value: decimal("MS", 0, MAX_TIMER_S * 1000),
    help: "exit code: 99 % took no longer",
  },
  json: { group: "Output", help: "one JSON object a line" },
  quiet: { letter: "q", help: "neither welcome nor replies; of a ping the summary" },
  verbose: { letter: "v", help: "say why --wait goes on" },
  ...COMMON,
} as const satisfies OptionTable;

const INTRO = `Usage: client.ts [OPTIONS] [NAME]...

Greets a server as each NAME (Michael Tracy Sarah), checks each reply to the
byte, and leaves. The NAME - stands for names from stdin, one a line.
`;

const OUTRO = `
It needs --allow-net=HOST:PORT, for --cacert --allow-read=FILE:
  deno run --allow-net=127.0.0.1:9999 client.ts --ping --count 3
  deno run --allow-net=127.0.0.1:22 client.ts -p 22 --expect SSH-2.0-
The times of --ping have in them what the server waits before it answers, a
second by default; this one does not: deno task server --delay 0`;

type Given = Parsed<typeof OPTIONS>;

/** Options that say nothing without another one. */
const BELONGS: Partial<Record<keyof typeof OPTIONS, keyof typeof OPTIONS>> = {
  gone: "wait",
  send: "expect",
  count: "ping",
  interval: "ping",
  deadline: "ping",
  "max-loss": "ping",
  "max-p99": "ping",
};

/** What cannot be done at once. */
const EXCLUDES: [keyof typeof OPTIONS, (keyof typeof OPTIONS)[]][] = [
  ["gone", ["connect", "expect", "ping", "lines", "interactive"]],
  ["connect", ["expect", "lines", "interactive"]],
  ["expect", ["lines", "interactive"]],
];

function checkTogether({ given, _: names, gone, connect, expect }: Given): void {
  for (const [option, other] of Object.entries(BELONGS)) {
    if (given.has(option) && !given.has(other)) throw usageError(`--${option} is for --${other}`);
  }
  for (const [option, others] of EXCLUDES) {
    const other = others.find((other) => given.has(option) && given.has(other));
    if (other) throw usageError(`--${option} and --${other} do not go together`);
  }
  if (names.length && (gone || connect || expect)) {
    throw usageError("--connect, --expect and --gone greet nobody: no NAME");
  }
}

/** Refuses names that would be sent as others than was meant. */
function checkNames({ _: names, literal, lines, ping, interactive }: Given): void {
  for (const [at, name] of names.entries()) {
    if (isGarbled(name)) {
      throw usageError(
        `${quote(name)} was not UTF-8 (a name that really has U+FFFD in it comes in by NAME -)`,
      );
    }
    checkName(name, lines);
    if (at < names.length - literal && looksLikeServer(name)) {
      throw usageError(
        `${quote(name)} looks like a server, and a NAME is what to say ` +
          "(see --hostname and --port; behind -- it is a NAME)",
      );
    }
  }
  if (ping && (interactive || names.includes("-") || names.includes("exit"))) {
    throw usageError("--ping takes its names as arguments, and exit is none");
  }
}

/** Reads HOST or HOST:PORT: `::1` and `[::1]` have no port, `[::1]:80` and `db:80` have. */
function readServer({ hostname, port, given }: Given): Address {
  const [, host = "", own] = hostname.match(/^(\[.*\]|[^:]*):(\d*)$/) ?? [];
  if (own === undefined) return { hostname: unbracketed(hostname), port };
  const number = OPTIONS.port.value.parse(own);
  if (!number || !host) throw usageError(`--hostname takes HOST or HOST:PORT, not "${hostname}"`);
  if (given.has("port") && port !== number) {
    throw usageError(`--hostname says another port than --port`);
  }
  return { hostname: unbracketed(host), port: number };
}

/** The names to greet as: three, if none are given and greeting is what is asked for. */
function readNames({ _: names, interactive, ping, wait }: Given): string[] {
  const all = interactive ? [...names, "-"] : names;
  return all.length || (wait && !ping) ? all : ["Michael", "Tracy", "Sarah"];
}

/** Reads a file of certificates. */
async function readCertificates(file: string): Promise<string> {
  const pem = await Deno.readTextFile(file).catch((error) => {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw usageError(`cannot read --cacert ${file}: ${systemReason(error)}`);
  });
  const { certificateFault } = await import("./protocol/tls.ts");
  const fault = certificateFault(pem);
  if (fault) throw usageError(`cannot read --cacert ${file}: ${fault}`);
  return pem;
}

/** Checks what a command line says, and makes it what is to be done. */
async function startSession(options: Given): Promise<Session> {
  checkTogether(options);
  checkNames(options);
  const server = readServer(options), names = readNames(options);
  const caCerts = await Promise.all(options.cacert.map(readCertificates));
  const interrupted = interruption(), limit = new Deadline(interrupted);
  return {
    ...options,
    ...server,
    names,
    caCerts,
    interrupted,
    limit,
    signal: limit.signal,
    screen: new Screen(options.json, options.quiet, limit.signal),
    tls: options.tls || caCerts.length > 0 || options.servername !== undefined,
    maxLoss: options["max-loss"],
    maxP99: options["max-p99"],
  };
}

/** Does what was asked for; gives the exit code. */
async function run(session: Session): Promise<number> {
  const probes = session.connect || session.expect;
  if (session.gone) await keepTrying(session, () => seeGone(session));
  else if (session.ping) {
    return await ping(probes ? new AskProbe(session) : new AskGreeting(session), session);
  } else if (probes) {
    const { line, event } = await keepTrying(session, () => probeOnce(session));
    await session.screen.show(line, event);
  } else {
    await using greeter = await keepTrying(session, () => enter(session));
    if (session.names.length) await greetAll(greeter, session);
  }
  return EXIT.ok;
}

async function main(args: string[]): Promise<number> {
  const options = await parseOptions(args, OPTIONS);
  if (options.help || options.version) {
    return await printOnly(options.help ? helpText(INTRO, OPTIONS, OUTRO) : `client.ts ${VERSION}`);
  }
  const session = await startSession(options);
  try {
    return await run(session);
  } finally {
    await session.screen.flush(); // what failed is said below it
  }
}

/** How the script is told about: its name, its advice, what it needs to be granted. */
const SCRIPT: Script = {
  name: "client",
  advice: {
    [EXIT.lookup]: "check --hostname",
    [EXIT.connect]: "is the server running?",
    [EXIT.timeout]: "see --timeout",
    [EXIT.tls]: "does the server speak TLS?",
    [EXIT.certificate]: "see --cacert and --servername",
    "empty name": "with --lines it can",
    "no greeting": "is this a greeting server?",
    "name in pieces": "only a part of the name was answered: try --lines on both sides",
    "no lines": "the server does not know lines: try without --lines",
  },
  needs: async () => {
    const options = await parseOptions(Deno.args, OPTIONS);
    return [
      `net=${hostPort(readServer(options))}`,
      ...pathNeeds("read", options.cacert),
    ];
  },
  args: () => Deno.args,
};

if (import.meta.main) await runScript(SCRIPT, main);
