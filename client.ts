/**
 * A greeting client: it reads `Welcome!`, sends names, and checks that the
 * server answers each with `Hello, NAME!`, byte for byte.
 *
 * ```sh
 * deno run --allow-net=127.0.0.1:9999 client.ts
 * deno run --allow-net=127.0.0.1:9999 client.ts --lines Michael 小明
 * deno run --allow-net=127.0.0.1:9999 client.ts --ping --count 10
 * deno run client.ts --help
 * ```
 *
 * @module
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import {
  EXIT,
  parseOptions,
  printable,
  readUntilEof,
  report,
  TrioError,
  VERSION,
  writeAll,
} from "./mod.ts";

/** How {@linkcode connect} connects. */
export interface ConnectOptions {
  /** The server's name or address; else `127.0.0.1`. */
  hostname?: string;
  /** The server's port; else 9999. */
  port?: number;
  /** Whether a newline ends each name and reply; else they have no mark. */
  lines?: boolean;
  /** Seconds for the connection, and for each reply; else 10. */
  timeout?: number;
  /** Whether to use TLS. */
  tls?: boolean;
  /** Certificates to trust besides the usual ones, as PEM. */
  caCerts?: string[];
  /** Ends the connection, and what waits for it, with the signal's reason. */
  signal?: AbortSignal;
}

/** A connection to a greeting server; disposing of it closes it. */
export interface Greeter extends AsyncDisposable {
  /** What the server said first. */
  readonly welcome: string;
  /** Aborts when the connection ends; its reason says why. */
  readonly signal: AbortSignal;
  /**
   * Sends `name` and returns the reply. Calls queue: a name is sent when the
   * reply before it is complete.
   *
   * @throws {TrioError} 2 if `name` cannot be sent, 1 if another reply comes,
   * 28 if it does not come in time, 56 if the connection breaks.
   */
  greet(name: string): Promise<string>;
  /**
   * Sends `exit` after the last reply and waits until the server closes.
   *
   * @throws {TrioError} as `greet` does.
   */
  exit(): Promise<void>;
}

const encoder = new TextEncoder();
const WELCOME = encoder.encode("Welcome!");

/** Sends and expects, in turn, on a connection. */
export async function connect(options: ConnectOptions = {}): Promise<Greeter> {
  const { lines = false, timeout = 10, signal } = options;
  const where = address(options);
  signal?.throwIfAborted();
  const ended = new AbortController();
  const conn = await open(options, where, timeout);
  ended.signal.addEventListener("abort", () => conn.close());
  signal?.addEventListener("abort", () => ended.abort(signal.reason), {
    signal: ended.signal,
  });

  // One read is always under way, so that a lost server is noticed at once.
  const buffer = new Uint8Array(64 * 1024);
  let leaving = false, rest = new Uint8Array();
  let ahead = read(new TrioError(EXIT.empty, `${where} closed without a word`));
  function read(gone: TrioError): Promise<Uint8Array<ArrayBuffer> | null> {
    const result = conn.read(buffer).then((n) => {
      if (n !== null) return buffer.slice(0, n);
      if (!leaving) throw gone;
      return null;
    }).catch((error) => {
      ended.abort(broken(error, where));
      throw ended.signal.reason;
    });
    result.catch(() => {}); // the signal says it to those who do not wait
    return result;
  }

  async function receive(expected: Uint8Array): Promise<void> {
    for (let got = 0; got < expected.length;) {
      if (rest.length === 0) {
        rest = await ahead ?? rest;
        ahead = read(
          new TrioError(EXIT.broken, `${where} closed the connection`),
        );
      }
      const n = Math.min(rest.length, expected.length - got);
      const wrong = rest.subarray(0, n).findIndex((b, i) =>
        b !== expected[got + i]
      );
      if (wrong >= 0) throw unexpected(rest, where, expected, got);
      got += n;
      rest = rest.subarray(n);
    }
  }

  async function exchange(message: Uint8Array, reply: Uint8Array) {
    ended.signal.throwIfAborted();
    const timer = setTimeout(() =>
      ended.abort(
        new TrioError(
          EXIT.timeout,
          `no reply from ${where} within ${timeout} s (--timeout)`,
        ),
      ), timeout * 1000);
    try {
      await Promise.all([writeAll(conn, message), receive(reply)]);
      if (leaving) {
        rest = await ahead ?? rest;
        if (rest.length) throw unexpected(rest, where, new Uint8Array(), 0);
      }
    } catch (error) {
      ended.abort(broken(error, where));
      throw ended.signal.reason;
    } finally {
      clearTimeout(timer);
    }
  }

  let turn: Promise<unknown> = Promise.resolve();
  function queue<T>(task: () => Promise<T>): Promise<T> {
    const result = turn.then(task);
    turn = result.catch(() => {});
    return result;
  }

  const end = lines ? "\n" : "";
  await exchange(new Uint8Array(), WELCOME);
  return {
    welcome: "Welcome!",
    signal: ended.signal,
    async greet(name) {
      checkName(name, lines);
      const reply = `Hello, ${name}!`;
      await queue(() =>
        exchange(encoder.encode(name + end), encoder.encode(reply + end))
      );
      return reply;
    },
    exit() {
      return queue(async () => {
        leaving = true;
        await exchange(encoder.encode(`exit${end}`), new Uint8Array());
        ended.abort(new TrioError(EXIT.usage, "the session has ended"));
      });
    },
    async [Symbol.asyncDispose]() {
      ended.abort(new TrioError(EXIT.usage, "the session has ended"));
      await ahead.catch(() => {});
    },
  };
}

