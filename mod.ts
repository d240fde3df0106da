/**
 * What the three scripts share, in this order: errors and exit codes, bytes, text, addresses,
 * time, standard output and error, options, and the one way from an error to an exit code.
 * It knows nothing of HTTP, of the greeting, or of files.
 *
 * @module
 */

/** The version of this package, as `--version` prints it. */
export const VERSION = "0.2.0";

/** The oldest Deno that the commands run on; the README says why. */
export const OLDEST_DENO = "2.9.5";

// --- Errors and exit codes ---------------------------------------------------

/** Exit codes: curl's numbers where curl has one; the README has the table. */
// deno-fmt-ignore
export const EXIT = {
  ok: 0, unexpected: 1, usage: 2, url: 3, proxyLookup: 5, lookup: 6, connect: 7,
  reply: 8, partial: 18, status: 22, write: 23, timeout: 28, resume: 33, tls: 35,
  redirect: 47, empty: 52, broken: 56, certificate: 60, encoding: 61, size: 63,
  permission: 77, checksum: 90, interrupted: 130,
} as const;

/** What a {@linkcode TrioError} has beside its code and its sentence. */
export interface TrioErrorOptions extends ErrorOptions {
  /** What it is about, where the code does not say it: the key of a command's advice. */
  topic?: string | undefined;
}

/** An error that is a sentence for a person and an exit code for a program. */
export class TrioError extends Error {
  /** What it is about, where the code does not say it. */
  readonly topic: string | undefined;

  /** Makes an error of the kind `code`, one of {@linkcode EXIT}. */
  constructor(readonly code: number, message: string, options: TrioErrorOptions = {}) {
    super(message, options);
    this.name = "TrioError";
    this.topic = options.topic;
  }
}

/** What a {@linkcode TransientError} has beside. */
export interface TransientErrorOptions extends TrioErrorOptions {
  /** The seconds that the peer asked to wait before the next try. */
  retryAfter?: number | undefined;
}

/** A failure that may pass: trying again may help. */
export class TransientError extends TrioError {
  /** The seconds that the peer asked to wait before the next try. */
  readonly retryAfter: number | undefined;

  /** Makes such an error. */
  constructor(code: number, message: string, options: TransientErrorOptions = {}) {
    super(code, message, options);
    this.retryAfter = options.retryAfter;
  }
}

/** An error of the kind "bad command line", or of bad options of a library call. */
export function usageError(message: string): TrioError {
  return new TrioError(EXIT.usage, message);
}

/**
 * What an error of the system says, without its number, the call and the path:
 * `Permission denied (os error 13): open 'a'` → `Permission denied`.
 */
export function systemReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^failed to lookup address information: /, "")
    .replace(/ \(os error \d+\)(: \w+ '.*')?/s, "");
}

// --- Bytes -------------------------------------------------------------------

/** What bytes are read from, as `Deno.Conn`. */
export type Source = Pick<Deno.Conn, "read">;

/** What bytes are written to, as `Deno.Conn`. */
export type Sink = Pick<Deno.Conn, "write">;

/** Yields what `source` gives until EOF, chunk by chunk. */
export async function* readUntilEof(source: Source): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(64 * 1024);
  for (let n; (n = await source.read(buffer)) !== null;) yield buffer.slice(0, n);
}

/**
 * Collects what `source` gives until EOF.
 *
 * @throws {RangeError} if that is more than `limit` bytes.
 */
export async function readAll(source: Source, limit: number): Promise<Uint8Array> {
  // loaded when needed: using the scripts as a library asks no registry
  const { toBytes } = await import("jsr:@std/streams@^1.0.0/to-bytes");
  const { LimitedBytesTransformStream } = await import(
    "jsr:@std/streams@^1.0.0/limited-bytes-transform-stream"
  );
  const limited = new LimitedBytesTransformStream(limit, { error: true });
  return await toBytes(ReadableStream.from(readUntilEof(source)).pipeThrough(limited));
}

/** Writes all of `bytes`: one write of a socket may take only some of them. */
export async function writeAll(sink: Sink, bytes: Uint8Array): Promise<void> {
  for (let n = 0; n < bytes.length;) n += await sink.write(bytes.subarray(n));
}

// --- Text --------------------------------------------------------------------

function hex(char: string, digits: number): string {
  return char.charCodeAt(0).toString(16).padStart(digits, "0");
}

/** Shows control characters other than newline and tab as `\x1b`, so that no terminal obeys them. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (char) => `\\x${hex(char, 2)}`);
}

/** A value as one line of JSON without control characters (`JSON.stringify` leaves DEL and C1). */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/\p{Cc}/gu, (char) => `\\u${hex(char, 4)}`);
}

