/**
 * A greeting client and TCP probe: it reads `Welcome!`, sends names, and
 * checks that each is answered with `Hello, NAME!`, byte for byte, however TCP
 * splits or joins it.
 *
 * ```sh
 * deno run --allow-net=127.0.0.1:9999 client.ts
 * deno run --allow-net=127.0.0.1:9999 client.ts --lines Michael 小明
 * deno run --allow-net=127.0.0.1:9999 client.ts --wait 30 --quiet
 * deno run --allow-net=127.0.0.1:9999 client.ts --ping --count 10
 * deno run client.ts --help
 * ```
 *
 * @module
 */
import { TextLineStream } from "jsr:@std/streams@^1.0.0/text-line-stream";
import {
  EXIT,
  parseNumber,
  parseOptions,
  printable,
  readUntilEof,
  report,
  TrioError,
  VERSION,
  writeAll,
} from "./mod_old.ts";
import { quote, Replies, replyTo } from "./protocol/greeting.ts";

export { Replies };

/** How {@linkcode connect} connects. */
export interface ConnectOptions {
  /** The server's name or address; else `127.0.0.1`. */
  hostname?: string;
  /** The server's port; else 9999. */
  port?: number;
  /** Whether a newline ends each name and each reply; else nothing does. */
  lines?: boolean;
  /** Seconds for the connection, and for each reply; else 10. */
  timeout?: number;
  /** Whether to use TLS. */
  tls?: boolean;
  /** PEM certificates to trust besides the usual ones, when using TLS. */
  caCerts?: string[];
  /** Closes the connection; what waits for it fails with the signal's reason. */
  signal?: AbortSignal;
}

/** A connection to a greeting server; disposing of it closes it. */
export interface Greeter extends AsyncDisposable {
  /** What the server said first. */
  readonly welcome: string;
  /** Milliseconds from sending the last name to the end of its reply. */
  readonly elapsed: number;
  /** Aborts as soon as the connection ends; its reason says why. */
  readonly signal: AbortSignal;
  /**
   * Sends `name` and returns the reply. Calls queue: a name is sent when the
   * reply before it is complete.
   *
   * @throws {TrioError} 2 if `name` cannot be sent (the connection goes on);
   * 1 if anything but the right reply comes, 28 if it does not come in time,
   * 56 if the connection breaks.
   */
  greet(name: string): Promise<string>;
  /**
   * Sends `exit` after the last reply, and waits until the server closes.
   *
   * @throws {TrioError} 1, 28 or 56, as {@linkcode Greeter.greet}.
   */
  exit(): Promise<void>;
}

/** What the times of some replies come to, in milliseconds; NaN (`null` in JSON) without any. */
export interface Statistics {
  /** The shortest. */
  min: number;
  /** The mean. */
  avg: number;
  /** The longest. */
  max: number;
  /** The standard deviation of these times. */
  stddev: number;
  /** The median: half of the replies took no longer. */
  p50: number;
  /** 99 of 100 replies took no longer. */
  p99: number;
}

/** What `--json` shows, one object a line; times are in milliseconds. */
export type ClientEvent =
  | { event: "welcome"; server: string; welcome: string }
  | { event: "reply"; seq?: number; name: string; reply: string; ms: number }
  | { event: "lost"; seq: number; name: string; error: string; code: number }
  | { event: "summary"; sent: number; received: number; lost: number } & Statistics;

const text = new TextEncoder();

/**
 * Summarizes times in milliseconds; percentiles are of the nearest rank.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const { avg, p50, p99 } = statistics([4, 1, 2, 9]);
 * assertEquals([avg, p50, p99], [4, 2, 9]);
 * ```
 */
export function statistics(times: readonly number[]): Statistics {
  const sorted = Float64Array.from(times).sort();
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? NaN;
  const mean = (values: Float64Array) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const avg = mean(sorted);
  return {
    min: sorted[0] ?? NaN,
    avg: microseconds(avg),
    max: rank(1),
    stddev: microseconds(Math.sqrt(mean(sorted.map((time) => (time - avg) ** 2)))),
    p50: rank(0.5),
    p99: rank(0.99),
  };
}

/** Rounds milliseconds to microseconds; the digits after them are noise. */
function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function checkName(name: string, lines: boolean): void {
  if (/\n|\r$/.test(name)) {
    throw usage(`${quote(name)} has a newline, where a name would end`);
  }
  if (!name && !lines) {
    throw usage("an empty name cannot be sent (with --lines it can)");
  }
}

