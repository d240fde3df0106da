/**
 * Lists of checksums as `sha256sum` and `sha512sum` print them, and the sum of one file in them.
 *
 * @module
 */
import { EXIT, printable, readUntilEof, type Source, TrioError, usageError } from "../mod.ts";

/** What the bytes of a file have to give. */
export interface Checksum {
  /** The algorithm, by its name in Web Crypto. */
  algorithm: "SHA-256" | "SHA-512";
  /** 64 or 128 lower-case digits. */
  hex: string;
}

/** A line of a list. */
export interface ListedChecksum extends Checksum {
  /** The file's name or path, undefined for a sum alone. */
  name: string | undefined;
}

/** The digits of both algorithms; no other sum that is common has 128, or is published with 64. */
const ALGORITHMS: Record<number, Checksum["algorithm"] | undefined> = {
  64: "SHA-256",
  128: "SHA-512",
};

/** `HEX  name`, `HEX *name`, `HEX name`, `HEX`; a backslash first: the name has escapes. */
const LINE = /^(?<escaped>\\?)(?<hex>[\da-f]+)(?:(?: [ *](?! )|[ \t]+)(?<name>.+))?$/i;
/** `SHA256 (name) = HEX` of BSD and `--tag`, `SHA2-256(name)= HEX` of openssl. */
const TAGGED = /^(?<escaped>\\?)SHA(?:2-)?(?:256|512) ?\((?<name>.+)\) ?= ?(?<hex>[\da-f]+)$/i;

/** `a\\b\n` as `sha256sum` writes it → the name that it stands for. */
function unescape(name: string): string {
  return name.replace(
    /\\([\\nr])/g,
    (_, letter) => ({ n: "\n", r: "\r" })[letter as string] ?? "\\",
  );
}

/**
 * Reads a list; as `sha256sum --check` does, it passes over all lines that are none of these:
 *
 * | line                   | `HEX` is the sum of                                        |
 * |------------------------|------------------------------------------------------------|
 * | `HEX  big.iso`         | big.iso                                                    |
 * | `HEX *big.iso`         | the same (read in binary mode)                             |
 * | `\HEX  a\\b`           | a\b; such lines have `\\`, `\n` and `\r` for these letters |
 * | `SHA256 (big.iso) = HEX` | big.iso (BSD, `--tag`, openssl)                          |
 * | `HEX`, `HEX  -`        | a file that is not named                                   |
 *
 * 64 digits are SHA-256, 128 are SHA-512.
 *
 * @throws {TrioError} 90 if no line has a sum.
 */
export function parseChecksums(text: string): ListedChecksum[] {
  const list: ListedChecksum[] = [];
  for (const line of text.split("\n")) {
    // without a CR, and without the byte order mark, which trim takes for a space
    const trimmed = line.trim();
    const { hex = "", name, escaped } = (TAGGED.exec(trimmed) ?? LINE.exec(trimmed))?.groups ?? {};
    const algorithm = ALGORITHMS[hex.length];
    if (!algorithm) continue;
    const unescaped = escaped && name ? unescape(name) : name;
    list.push({
      algorithm,
      hex: hex.toLowerCase(),
      name: unescaped === "-" ? undefined : unescaped,
    });
  }
  if (list.length > 0) return list;
  throw new TrioError(EXIT.checksum, "no SHA-256 and no SHA-512 sum is in the list");
}

function withoutName({ algorithm, hex }: ListedChecksum): Checksum {
  return { algorithm, hex };
}

/** The segments of a path, of Windows too: `./a\b` → `a`, `b`. */
function segments(path: string): string[] {
  return path.split(/[/\\]/).filter((segment) => segment !== "" && segment !== ".");
}

/** How well a path of the list fits: 0 is not at all. */
function rank(listed: string[], asked: string[]): number {
  let same = 0;
  while (same < listed.length && listed.at(-1 - same) === asked.at(-1 - same)) same++;
  return same === 0 ? 0 : 2 * same + (same === listed.length ? 1 : 0);
}

/** Says which files a list has, at most three of them by name. */
function contents(list: readonly ListedChecksum[]): string {
  const names = [...new Set(list.map(({ name }) => printable(name ?? "one without name")))];
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return `it has ${names.slice(0, 3).map((name) => name.slice(-80)).join(", ")}${more}`;
}