function checkName(name: string, lines: boolean) {
  if (/\n|\r$/.test(name)) {
    throw new TrioError(EXIT.usage, "a name cannot have a newline");
  }
  if (!name && !lines) {
    throw new TrioError(EXIT.usage, "an empty name needs --lines");
  }
}

function address({ hostname = "127.0.0.1", port = 9999 }: ConnectOptions) {
  return `${/^[^[].*:/.test(hostname) ? `[${hostname}]` : hostname}:${port}`;
}

async function open(
  { hostname = "127.0.0.1", port = 9999, tls, caCerts, signal }: ConnectOptions,
  where: string,
  timeout: number,
): Promise<Deno.Conn> {
  const limit = new AbortController();
  let conn: Deno.Conn | undefined;
  const timer = setTimeout(() =>
    limit.abort(
      new TrioError(
        EXIT.timeout,
        `cannot connect to ${where} within ${timeout} s (--timeout)`,
      ),
    ), timeout * 1000);
  const either = AbortSignal.any([limit.signal, ...signal ? [signal] : []]);
  try {
    conn = await Deno.connect({ hostname, port, signal: either });
    if (!tls && !caCerts) return conn;
    throw new Error("TLS: to do");
  } catch (error) {
    either.throwIfAborted();
    if (error instanceof Deno.errors.NotCapable) throw error;
    const { message } = error as Error;
    const code = error instanceof URIError
      ? EXIT.usage
      : message.startsWith("failed to lookup")
      ? EXIT.lookup
      : EXIT.connect;
    throw new TrioError(code, `cannot connect to ${where}: ${message}`);
  } finally {
    clearTimeout(timer);
  }
}

function broken(error: unknown, where: string): unknown {
  if (error instanceof TrioError) return error;
  const { message } = error as Error;
  return new TrioError(EXIT.broken, `connection to ${where} broke: ${message}`);
}

function unexpected(
  came: Uint8Array,
  where: string,
  expected: Uint8Array,
  got: number,
): TrioError {
  const text = new TextDecoder();
  const all = text.decode(expected.subarray(0, got)) + text.decode(came);
  const shown = all.length > 50 ? `${all.slice(0, 50)}…` : all;
  return new TrioError(
    EXIT.unexpected,
    `unexpected reply from ${where}: ${shown}`,
  );
}

const HELP = `client.ts [OPTIONS] [NAME]...`;

function number(option: string, text: string, min: number, max: number) {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new TrioError(
    EXIT.usage,
    `${option} takes a number from ${min} to ${max}, not ${text}`,
  );
}

function parse(args: string[]) {
  return parseOptions(
    args,
    { hostname: "a name or address", port: "a port", timeout: "seconds" },
    ["lines", "json", "quiet", "help", "version"],
    { p: "port", q: "quiet", h: "help" },
  );
}

async function print(text: string): Promise<void> {
  await writeAll(Deno.stdout, encoder.encode(`${text}\n`));
}

async function* names(args: string[], signal: AbortSignal) {
  for (const arg of args) {
    if (arg !== "-") yield arg;
    else {
      yield* ReadableStream.from(readUntilEof(Deno.stdin))
        .pipeThrough(
          new TextDecoderStream() as TransformStream<Uint8Array, string>,
        )
        .pipeThrough(new TextLineStream(), { signal });
    }
  }
}

async function main(args: string[]): Promise<number> {
  const { _: given, ...options } = parse(args);
  if (options.help || options.version) {
    await print(options.help ? HELP : VERSION);
    return EXIT.ok;
  }
  const lines = options.lines;
  if (!given.length) given.push("Michael", "Tracy", "Sarah");
  for (const name of given) checkName(name, lines);
  const interrupt = new AbortController();
  Deno.addSignalListener(
    "SIGINT",
    () => interrupt.abort(new TrioError(EXIT.interrupted, "interrupted")),
  );
  await using greeter = await connect({
    hostname: options.hostname.at(-1) ?? "127.0.0.1",
    port: number("--port", options.port.at(-1) ?? "9999", 1, 65535),
    timeout: number("--timeout", options.timeout.at(-1) ?? "10", 0.001, 1e6),
    lines,
    signal: interrupt.signal,
  });
  const show = (reply: string, json: unknown) =>
    options.quiet
      ? undefined
      : print(options.json ? JSON.stringify(json) : printable(reply));
  await show(greeter.welcome, { welcome: greeter.welcome });
  for await (const name of names(given, greeter.signal)) {
    if (name === "exit") break;
    const start = performance.now();
    const reply = await greeter.greet(name);
    await show(reply, { name, reply, ms: performance.now() - start });
  }
  await greeter.exit();
  return EXIT.ok;
}

function command(): string[] {
  return ["--allow-net", "client.ts", ...Deno.args];
}

if (import.meta.main) {
  Deno.exit(
    await main(Deno.args).catch((error) => report("client", error, command)),
  );
}