function usage(message: string): TrioError {
  return new TrioError(EXIT.usage, message);
}

/** Where a server is. */
interface Place {
  hostname: string;
  port: number;
}

/** An IPv6 address without brackets; other names as they are. */
function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

function format({ hostname, port }: Place): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/**
 * Connects to a greeting server and reads its welcome.
 *
 * @example
 * ```ts
 * import { serve } from "./server.ts";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serve({ port: 0, delay: 0 });
 * await using greeter = await connect({ port: server.addr.port });
 * assertEquals(await greeter.greet("Ada"), "Hello, Ada!");
 * await greeter.exit();
 * ```
 *
 * @throws {TrioError} 2 if the host's name cannot be one, 6 if it is not
 * resolved, 7 if there is no connection, 28 if that or the welcome takes too
 * long, 35 or 60 if TLS fails, 52 if the server closes without a word, 56 if
 * the connection breaks, 1 if anything but the welcome comes.
 */
export async function connect(options: ConnectOptions = {}): Promise<Greeter> {
  const { port = 9999, lines = false, timeout = 10 } = options;
  const hostname = bare(options.hostname ?? "127.0.0.1");
  const where = format({ hostname, port });
  const newline = lines ? "\n" : "";
  const { signal, end, fail, within } = lifetime(where, timeout, options.signal);

  const conn = await within(
    "accept the connection",
    () => open({ ...options, hostname, port, signal }),
  );
  const replies = new Replies(where);
  const buffer = new Uint8Array(64 * 1024);
  async function receive(): Promise<void> {
    while (!replies.complete) {
      const n = await conn.read(buffer).catch(endOfTls);
      if (n !== null) replies.take(buffer.subarray(0, n));
      else if (replies.over) return;
      else if (replies.silent) throw new TrioError(EXIT.empty, `${where} closed without a word`);
      else throw new TrioError(EXIT.broken, `${where} closed the connection`);
    }
  }

  // The next reply begins with `Hello, ` whatever the name is, so a read is
  // always under way, and a server that goes away is noticed at once.
  let reading: Promise<void>;
  function listen() {
    replies.begin();
    reading = receive().catch(fail);
    reading.catch(() => {}); // the signal tells those who do not wait
  }
  await within("say Welcome!", async () => {
    await receive();
    listen();
  });

  let turn: Promise<unknown> = Promise.resolve();
  function inTurn(duty: string, task: () => Promise<void>): Promise<void> {
    const result = turn.then(() => within(duty, task));
    turn = result.catch(() => {});
    return result;
  }
  const over = new TrioError(EXIT.broken, `the session with ${where} is over`);
  let elapsed = NaN;

  return {
    welcome: "Welcome!",
    signal,
    get elapsed() {
      return elapsed;
    },
    async greet(name) {
      checkName(name, lines);
      if (name === "exit") throw usage("exit gets no reply: call exit()");
      const reply = replyTo(name);
      await inTurn(`answer ${quote(name)}`, async () => {
        const message = text.encode(name + newline);
        replies.expect(reply + newline);
        const start = performance.now();
        await Promise.all([writeAll(conn, message), reading.then(receive)]);
        elapsed = performance.now() - start;
        listen();
      });
      return reply;
    },
    exit: () =>
      inTurn("close after exit", async () => {
        replies.end();
        await writeAll(conn, text.encode(`exit${newline}`));
        await reading;
        end(over);
      }),
    async [Symbol.asyncDispose]() {
      end(over);
      await reading.catch(() => {});
    },
  };
}

/** Milliseconds that a timer can take at most. */
const LONGEST = 2 ** 31 - 1;

/**
 * The life of a connection, which ends once: the first reason given aborts
 * `signal`, which closes the connection, so that all that waits for it fails,
 * and with that reason.
 */
function lifetime(where: string, timeout: number, outer: AbortSignal | undefined) {
  const ended = new AbortController(), { signal } = ended;
  const end = (reason: unknown) => ended.abort(reason);
  outer?.throwIfAborted();
  outer?.addEventListener("abort", () => end(outer.reason), { signal });

  function fail(error: unknown): never {
    const known = error instanceof TrioError || error instanceof Deno.errors.NotCapable;
    end(known ? error : failure(EXIT.broken, `the connection to ${where} broke`, error));
    throw signal.reason;
  }

  /** Does a `task` for which the server has to do its `duty` in time. */
  async function within<T>(duty: string, task: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const late = `${where} did not ${duty} within ${timeout} s (see --timeout)`;
    const timer = setTimeout(
      () => end(new TrioError(EXIT.timeout, late)),
      Math.min(timeout * 1000, LONGEST),
    );
    try {
      return await task();
    } catch (error) {
      return fail(error);
    } finally {
      clearTimeout(timer);
    }
  }

  return { signal, end, fail, within };
}

