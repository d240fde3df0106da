/**
 * Credentials by host in the form of a netrc file, as curl reads it. But a password may begin with
 * `#`, the default entry may stand before others, and what curl passes over is an error.
 *
 * @module
 */
import { EXIT, TrioError, unbracketed } from "../mod.ts";

/** The credentials of a host. */
export interface NetrcEntry {
  /** The host, undefined for all that have no entry of their own. */
  machine: string | undefined;
  /** The user's name, if there is one. */
  login?: string;
  /** The password, if there is one. */
  password?: string;
}

/** What letters behind a backslash stand for in quotes; all others are themselves. */
const ESCAPES: Record<string, string | undefined> = { n: "\n", r: "\r", t: "\t" };

/** The words of a file, one by one. */
class Words {
  #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replace(/^\ufeff/, "");
  }

  /** An error where it stands; it shows none of the text, which may be a password. */
  error(what: string): TrioError {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    return new TrioError(EXIT.usage, `line ${line} of the netrc file: ${what}`);
  }

  /** Takes what the pattern finds here, perhaps nothing. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [taken = ""] = pattern.exec(this.#text) ?? [];
    this.#at += taken.length;
    return taken;
  }

  /** The next keyword, undefined at the end; `#` begins a comment. */
  keyword(): string | undefined {
    this.#take(/(?:[ \t\r\n]|#[^\n]*)*/y);
    return this.#take(/[^ \t\r\n]+/y) || undefined;
  }

  /** The next value: a word, or a string in quotes; a password may begin with `#`. */
  value(keyword: string): string {
    this.#take(/[ \t\r\n]+/y);
    if (this.#text[this.#at] !== '"') {
      const word = this.#take(/[^ \t\r\n]+/y);
      if (word) return word;
      throw this.error(`nothing behind ${keyword}`);
    }
    const quoted = this.#take(/"(?:[^"\\\n]|\\[^\n])*"/y);
    if (!quoted) throw this.error("a quote that is not closed on its line");
    if (this.#take(/[^ \t\r\n]/y)) throw this.error("a quote that is closed within a word");
    return quoted.slice(1, -1).replace(/\\([^\n])/g, (_, letter) => ESCAPES[letter] ?? letter);
  }

  /** Passes over a macro: it ends with an empty line. */
  skipMacro() {
    this.#take(/[^\n]*(?:\n[ \t\r]*[^ \t\r\n][^\n]*)*/y);
  }
}

/**
 * Reads a netrc file. White space separates its words; `#` begins a comment where a keyword may
 * stand. A value in quotes may have spaces, with `\"`, `\\`, `\n`, `\r` and `\t` as for curl.
 * Accounts and macros are passed over.
 *
 *     machine example.com login me password "with spaces"
 *     default login anonymous password me@example.com
 *
 * @throws {TrioError} 2 with the number of the line that is malformed.
 */
export function parseNetrc(text: string): NetrcEntry[] {
  const entries: NetrcEntry[] = [], words = new Words(text);
  for (let keyword; (keyword = words.keyword()) !== undefined;) {
    const entry = entries.at(-1);
    switch (keyword) {
      case "machine":
        entries.push({ machine: words.value(keyword).toLowerCase() });
        break;
      case "default":
        entries.push({ machine: undefined });
        break;
      case "macdef":
        words.skipMacro();
        break;
      case "account":
        words.value(keyword);
        break;
      case "login":
      case "password":
        if (!entry) throw words.error(`${keyword} before any machine`);
        entry[keyword] = words.value(keyword);
        break;
      default:
        throw words.error("no keyword, where one should be (a value with spaces needs quotes)");
    }
  }
  return entries;
}

/**
 * The credentials for a host: of its first entry, or else of the default one; undefined if there
 * are none. If `login` is given, only an entry with that is taken.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const entries = parseNetrc("machine example.com login me password secret");
 * assertEquals(credentialsFor(entries, "example.com"), { login: "me", password: "secret" });
 * assertEquals(credentialsFor(entries, "www.example.com"), undefined);
 * ```
 *
 * @param host The host's name or address, an IPv6 one with or without brackets.
 */
export function credentialsFor(
  entries: readonly NetrcEntry[],
  host: string,
  login?: string,
): { login: string; password: string | undefined } | undefined {
  const name = unbracketed(host).toLowerCase();
  const own = entries.filter(({ machine }) => machine === name);
  const others = entries.filter(({ machine }) => machine === undefined);
  const entry = [...own, ...others].find((entry) => login === undefined || entry.login === login);
  if (entry?.login === undefined && entry?.password === undefined) return undefined;
  return { login: entry.login ?? "", password: entry.password };
}
