/**
 * What the three scripts share: reading until EOF, writing all, printable
 * text, the command line, and the one way from an error to an exit code.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";

/** The version of this package, as `--version` prints it. */
export const VERSION = "0.1.0";

/** Exit codes: curl's numbers where curl has one; the README has the table. */
// deno-fmt-ignore
export const EXIT = {
  ok: 0, unexpected: 1, usage: 2, url: 3, proxyLookup: 5, lookup: 6, connect: 7,
  reply: 8, partial: 18, status: 22, write: 23, timeout: 28, resume: 33, tls: 35,
  redirect: 47, empty: 52, broken: 56, certificate: 60, encoding: 61, size: 63,
  permission: 77, checksum: 90, interrupted: 130,
} as const;

/** An error that is a sentence for a person and an exit code for a program. */
export class TrioError extends Error {
  /** Makes an error of the kind `code`, one of {@linkcode EXIT}. */
  constructor(readonly code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TrioError";
  }
}

/** Yields what `source` gives until EOF, chunk by chunk. */
export async function* readUntilEof(
  source: Pick<Deno.Conn, "read">,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(64 * 1024);
  for (let n; (n = await source.read(buffer)) !== null;) yield buffer.slice(0, n);
}

/**
 * Collects what `source` gives until EOF.
 *
 * @throws {RangeError} if that is more than `limit` bytes.
 */
export async function readAll(
  source: Pick<Deno.Conn, "read">,
  limit: number,
): Promise<Uint8Array> {
  // not at the top, where they would cost each start 2 ms
  const { toBytes } = await import("@std/streams/to-bytes");
  const limited = await import("@std/streams/limited-bytes-transform-stream");
  const most = new limited.LimitedBytesTransformStream(limit, { error: true });
  return await toBytes(ReadableStream.from(readUntilEof(source)).pipeThrough(most));
}

/** Writes all of `bytes`: one write of a socket may take only some of them. */
export async function writeAll(sink: Pick<Deno.Conn, "write">, bytes: Uint8Array): Promise<void> {
  for (let n = 0; n < bytes.length;) n += await sink.write(bytes.subarray(n));
}

/** Shows control characters but newline and tab as `\x1b`: no terminal obeys. */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\n\t]/gu,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/**
 * Parses a command line: `takes` says what each option with a value takes,
 * `flags` are those without, `letters` the short names. Each option with a
 * value gives all it was given; `_` has the arguments that are no options.
 *
 * `parseArgs` alone passes unknown options, loses a value that starts with
 * `-` and takes `true` after a flag as its value: so options are checked and
 * spelled out as `--name=value` first, and the other arguments kept apart.
 *
 * @throws {TrioError} 2 if an option is unknown, or its value missing or extra.
 */
export function parseOptions<Value extends string, Flag extends string>(
  args: readonly string[],
  takes: Readonly<Record<Value, string>>,
  flags: readonly Flag[],
  letters: Readonly<Record<string, NoInfer<Value | Flag>>>,
): Record<Value, string[]> & Record<Flag, boolean> & { _: string[] } {
  const usage = (text: string) => new TrioError(EXIT.usage, text);
  const options: string[] = [], others: string[] = [], rest = [...args];
  for (let arg; (arg = rest.shift()) !== undefined;) {
    const [, given, more] = arg.match(/^(--[^=]*|-[^-])(.*)$/su) ?? [];
    if (arg === "--") others.push(...rest.splice(0));
    else if (given === undefined) others.push(arg);
    else {
      const name = letters[given.slice(1)] ?? given.slice(2);
      if (Object.hasOwn(takes, name)) {
        const value = more ? more.replace(/^=/, "") : rest.shift();
        if (!value) throw usage(`${given} takes ${takes[name as Value]}`);
        options.push(`--${name}=${value}`);
      } else if (flags.includes(name as Flag)) {
        if (more?.startsWith("=")) throw usage(`${given} takes no value`);
        if (more) rest.unshift(`-${more}`);
        options.push(`--${name}`);
      } else throw usage(`unknown option ${given} (--help lists them)`);
    }
  }
  const names = Object.keys(takes), boolean: readonly string[] = flags;
  const string = [...names, "_"];
  const parsed: unknown = parseArgs([...options, "--", ...others], {
    string,
    collect: names,
    boolean,
  });
  return parsed as ReturnType<typeof parseOptions<Value, Flag>>;
}

/**
 * Reads `text`, the value of `--name`, as a number from `min` to `max`.
 *
 * @throws {TrioError} 2 if it is none.
 */
export function parseNumber(
  name: string,
  text: string,
  min: number,
  max: number,
  whole: boolean = true,
): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max && (!whole || value % 1 === 0)) return value;
  const what = `a ${whole ? "whole " : ""}number from ${min} to ${max}`;
  throw new TrioError(EXIT.usage, `--${name} takes ${what}, not "${text}"`);
}

/**
 * Says on stderr, in one printable line, what failed; returns the exit code.
 * For a missing permission, `command` gives what `deno run` needs to grant it.
 */
export function report(script: string, error: unknown, command: () => string[]): number {
  let message = error instanceof Error ? error.message : String(error);
  let code = error instanceof TrioError ? error.code : EXIT.unexpected;
  if (error instanceof Deno.errors.NotCapable) {
    const access = message.match(/^Requires (.*), run again/s)?.[1] ?? message;
    const words = command().map((word) =>
      /^[\w%+,./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
    );
    message = `${access} is not granted (run: deno run ${words.join(" ")})`;
    code = EXIT.permission;
  }
  // what a peer sent may be part of it, and long
  console.error(printable(`${script}: ${message}`).replaceAll("\n", "\\n").slice(0, 2000));
  return code;
}
