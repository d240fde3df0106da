/**
 * The command line as it was parsed before mod.ts had tables of options: goes away with its last user.
 *
 * @module
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { EXIT, printable, TrioError } from "./mod.ts";
export { EXIT, printable, readAll, readUntilEof, TrioError, VERSION, writeAll } from "./mod.ts";

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