/** Opens a connection that is closed when `signal` aborts. */
async function open(
  { hostname, port, tls, caCerts = [], signal }: ConnectOptions & Place & { signal: AbortSignal },
): Promise<Deno.Conn> {
  const where = format({ hostname, port });
  const tcp = await Deno.connect({ hostname, port, signal }).catch((error) => {
    if (error instanceof Deno.errors.NotCapable) throw error;
    if (error instanceof URIError) throw usage(`--hostname: ${error.message}`);
    throw error.message.startsWith("failed to lookup")
      ? failure(EXIT.lookup, `cannot resolve ${hostname}`, error)
      : failure(EXIT.connect, `cannot connect to ${where}`, error);
  });
  tcp.setNoDelay();
  if (!tls) return closedBy(signal, tcp);
  try {
    const conn = closedBy(signal, await Deno.startTls(tcp, { hostname, caCerts }));
    await conn.handshake();
    return conn;
  } catch (error) {
    throw (error as Error).message.startsWith("invalid peer certificate")
      ? failure(EXIT.certificate, `${where} is not trusted`, error)
      : failure(EXIT.tls, `TLS with ${where} failed`, error);
  }
}

function closedBy<Conn extends Deno.Conn>(signal: AbortSignal, conn: Conn): Conn {
  if (signal.aborted) conn.close();
  else signal.addEventListener("abort", () => conn.close());
  return conn;
}

/** Takes a TLS connection that ends without close_notify for one that ends. */
function endOfTls(error: unknown): null {
  if (error instanceof Deno.errors.UnexpectedEof) return null;
  throw error;
}

/** An error for what the system said, without its number and with advice. */
function failure(code: number, what: string, cause: unknown): TrioError {
  const why = (cause as Error).message
    .replace(/^failed to lookup address information: /, "")
    .replace(/ \(os error \d+\)$/, "");
  const advice = {
    [EXIT.lookup]: " (check --hostname)",
    [EXIT.connect]: " (is the server running?)",
    [EXIT.tls]: " (does the server speak TLS?)",
    [EXIT.certificate]: " (see --cacert)",
  }[code] ?? "";
  return new TrioError(code, `${what}: ${why}${advice}`, { cause });
}

const HELP = `Usage: client.ts [OPTIONS] [NAME]...

Greets a server as each NAME (Michael Tracy Sarah), checks each reply to the
byte, and leaves. The NAME - stands for names from stdin, one a line.

      --hostname HOST  the server's name or address (127.0.0.1)
  -p, --port PORT      the server's port (9999)
      --lines          end each name with a newline: right on any network
  -i, --interactive    ask for names until exit or Ctrl+D
      --wait S         keep trying for S seconds; without NAME, only to get in
      --timeout S      seconds for the connection, and for each reply (10)
      --ping           greet again and again, and time it, until Ctrl+C
        --count N      greet N times
        --interval S   greet each S seconds (1)
      --tls            use TLS
      --cacert FILE    use TLS, and trust the certificates in FILE too
      --json           show one JSON object a line
  -q, --quiet          show neither welcome nor replies
  -v, --verbose        say why --wait goes on
  -h, --help           show this
      --version        show the version`;

