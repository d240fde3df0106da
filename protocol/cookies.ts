/**
 * The cookies of one run (RFC 6265): what a server sets goes back to it, and nowhere else.
 *
 * @module
 */
import { trimmed } from "./head.ts";
import { parseHttpDate } from "./http_date.ts";

/** The most bytes of a field that sets a cookie, more than any of a cookie within the limits. */
const MAX_FIELD = 8192;
/** The most bytes of a cookie's name and value: what RFC 6265 section 6.1 asks for. */
const MAX_COOKIE = 4096;
/** The most bytes of a path. */
const MAX_PATH = 1024;
/** The most cookies of a host, as RFC 6265 section 6.1 asks for, and of all. */
const MAX_OF_HOST = 50, MAX_COOKIES = 1000;
/** The most bytes of the field Cookie: servers refuse larger heads. */
const MAX_HEADER = 8190;
/** Gives years of two digits the century of RFC 6265 section 5.1.1: 1970 to 2069. */
const CENTURY = new Date("2019-12-31T23:59:59Z");

/** A cookie and where it belongs. */
interface Cookie {
  name: string;
  value: string;
  host: string;
  path: string;
  secure: boolean;
  /** When it ends, in milliseconds. */
  expires: number;
}

/** Whether a character may be neither in a head nor in a cookie. */
function isControl(char: string): boolean {
  return char < " " && char !== "\t" || char === "\x7f";
}

/** Splits `name=value` and trims both; undefined where there is no `=`. */
function split(text: string): [name: string, value: string] | undefined {
  const at = text.indexOf("=");
  return at < 0 ? undefined : [trimmed(text.slice(0, at)), trimmed(text.slice(at + 1))];
}

/** The attributes of a cookie, names in lower case; the last of a name counts. */
function attributesOf(parts: string[]): Map<string, string> {
  return new Map(parts.map((part) => {
    const [name, value] = split(part) ?? [trimmed(part), ""];
    return [name.toLowerCase(), value];
  }));
}

/** When a cookie ends: Max-Age before Expires, and never if it has neither (section 5.3). */
function expiryOf(attributes: Map<string, string>, now: Date): number {
  const age = attributes.get("max-age") ?? "";
  if (/^-?\d+$/.test(age)) return now.getTime() + Number(age) * 1000;
  return parseHttpDate(attributes.get("expires") ?? "", CENTURY)?.getTime() ?? Infinity;
}

/** The path of a URL up to its last slash, without that (section 5.1.4). */
function defaultPath({ pathname }: URL): string {
  return pathname.slice(0, pathname.lastIndexOf("/")) || "/";
}

/** Whether a request's path is `path` or below it (section 5.1.4): `/a` has `/a` and `/a/b`. */
function isBelow(requested: string, path: string): boolean {
  return requested === path || requested.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** Whether the name's prefix allows it: `__Host-` and `__Secure-` promise how it was set. */
function keepsPromise(name: string, attributes: Map<string, string>): boolean {
  const lower = name.toLowerCase();
  const secure = attributes.has("secure");
  const ofHost = !attributes.has("domain") && attributes.get("path") === "/";
  if (lower.startsWith("__host-")) return secure && ofHost;
  return secure || !lower.startsWith("__secure-");
}

/** Reads one Set-Cookie field; undefined where it sets none (section 5.2). */
function parseCookie(url: URL, field: string, now: Date): Cookie | undefined {
  if (field.length > MAX_FIELD || [...field].some(isControl)) return undefined;
  const [pair = "", ...rest] = field.split(";");
  const [name, value] = split(pair) ?? [];
  if (!name || value === undefined || name.length + value.length > MAX_COOKIE) return undefined;
  const attributes = attributesOf(rest);
  const secure = attributes.has("secure");
  if (secure && url.protocol !== "https:" || !keepsPromise(name, attributes)) return undefined;
  const given = attributes.get("path") ?? "";
  const path = given.startsWith("/") && given.length <= MAX_PATH ? given : defaultPath(url);
  return { name, value, host: url.hostname, path, secure, expires: expiryOf(attributes, now) };
}

/**
 * The cookies for a request: those that servers set, and those that a user gave under other names.
 *
 *     "id=7; a=1" and "b=2; id=0" → "id=7; a=1; b=2"
 */
export function withCookies(set: string, given: string): string {
  const nameOf = (cookie: string) => cookie.split("=", 1)[0]!.trim();
  const names = new Set(set.split(";").map(nameOf));
  const others = given.split(";").filter((cookie) => !names.has(nameOf(cookie)));
  return [set, ...others.map((cookie) => cookie.trim())].join("; ");
}

/**
 * Keeps the cookies of one run in memory. Each goes back to the host that set it, on any port and
 * whatever its Domain says, and a `Secure` one over https only. 50 are kept for a host and 1,000
 * for all; the oldest make room.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const jar = new CookieJar(), now = new Date();
 * jar.set(new URL("https://example.com/login"), ["id=7; Path=/; Secure"], now);
 * assertEquals(jar.header(new URL("https://example.com/file"), now), "id=7");
 * assertEquals(jar.header(new URL("https://www.example.com/file"), now), undefined);
 * ```
 */
export class CookieJar {
  /** In the order in which they were first set. */
  #cookies: Cookie[] = [];

  /**
   * Takes the Set-Cookie fields of an answer from `url`, in their order. What is malformed, too
   * large or may not be set from there is passed over.
   *
   * @param fields Their values, one char a byte.
   */
  set(url: URL, fields: readonly string[], now: Date): void {
    for (const field of fields) {
      const cookie = parseCookie(url, field, now);
      if (cookie && !this.#isShielded(cookie, url)) this.#put(cookie);
      this.#cookies = this.#cookies.filter(({ expires }) => expires > now.getTime());
    }
  }

  /** Whether it would take the place of a secure one, and came where anybody can forge it. */
  #isShielded({ name, host, path }: Cookie, url: URL): boolean {
    return url.protocol !== "https:" &&
      this.#cookies.some((other) =>
        other.secure && other.name === name && other.host === host && isBelow(path, other.path)
      );
  }

  #put(cookie: Cookie): void {
    const { name, host, path } = cookie;
    const at = this.#cookies.findIndex((other) =>
      other.name === name && other.host === host && other.path === path
    );
    if (at >= 0) this.#cookies[at] = cookie;
    else this.#cookies.push(cookie);
    const ofHost = this.#cookies.filter((other) => other.host === host);
    const oldest = ofHost.length > MAX_OF_HOST ? ofHost[0] : this.#cookies[0];
    if (ofHost.length > MAX_OF_HOST || this.#cookies.length > MAX_COOKIES) {
      this.#cookies = this.#cookies.filter((other) => other !== oldest);
    }
  }

  /**
   * The value of the field Cookie for a request, undefined if there is none: longer paths first,
   * then older cookies (section 5.4), as many as servers take.
   *
   * @returns One char a byte, without control characters.
   */
  header(url: URL, now: Date): string | undefined {
    const secure = url.protocol === "https:";
    const sent = this.#cookies.filter((cookie) =>
      cookie.host === url.hostname && isBelow(url.pathname, cookie.path) &&
      (secure || !cookie.secure) && cookie.expires > now.getTime()
    );
    let header = "";
    for (const { name, value } of sent.sort((a, b) => b.path.length - a.path.length)) {
      const longer = `${header}${header && "; "}${name}=${value}`;
      if (longer.length <= MAX_HEADER) header = longer;
    }
    return header || undefined;
  }
}