/** The lines that fit a path best. */
function linesFor(list: readonly ListedChecksum[], path: string): ListedChecksum[] {
  const asked = segments(path);
  let best = 0, found: ListedChecksum[] = [];
  for (const line of list) {
    const fit = rank(segments(line.name ?? ""), asked);
    if (fit > best) found = [];
    best = Math.max(best, fit);
    if (fit > 0 && fit === best) found.push(line);
  }
  return found;
}

/**
 * The sum of a file in a list, SHA-512 if it has both. The line that fits best counts: the one
 * with most of the last segments of `path`, and no other ones before them if there is a choice.
 * A single line without name is the sum of any file.
 *
 * | path           | the names in the list      | counts        |
 * |----------------|----------------------------|---------------|
 * | `a.iso`        | `./a.iso`, `old/a.iso`     | `./a.iso`     |
 * | `pub/arm/a.iso` | `arm/a.iso`, `x86/a.iso`  | `arm/a.iso`   |
 * | `a.iso`        | `/home/me/a.iso`           | that          |
 * | `a.iso`        | `arm/a.iso`, `x86/a.iso`   | none: an error, if their sums differ |
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const list = parseChecksums(`${"0".repeat(64)}  a.iso\n${"1".repeat(64)} *b.iso\n`);
 * assertEquals(checksumFor(list, "pub/b.iso"), { algorithm: "SHA-256", hex: "1".repeat(64) });
 * ```
 *
 * @param paths The file's name, or its path, which tells files of one name apart; and under which
 * other names it may be in the list.
 * @throws {TrioError} 90 if no line is for it, or lines with different sums.
 */
export function checksumFor(
  list: readonly ListedChecksum[],
  ...paths: [path: string, ...others: string[]]
): Checksum {
  const [only] = list;
  if (list.length === 1 && only!.name === undefined) return withoutName(only!);
  const found = paths.map((path) => linesFor(list, path)).find((lines) => lines.length > 0) ?? [];
  const [first] = found, name = printable(segments(paths[0]).at(-1) ?? "");
  if (!first) {
    throw new TrioError(EXIT.checksum, `no sum for ${name} is in the list (${contents(list)})`);
  }
  for (const { algorithm, hex } of found) {
    if (found.some((other) => other.algorithm === algorithm && other.hex !== hex)) {
      throw new TrioError(EXIT.checksum, `different sums for ${name} are in the list`);
    }
  }
  return withoutName(found.find(({ algorithm }) => algorithm === "SHA-512") ?? first);
}

/**
 * Reads the SHA-256 that somebody typed: 64 hex digits.
 *
 * @throws {TrioError} 2 if it is none.
 */
export function parseSha256(text: string): Checksum {
  const hex = text.trim().toLowerCase();
  if (/^[\da-f]{64}$/.test(hex)) return { algorithm: "SHA-256", hex };
  const what = `${hex.length} ${/^[\da-f]*$/.test(hex) ? "digits" : "letters"}`;
  throw usageError(`a SHA-256 has 64 hex digits, not ${what}`);
}

/** Adds up the checksum of the bytes in their order. */
export class RunningSum {
  #hash: import("node:crypto").Hash | undefined;

  /** Expects this one. */
  constructor(readonly expected: Checksum) {}

  /** Starts anew, with the first `size` bytes of a source. */
  async start(source?: Source, size: number = 0): Promise<void> {
    const { createHash } = await import("node:crypto");
    this.#hash = createHash(this.expected.algorithm.replace("-", "").toLowerCase());
    if (!source || size === 0) return;
    let left = size;
    for await (const bytes of readUntilEof(source)) {
      this.#hash.update(bytes.subarray(0, left));
      left -= Math.min(left, bytes.length);
      if (left === 0) break;
    }
  }

  /** Adds the next bytes. */
  add(bytes: Uint8Array): void {
    this.#hash?.update(bytes);
  }

  /**
   * Checks the sum of all.
   *
   * @throws {TrioError} with code 90 if it is not the one expected.
   */
  check(): void {
    const { algorithm, hex } = this.expected, found = this.#hash!.digest("hex");
    if (found === hex) return;
    throw new TrioError(EXIT.checksum, `the ${algorithm} is ${found}, not ${hex}`);
  }
}