/** More greetings than anybody counts. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

function parse(args: string[]) {
  return parseOptions(
    args,
    {
      hostname: "a name or address",
      port: "a port",
      wait: "seconds",
      timeout: "seconds",
      count: "a number",
      interval: "seconds",
      cacert: "a file of PEM certificates",
    },
    // deno-fmt-ignore
    ["lines", "interactive", "ping", "tls", "json", "quiet", "verbose", "help", "version"],
    { p: "port", i: "interactive", q: "quiet", v: "verbose", h: "help" },
  );
}

/** Checks what a command line says, and fills in what it leaves out. */
function settle({ _: names, ...given }: ReturnType<typeof parse>) {
  type Numeric = "port" | "wait" | "timeout" | "count" | "interval";
  const number = (name: Numeric, other: number, min: number, max: number, whole?: boolean) =>
    parseNumber(name, given[name].at(-1) ?? String(other), min, max, whole);
  const { ping, interactive, lines } = given;
  const wait = number("wait", 0, 0, LONGEST / 1000, false);
  for (const name of names) checkName(name, lines);
  if (ping && (interactive || names.includes("-") || names.includes("exit"))) {
    throw usage("--ping takes its names as arguments, and exit is none");
  }
  if (!ping && given.count.length + given.interval.length > 0) {
    throw usage("--count and --interval are for --ping");
  }
  if (interactive) names.push("-");
  if (!names.length && (ping || !wait)) names.push("Michael", "Tracy", "Sarah");
  return {
    ...given,
    names,
    hostname: bare(given.hostname.at(-1) ?? "127.0.0.1"),
    port: number("port", 9999, 1, 65535),
    wait,
    timeout: number("timeout", 10, 0.001, LONGEST / 1000, false),
    count: number("count", ENDLESS, 1, ENDLESS),
    interval: number("interval", 1, 0, LONGEST / 1000, false),
    tls: given.tls || given.cacert.length > 0,
  };
}

/** All that the functions below need to know. */
interface Session extends ReturnType<typeof settle> {
  caCerts: string[];
  signal: AbortSignal;
}

/** Connects and shows the welcome. */
async function enter(session: Session): Promise<Greeter> {
  const greeter = await connect(session);
  const { welcome } = greeter, server = format(session);
  await show(session, welcome, { event: "welcome", server, welcome });
  return greeter;
}

/** Milliseconds between two tries: soon for a person, rare for a machine. */
const RETRY = 200;