// --- Addresses ---------------------------------------------------------------

/** Where a peer is, as `Deno.NetAddr`. */
export interface Address {
  /** A name, or an address without brackets. */
  hostname: string;
  /** The port, 0 to 65535. */
  port: number;
}

/** `127.0.0.1:80`, `[::1]:80`: brackets keep the colons of IPv6 from the port's. */
export function hostPort({ hostname, port }: Address): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** A host without the brackets of IPv6: `[::1]` → `::1`; others as they are. */
export function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

// --- Time --------------------------------------------------------------------

/** The longest time of a timer, in milliseconds: a longer one would fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;
/** The longest time that options take, in seconds. */
export const MAX_TIMER_S: number = Math.floor(MAX_TIMER_MS / 1000);

/** Waits for `pending`, but rejects with the signal's reason as soon as that aborts. */
export async function abortable<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([pending, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Resolves after so many milliseconds; rejects with the signal's reason if that aborts before. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.min(ms, MAX_TIMER_MS));
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Pauses in which what is ready may still be read when it is time, in milliseconds: a process that
 * was stopped has its timers before its reads, and one that waits for a processor may have them so
 * once more.
 */
const LAST_READS_MS = [10, 1];

/**
 * Says when something must be over: aborts its signal when the time that was set has passed, or
 * when another signal aborts. It may be set again and again; a timer that runs is used again.
 * What came in time is read first, also where the process was stopped (SIGSTOP) for longer.
 *
 * @example
 * ```ts
 * import { assertRejects } from "jsr:@std/assert@^1.0.0";
 *
 * using deadline = new Deadline();
 * deadline.set(0.001, () => new Error("late"));
 * await assertRejects(() => sleep(5000, deadline.signal), Error, "late");
 * ```
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  /** Aborts when it is time. */
  readonly signal: AbortSignal = this.#controller.signal;
  readonly #outer: AbortSignal | undefined;
  /** When it is time, and when the timer that runs fires, on the clock of `performance`. */
  #end = Infinity;
  #due = Infinity;
  #timer: AbortSignal | undefined;
  /** How many of these pauses have begun. */
  #overdue = 0;
  #reason: () => unknown = () => undefined;

  /** Aborts with `outer`, too. */
  constructor(outer?: AbortSignal | undefined) {
    this.#outer = outer;
    if (outer?.aborted) this.#onAbort();
    else outer?.addEventListener("abort", this.#onAbort);
  }

  #onAbort = () => this.abort(this.#outer!.reason);

  /** Aborts the signal now; only the first reason counts. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** How many milliseconds are left. */
  get left(): number {
    return this.#end - performance.now();
  }

  /** Allows so many seconds from now; `reason` gives what the signal aborts with. */
  set(seconds: number, reason: () => unknown): void {
    this.#end = performance.now() + seconds * 1000;
    this.#reason = reason;
    if (this.#end < this.#due) this.#check();
  }

  /** Allows any time. */
  clear(): void {
    this.#end = Infinity;
  }

  #check = () => {
    this.#timer?.removeEventListener("abort", this.#check);
    this.#due = this.#end;
    const { left } = this;
    const rest = left > 0 ? Math.ceil(left) : LAST_READS_MS[this.#overdue];
    if (rest === undefined) return this.abort(this.#reason());
    this.#overdue = left > 0 ? 0 : this.#overdue + 1;
    if (left === Infinity) return;
    // the first setTimeout of a process takes 5 ms to load, this 0.4
    this.#timer = AbortSignal.timeout(Math.min(rest, MAX_TIMER_MS));
    this.#timer.addEventListener("abort", this.#check);
  };

  /** Aborts no more. */
  [Symbol.dispose](): void {
    this.clear();
    this.#timer?.removeEventListener("abort", this.#check);
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}

// --- Standard output and error -----------------------------------------------

/** How long a pipe that is full is left alone, in milliseconds. */
const FULL_PIPE_MS = 10;
/** How long the last lines wait for a reader that takes nothing, in milliseconds. */
const LAST_LINES_MS = 1000;

/**
 * One of the standard streams: what is written goes out in order, never blocks the thread
 * (`console.log` would, on a full pipe), and holds up nobody who does not wait for it.
 */
export class OutputStream implements Sink {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Writes to `stream`: `Deno.stdout` or `Deno.stderr`. */
  constructor(readonly stream: Sink) {}

  /** Writes all of `bytes` behind what was written before; returns their number. */
  write(bytes: Uint8Array): Promise<number> {
    this.#waiting++;
    const written = this.#last.then(() => this.#writeAll(bytes)).finally(() => this.#waiting--);
    this.#last = written.catch(() => {}); // who waits for it is told
    return written;
  }

  async #writeAll(bytes: Uint8Array): Promise<number> {
    for (let n = 0; n < bytes.length;) {
      try {
        n += await this.stream.write(bytes.subarray(n));
      } catch (error) {
        // another process that shares the pipe made it non-blocking: nothing tells when it has room
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        await new Promise((resolve) => setTimeout(resolve, FULL_PIPE_MS));
      }
    }
    return bytes.length;
  }

  /** Writes a line, made printable. */
  async print(line: string): Promise<void> {
    await this.write(new TextEncoder().encode(`${printable(line)}\n`));
  }

  /** Writes a line, made printable, if it can be written; nobody waits for it. */
  say(line: string): void {
    this.print(line).catch(() => {});
  }

  /** Whether all is written. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** Waits until all is written, as long as somebody reads. */
  async flush(): Promise<void> {
    for (let before = NaN; this.#waiting > 0 && this.#waiting !== before;) {
      before = this.#waiting;
      const quiet = Promise.withResolvers<void>();
      AbortSignal.timeout(LAST_LINES_MS).onabort = () => quiet.resolve();
      await Promise.race([this.#last, quiet.promise]);
    }
  }
}

/** Standard output. */
export const stdout: OutputStream = new OutputStream(Deno.stdout);
/** Standard error. */
export const stderr: OutputStream = new OutputStream(Deno.stderr);

// --- Options -----------------------------------------------------------------

/** What an option takes, and how its text is read. */
export interface Value<T> {
  /** Its name in the help, like `FILE`. */
  name: string;
  /** What it is in a sentence, like `a file name`. */
  takes: string;
  /** Reads a text; `undefined` if it is no such value. */
  parse(text: string): T | undefined;
  /** Whether it is kept out of messages. */
  secret?: true;
}

/** A row of the table of options: with `value` it takes one, without it is a flag. */
export interface Option<T> {
  /** The group that begins with it, in the help. */
  group?: string;
  /** Its short name. */
  letter?: string;
  /** What it takes. */
  value?: Value<T>;
  /** What holds if it is not given. */
  default?: T;
  /** Whether it may be given again; then it has an array. */
  many?: true;
  /** What it does, in a line. */
  help: string;
}

/** The options of a script, by their long names. */
// deno-lint-ignore no-explicit-any
export type OptionTable = Readonly<Record<string, Readonly<Option<any>>>>;

/** What was given for an option, or its default. */
export type Given<Row> = Row extends { value: Value<infer T> }
  ? Row extends { many: true } ? T[] : Row extends { default: unknown } ? T : T | undefined
  : boolean;

/** A command line that was parsed. */
export type Parsed<Table extends OptionTable> =
  & { [Name in keyof Table]: Given<Table[Name]> }
  & {
    /** The arguments that are no options. */
    _: string[];
    /** How many of these, the last ones, are behind `--`. */
    literal: number;
    /** The names of the options that were given. */
    given: Set<string>;
  };

/** A value that is a text of at least one character. */
export function anyText(name: string, takes: string): Value<string> {
  return { name, takes, parse: (text) => text || undefined };
}

function within(number: number, min: number, max: number): number | undefined {
  return number >= min && number <= max ? number : undefined;
}

/** A value that is a whole number from `min` to `max`. */
export function whole(name: string, min: number, max: number): Value<number> {
  const takes = `a whole number from ${min} to ${max}`;
  return { name, takes, parse: (text) => within(/^\d+$/.test(text) ? +text : NaN, min, max) };
}

/** A value that is a number from `min` to `max`, fractions allowed. */
export function decimal(name: string, min: number, max: number): Value<number> {
  const takes = `a number from ${min} to ${max}`;
  const number = /^(\d+|\d*\.\d+)$/;
  return { name, takes, parse: (text) => within(number.test(text) ? +text : NaN, min, max) };
}

/** Options of all three scripts. */
export const COMMON = {
  help: { letter: "h", help: "show this" },
  version: { letter: "V", help: "show the version" },
} as const satisfies OptionTable;

/**
 * Spells options out as `--name` or `--name=value`, behind the other arguments: `parseArgs` alone
 * takes a value that begins with `-` for an option, reads `-oFILE` as five flags, and a NAME `true`
 * behind a flag as its value.
 */
function spellOut(args: readonly string[], table: OptionTable): string[] {
  const options: string[] = [], others: string[] = [], rest = [...args];
  const letters = new Map(Object.entries(table).map(([name, { letter }]) => [letter, name]));
  for (let arg; (arg = rest.shift()) !== undefined;) {
    const [, given, more] = arg.match(/^(--[^=]*|-[^-])(.*)$/su) ?? [];
    if (arg === "--") return [...others, ...options, "--", ...rest];
    else if (given === undefined) others.push(arg);
    else {
      const name = given.startsWith("--") ? given.slice(2) : letters.get(given[1]) ?? "";
      const row = Object.hasOwn(table, name) ? table[name]! : undefined;
      if (!row) throw usageError(`unknown option ${given} (--help lists them)`);
      if (row.value) {
        const value = more ? more.replace(/^=/, "") : rest.shift();
        if (value === undefined) throw usageError(`${given} takes ${row.value.takes}`);
        options.push(`--${name}=${value}`);
      } else {
        if (more?.startsWith("=")) throw usageError(`${given} takes no value`);
        if (more) rest.unshift(`-${more}`);
        options.push(`--${name}`);
      }
    }
  }
  return [...others, ...options];
}

function readValue<T>(name: string, text: string, value: Value<T>): T {
  const read = value.parse(text);
  if (read !== undefined) return read;
  const shown = value.secret ? "***" : `"${text}"`;
  throw usageError(`--${name} takes ${value.takes}${text && `, not ${shown}`}`);
}

/**
 * Parses a command line.
 *
 * @throws {TrioError} 2 if an option is unknown, or its value missing, wrong or too much.
 */
export async function parseOptions<const Table extends OptionTable>(
  args: readonly string[],
  table: Table,
): Promise<Parsed<Table>> {
  const { parseArgs } = await import("jsr:@std/cli@^1.0.0/parse-args");
  const names = Object.keys(table), valued = names.filter((name) => table[name]!.value);
  const parsed = parseArgs(spellOut(args, table), {
    string: [...valued, "_"],
    "--": true,
    collect: valued,
    boolean: names.filter((name) => !table[name]!.value),
  }) as Record<string, unknown> & { _: string[]; "--": string[] };
  const literal = parsed["--"];
  const result: Record<string, unknown> = {
    _: [...parsed._, ...literal],
    literal: literal.length,
    given: new Set(),
  };
  for (const name of names) {
    const { value, many, default: otherwise } = table[name]!, given = parsed[name];
    if (given === true || Array.isArray(given) && given.length > 0) {
      (result.given as Set<string>).add(name);
    }
    if (!value) result[name] = given;
    else {
      const values = (given as string[]).map((text) => readValue(name, text, value));
      result[name] = many ? values : values.at(-1) ?? otherwise;
    }
  }
  return result as Parsed<Table>;
}

/** The default of an option as the help shows it; none where that is the help's own matter. */
export function defaultOf({ default: value }: Readonly<Option<unknown>>): string {
  return value === undefined || value === Infinity ? "" : ` (${value})`;
}

/** The help: what it is for, then a line for each option, then what else there is to know. */
export function helpText(intro: string, table: OptionTable, outro: string): string {
  const rows = Object.entries(table).map(([name, { letter, value }]) =>
    `  ${letter ? `-${letter},` : "   "} --${name}${value ? ` ${value.name}` : ""}`
  );
  const column = Math.max(...rows.map((row) => row.length)) + 2;
  const lines = Object.values(table).flatMap((row, at) => [
    ...row.group ? [row.group] : [],
    `${rows[at]!.padEnd(column)}${row.help}${defaultOf(row)}`,
  ]);
  return [intro, ...lines, outro].join("\n");
}

/** That stdout does not take what it is given. */
export function cannotPrint(why: unknown): TrioError {
  return new TrioError(EXIT.write, `cannot write the output: ${systemReason(why)}`);
}

/**
 * Prints what is all that was asked for: the help, or the version. Gives the exit code.
 *
 * @throws {TrioError} 23 if it cannot be written.
 */
export async function printOnly(text: string): Promise<number> {
  await stdout.print(text).catch((error) => {
    throw cannotPrint(error);
  });
  return EXIT.ok;
}

// --- From an error to an exit code -------------------------------------------

/** What a script says when it failed. */
export interface Script {
  /** Its name, as messages begin: `fetch`. */
  name: string;
  /** What to do about an error, by its topic or its code. */
  advice: Readonly<Record<string, string>>;
  /**
   * The flags it needs, those of permissions without `--allow-`: `net=127.0.0.1:80`. `missing` is
   * the path that it was not granted, if it was a path.
   */
  needs: (missing?: string) => string[] | Promise<string[]>;
  /** The arguments, without secrets. */
  args: () => string[];
}

/**
 * The flag that grants access to files and folders, as {@linkcode Script.needs} has it; none if there
 * are none. A comma ends a path there, however it is written: what has one is granted by its folder.
 */
export function pathNeeds(kind: "read" | "write", paths: Iterable<string>): string[] {
  const granted = new Set(paths);
  for (const path of granted) {
    if (!path.includes(",")) continue;
    granted.delete(path);
    const [folder = "."] = path.match(/^.*(?=\/)/s) ?? [];
    granted.add(folder || "/"); // it comes up again, if it has a comma itself
  }
  return granted.size > 0 ? [`${kind}=${[...granted].join(",")}`] : [];
}

/**
 * The command that grants what the script needs, to be pasted in any folder: files stay as they
 * were named there, too.
 */
async function granting(script: Script, missing: string | undefined): Promise<string> {
  const flags = (await script.needs(missing))
    .map((need) => need.startsWith("unstable-") ? `--${need}` : `--allow-${need}`);
  const { mainModule } = Deno;
  const path = mainModule.startsWith("file:")
    ? decodeURIComponent(new URL(mainModule).pathname)
    : mainModule;
  const words = ["deno", "run", ...flags, path, ...script.args()];
  const quoted = (word: string) => "'" + word.replaceAll("'", "'\\''") + "'";
  return words.map((word) => /^[\w%+,./:=@-]+$/.test(word) ? word : quoted(word)).join(" ")
    .replaceAll("\n", "\\n");
}

/** The signals that ask a program to end, and the exit codes that shells give those they end. */
const STOP_SIGNALS = Deno.build.os === "windows"
  ? { SIGINT: EXIT.interrupted, SIGBREAK: EXIT.interrupted } as const
  : { SIGINT: EXIT.interrupted, SIGHUP: 129, SIGTERM: 143 } as const;

/** The most characters of an error's message: what a peer sent may be in it, and long. */
const MAX_MESSAGE = 1900;

/** The exit code for an error, and a sentence in one line with its advice. */
export async function explain(script: Script, error: unknown): Promise<[number, string]> {
  const text = error instanceof Error ? error.message : String(error);
  const message = text.slice(0, MAX_MESSAGE).replaceAll("\n", "\\n");
  if (error instanceof Deno.errors.NotCapable) {
    const access = message.match(/^Requires (.*), run again/s)?.[1] ?? message;
    const path = access.match(/^(?:read|write) access to "(.*)"$/s)?.[1];
    return [EXIT.permission, `${access} is not granted (run: ${await granting(script, path)})`];
  }
  if (!(error instanceof TrioError)) return [EXIT.unexpected, message];
  const advice = script.advice[error.topic ?? error.code];
  return [error.code, advice ? `${message} (${advice})` : message];
}

/** Says on stderr, in one line, what failed and what to do about it; returns the exit code. */
export async function report(script: Script, error: unknown): Promise<number> {
  const [code, message] = await explain(script, error);
  stderr.say(`${script.name}: ${message}`);
  return code;
}

/** Calls `stop` with its exit code for each signal that asks the process to end. */
export function onStopSignal(stop: (code: number) => void): void {
  for (const [signal, code] of Object.entries(STOP_SIGNALS)) {
    Deno.addSignalListener(signal as Deno.Signal, () => stop(code));
  }
}

/** A signal that aborts when the process is asked to end; asked again, it ends at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController(), { signal } = controller;
  onStopSignal((code) => {
    if (signal.aborted) Deno.exit(code);
    controller.abort(new TrioError(code, "interrupted"));
  });
  return signal;
}

/** Fails on a Deno before {@linkcode OLDEST_DENO}. */
function checkDeno() {
  const { deno } = Deno.version;
  const [a = [], b = []] = [deno, OLDEST_DENO].map((version) => version.split(/\D/).map(Number));
  const differs = b.findIndex((number, at) => number !== a[at]);
  if (differs >= 0 && a[differs]! < b[differs]!) {
    const message = `this is Deno ${deno}, and ${OLDEST_DENO} or later is needed (deno upgrade)`;
    throw new TrioError(EXIT.unexpected, message);
  }
}

/** Runs a script to its end: its exit code, or that of the error it throws, is the process's. */
export async function runScript(
  script: Script,
  main: (args: string[]) => Promise<number>,
): Promise<never> {
  const run = async () => (checkDeno(), await main(Deno.args));
  const code = await run().catch((error) => report(script, error));
  await stdout.flush();
  await stderr.flush();
  Deno.exit(code);
}