/** Enters; when that fails in a way that passes, tries again for `wait` s. */
async function enterWithin(wait: number, session: Session): Promise<Greeter> {
  let last = new TrioError(EXIT.timeout, `not greeted within ${wait} s`);
  const total = new AbortController();
  const timer = setTimeout(() => total.abort(last), wait * 1000);
  const signal = AbortSignal.any([session.signal, total.signal]);
  try {
    for (;;) {
      try {
        return await enter({ ...session, signal });
      } catch (error) {
        signal.throwIfAborted();
        last = oneOf(PASSING, error);
      }
      if (session.verbose) console.error(printable(`client: ${last.message}`));
      await pause(RETRY, signal);
      signal.throwIfAborted();
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Failures that pass when a server starts, or starts again. */
const PASSING: readonly number[] = [
  EXIT.lookup,
  EXIT.connect,
  EXIT.timeout,
  EXIT.empty,
  EXIT.broken,
];

/** Returns `error` if its code is one of `codes`, else throws it. */
function oneOf(codes: readonly number[], error: unknown): TrioError {
  if (error instanceof TrioError && codes.includes(error.code)) return error;
  throw error;
}

/** Resolves after `milliseconds`, or as soon as `signal` aborts. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const timer = setTimeout(resolve, milliseconds);
  signal.addEventListener("abort", resolve);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", resolve);
}

/** Greets as each name until `exit`, and leaves. */
async function greetAll(greeter: Greeter, session: Session): Promise<number> {
  for await (const name of allNames(session, greeter.signal)) {
    if (name === "exit") break;
    const reply = await greeter.greet(name);
    const ms = microseconds(greeter.elapsed);
    await show(session, reply, { event: "reply", name, reply, ms });
  }
  await greeter.exit();
  return EXIT.ok;
}

/** The names given, with those from stdin in the place of each `-`. */
async function* allNames(session: Session, signal: AbortSignal) {
  for (const name of session.names) {
    if (name === "-") yield* namesFromStdin(session, signal);
    else yield name;
  }
}

/** The lines of stdin, asked for if interactive; throws when `signal` aborts. */
async function* namesFromStdin(
  { interactive, lines }: Session,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let asked = false;
  async function ask() {
    asked = interactive;
    if (asked) await writeAll(Deno.stderr, text.encode("Name: "));
  }
  try {
    await ask();
    const input = ReadableStream.from(readUntilEof(Deno.stdin))
      .pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))
      .pipeThrough(new TextLineStream(), { signal });
    for await (const name of input) {
      asked = false;
      if (name || lines || !interactive) yield name;
      await ask();
    }
  } catch (error) {
    if (error instanceof TrioError) throw error; // the reason of the signal
    if (error instanceof TypeError) throw usage("stdin is not UTF-8");
    throw failure(EXIT.usage, "cannot read stdin", error);
  } finally {
    if (asked) console.error(); // ends the line of the prompt
  }
}

/**
 * Greets as the names in turn, and shows the times and a summary. Returns the
 * exit code of the last loss: TCP loses nothing while all is well.
 */
async function ping(greeter: Greeter, session: Session): Promise<number> {
  const { names, count, interval, signal } = session;
  const times: number[] = [], begin = performance.now();
  let code: number = EXIT.ok, sent = 0;
  for (let due = begin; sent < count && !signal.aborted;) {
    const name = names[sent % names.length] ?? "", seq = sent + 1;
    try {
      if (greeter.signal.aborted) greeter = await enter(session);
      const reply = await greeter.greet(name);
      const ms = microseconds(greeter.elapsed);
      times.push(ms);
      const line = `${reply} seq=${seq} time=${ms.toFixed(3)} ms`;
      await show(session, line, { event: "reply", seq, name, reply, ms });
    } catch (error) {
      if (signal.aborted) break; // this one is neither answered nor lost
      const lost = oneOf([...PASSING, EXIT.unexpected], error);
      code = lost.code;
      const line = `lost seq=${seq}: ${lost.message}`;
      await show(session, line, { event: "lost", seq, name, error: lost.message, code });
    }
    sent = seq;
    const now = performance.now();
    due = Math.max(due + interval * 1000, now);
    if (due > now && sent < count) await pause(due - now, signal);
  }
  await summarize(times, sent, performance.now() - begin, session);
  if (signal.aborted) return EXIT.interrupted;
  if (!greeter.signal.aborted) await greeter.exit().catch((error) => oneOf(PASSING, error));
  return code;
}

/** Shows what the greetings of a ping came to, as ping does. */
async function summarize(times: number[], sent: number, ms: number, session: Session) {
  const received = times.length, lost = sent - received, found = statistics(times);
  const { min, avg, max, stddev, p50, p99 } = found;
  const join = (times: number[]) => times.map((time) => time.toFixed(3)).join("/");
  const lines = [
    `\n--- ${format(session)} greeting statistics ---`,
    `${sent} sent, ${received} received, ${lost} lost, time ${Math.round(ms)} ms`,
  ];
  if (received) {
    lines.push(`min/avg/max/stddev = ${join([min, avg, max, stddev])} ms`);
    lines.push(`p50/p99 = ${join([p50, p99])} ms`);
  }
  await show(session, lines.join("\n"), { event: "summary", sent, received, lost, ...found });
}

/** Prints a line, or the event it tells as JSON; when quiet, only a summary. */
async function show(
  { json, quiet }: Session,
  line: string,
  event: ClientEvent,
): Promise<void> {
  if (quiet && event.event !== "summary") return;
  await print(json ? JSON.stringify(event) : printable(line));
}

async function print(line: string): Promise<void> {
  try {
    await writeAll(Deno.stdout, text.encode(`${line}\n`));
  } catch (error) {
    throw failure(EXIT.write, "cannot write the output", error);
  }
}

/** Reads a file of certificates. */
function certificates(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw failure(EXIT.usage, `cannot read --cacert ${file}`, error);
  }
}

async function main(args: string[]): Promise<number> {
  const given = parse(args);
  if (given.help || given.version) {
    await print(given.help ? HELP : `client.ts ${VERSION}`);
    return EXIT.ok;
  }
  const settings = settle(given);
  const interrupt = new AbortController(), { signal } = interrupt;
  Deno.addSignalListener("SIGINT", function stop() {
    Deno.removeSignalListener("SIGINT", stop); // a second Ctrl+C ends at once
    interrupt.abort(new TrioError(EXIT.interrupted, "interrupted"));
  });
  const session = { ...settings, caCerts: settings.cacert.map(certificates), signal };
  const greeter = await (settings.wait ? enterWithin(settings.wait, session) : enter(session));
  return await (settings.ping ? ping : greetAll)(greeter, session);
}

/** What `deno run` needs to grant what the command line asks for. */
function command(): string[] {
  const settings = settle(parse(Deno.args));
  const files = settings.cacert.map((file) => `--allow-read=${file}`);
  return [`--allow-net=${format(settings)}`, ...files, "client.ts", ...Deno.args];
}

if (import.meta.main) {
  Deno.exit(await main(Deno.args).catch((error) => report("client", error, command)));
}
