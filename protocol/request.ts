/**
 * The request of HTTP/1.1: URLs and what may be shown of them, the lines of a request, where a
 * redirect leads and what goes along.
 *
 * @module
 */
import { EXIT, printable, TrioError, usageError, VERSION } from "../mod.ts";
import { withCookies } from "./cookies.ts";
import { byteString, type Head, valueOf } from "./head.ts";

// --- URLs --------------------------------------------------------------------

/**
 * What URL would change without a word: it drops tabs, and takes `\\` in a path for `/`.
 *
 *     "http:\\a.example\\b\\c" → "http:\\a.example\\b%5Cc"
 */
function escapeOdd(text: string): string {
  const [, start = "", path = "", rest = ""] =
    /^((?:[a-z][a-z\d+.-]*:[/\\]*[^/\\?#]*)?[/\\]?)([^?#]*)(.*)$/is.exec(text) ?? [];
  return (start + path.replaceAll("\\", "%5C") + rest).replaceAll("\t", "%09");
}

/** An absolute URL of http or https that keeps its query as it was written. */
export class HttpUrl extends URL {
  #query: string;

  /** Parses `text`; see {@linkcode parseUrl} for what people type. */
  constructor(text: string, base?: URL) {
    text = escapeOdd(text);
    super(text, base);
    // of a special scheme, URL writes ' as %27: signatures cover what the user wrote
    const [, query = ""] = /^[^?#]*(\?[^#]*)/.exec(text) ?? [];
    const { search } = new URL(`raw:${query}`);
    this.#query = search.replaceAll("'", "%27") === this.search ? search : this.search;
  }

  /** What a request line asks for: the path and the query. */
  get target(): string {
    return this.pathname + this.#query;
  }
}

/** What could end a line of the request must not enter it (CWE-93). */
function refuseControls(what: string, text: string) {
  if (/[\r\n\0]/.test(text)) throw usageError(`CR, LF or NUL in ${what}`);
}

/** `a.example` → `http://a.example`; what has a scheme stays. */
export function withScheme(text: string): string {
  return /^[a-z][a-z\d+.-]*:[/\\]/i.test(text) ? text : `http://${text}`;
}

/** How a URL begins, however it is written, before its userinfo. */
const START = String.raw`((?:\bhttps?:|\bsocks5h?:)[/\\]*|[/\\]{2})`;
/** Userinfo: what stands behind a colon and is no port is a password, even with a / in it. */
const USERINFO = String.raw`(?:[^\n/\\?#]*|[^\s/\\?#:[]*:(?!\d*(?:[/\\?#\s]|$))\S*)`;
const SECRETS = new RegExp(`${START}${USERINFO}@`, "gi");

/** A text in which the userinfo of URLs, however they are written, is `***`. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRETS, "$1***@");
}

/** What a peer sent, for people: UTF-8 where it is, printable, no userinfo. */
export function shown(text: string): string {
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  let decoded = text;
  try {
    decoded = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // not UTF-8: one char a byte it stays
  }
  return printable(withoutSecrets(decoded));
}

function whyMalformed(full: string): string {
  const [, authority = ""] = /^[^:]*:[/\\]*(?:[^/\\?#]*@)?([^/\\?#]*)/.exec(full) ?? [];
  const port = /:([^:\]]*)$/.exec(authority)?.[1];
  if (authority === "" || authority === `:${port}`) return ": there is no host";
  if (/^[\da-f]*:[\da-f]*:/i.test(authority)) return ": an IPv6 address has brackets, as [::1]";
  if (/^\[.*%/.test(authority)) return ": an IPv6 address has no zone here";
  if (Number(port) > 65535) return `: no port is ${port}`;
  if (!port || /^\d+$/.test(port)) return ": the host is neither name nor address";
  // it may be the beginning of a password
  if (full.includes("@")) return ": / ? and # before an @ are written %2F, %3F and %23";
  return `: the port "${port}" is no number`;
}

function parseWithScheme(text: string, schemes: string[]): HttpUrl {
  refuseControls("the URL", text);
  if (text.trim() === "") throw new TrioError(EXIT.url, "the URL is empty");
  const full = withScheme(text);
  const shown = `"${full.replace(/[/\\].*@/s, "//***@")}"`;
  if (!URL.canParse(full)) {
    throw new TrioError(EXIT.url, `malformed URL ${shown}${whyMalformed(full)}`);
  }
  const url = new HttpUrl(full);
  if (schemes.includes(url.protocol)) return url;
  const names = schemes.map((scheme) => scheme.slice(0, -1));
  const known = `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  throw new TrioError(EXIT.unexpected, `unsupported scheme in ${shown} (only ${known})`);
}

/**
 * Parses what a user gave as URL; without scheme it is http.
 *
 *     "a.example"              → http://a.example/
 *     "HTTPS://a.example?b='c'" → https://a.example/?b='c'
 *     "ftp://a.example"        → error 1
 *     "http://a.example:99999" → error 3
 *
 * @throws {TrioError} with code 2 for control characters, 3 if it is malformed, 1 if its scheme is
 * neither http nor https.
 */
export function parseUrl(text: string): HttpUrl {
  return parseWithScheme(text, ["http:", "https:"]);
}

/** Parses the URL of a proxy; without scheme it is http. Errors as {@linkcode parseUrl}. */
export function parseProxy(text: string): HttpUrl {
  return parseWithScheme(text, ["http:", "socks5:", "socks5h:"]);
}

/** The port of a URL, also where it is its scheme's own. */
export function portOf(url: URL): number {
  return Number(url.port || ({ "https:": 443, "http:": 80 }[url.protocol] ?? 1080));
}

/** The `USER:PASS` in a URL, percent-decoded. */
export function userinfo(url: URL): string | undefined {
  if (!url.username && !url.password) return undefined;
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return `${decode(url.username)}:${decode(url.password)}`;
}

/** The URL without userinfo, for people. */
export function withoutUser(url: URL): string {
  if (!url.username && !url.password) return url.href;
  const copy = new URL(url);
  copy.username = copy.password = "";
  return copy.href;
}

// --- Requests ----------------------------------------------------------------

/** The User-Agent if none is given. */
export const USER_AGENT = `tcp-trio/${VERSION}`;

/** What the lines of a request are made of. */
export interface RequestHead {
  /** The method: GET if not given. */
  method?: string | undefined;
  /** Header lines: `Name: value` sets, `Name:` removes, `Name;` sends none. */
  headers?: readonly string[];
  /** `USER:PASS` for Basic authentication. */
  user?: string | undefined;
  /** The User-Agent. */
  userAgent?: string | undefined;
  /** Asks for these bytes only, like `0-99`. */
  range?: string | undefined;
  /** The validator that makes `range` count: an ETag or an HTTP date. */
  ifRange?: string | undefined;
  /** Asks for a coded body. */
  compressed?: boolean;
  /** The value of Cookie, one char a byte. */
  cookie?: string | undefined;
  /** Whether a tunnel leads to the server: what is for the proxy is not for it. */
  tunnelled?: boolean;
}

/** The codings that are asked for with `compressed`. */
export const CONTENT_CODINGS = ["gzip", "x-gzip", "deflate", "br", "zstd"];

function basic(user: string): string {
  return `Basic ${btoa(byteString(new TextEncoder().encode(user)))}`;
}

function proxyAuthorization(proxy: URL): string | undefined {
  const user = userinfo(proxy);
  return user === undefined ? undefined : basic(user);
}

/**
 * Parses a header line that a user gave; without value nothing is sent.
 *
 *     "A: b" → A, "b"      "A:" → A, undefined      "A;" → A, ""
 */
function parseHeaderLine(line: string): { name: string; value: string | undefined } {
  refuseControls("a header", line);
  const [, name, mark, value = ""] = /^([\w!#$%&'*+.^`|~-]+)([:;])\s*(.*?)\s*$/.exec(line) ?? [];
  if (name === undefined || (mark === ";" && value)) {
    throw usageError('a header is "Name: value", "Name:" or "Name;"');
  }
  return { name, value: mark === ":" && value === "" ? undefined : value };
}

/** What a user gave, as UTF-8, one char a byte. */
function encoded(text: string): string {
  return byteString(new TextEncoder().encode(text));
}

/** Our own fields, but those that a user's lines replace, and the user's; one char a byte. */
function withHeaders(
  first: string,
  own: [name: string, value: string | undefined][],
  headers: readonly string[],
): string[] {
  const added = headers.map(parseHeaderLine);
  const replaced = new Set(added.map(({ name }) => name.toLowerCase()));
  const lines = [
    first,
    ...own.filter(([name, value]) => value !== undefined && !replaced.has(name.toLowerCase()))
      .map(([name, value]) => `${name}: ${value}`),
    ...added.flatMap(({ name, value }) =>
      value === undefined ? [] : [`${name}: ${encoded(value)}`.trimEnd()]
    ),
  ];
  for (const line of lines) refuseControls("a header", line);
  return lines;
}

/** The value of a header that a user's lines set, if they do. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  return headers.map(parseHeaderLine).find((field) => field.name.toLowerCase() === name)?.value;
}

/**
 * The lines of a request (RFC 9112 section 3, RFC 9110 section 7.2); a `proxy` is asked in the
 * absolute form.
 *
 * @throws {TrioError} with code 2 if a header line is none.
 */
export function requestLines(url: HttpUrl, head: RequestHead, proxy?: URL): string[] {
  const { method = "GET", user, range, ifRange, cookie, userAgent = USER_AGENT } = head;
  const target = proxy ? url.origin + url.target : url.target;
  const given = headerOf(head.headers ?? [], "cookie");
  const cookies = cookie && given ? withCookies(cookie, encoded(given)) : undefined;
  const own: [name: string, value: string | undefined][] = [
    ["Host", url.host],
    ["User-Agent", encoded(userAgent)],
    ["Accept", "*/*"],
    ["Connection", "close"],
    ["Proxy-Authorization", proxy && proxyAuthorization(proxy)],
    ["Authorization", user === undefined ? undefined : basic(user)],
    ["Cookie", cookies ?? cookie],
    ["Range", range && `bytes=${range}`],
    ["If-Range", range && ifRange],
    ["Accept-Encoding", head.compressed && !range ? "gzip, deflate, br, zstd" : undefined],
  ];
  const headers = (head.headers ?? [])
    .filter((line) => !head.tunnelled || !/^proxy-authorization[:;]/i.test(line))
    .filter((line) => !cookies || !/^cookie:/i.test(line));
  return withHeaders(`${method} ${target} HTTP/1.1`, own, headers);
}

/** The bytes of a request's head. */
export function requestBytes(lines: readonly string[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(`${lines.join("\r\n")}\r\n\r\n`, (char) => char.charCodeAt(0));
}

/** The lines that ask a proxy for a tunnel to `authority` (RFC 9110 section 9.3.6). */
export function connectLines(authority: string, head: RequestHead, proxy: URL): string[] {
  const own: [string, string | undefined][] = [
    ["Host", authority],
    ["User-Agent", encoded(head.userAgent ?? USER_AGENT)],
    ["Proxy-Authorization", proxyAuthorization(proxy)],
  ];
  const concerned = (head.headers ?? []).filter((line) =>
    /^(user-agent|proxy-authorization)[:;]/i.test(line)
  );
  return withHeaders(`CONNECT ${authority} HTTP/1.1`, own, concerned);
}

/** Header fields as lines like `Name: value`, as an object, or as `Headers`. */
export type HeaderInput = readonly string[] | Readonly<Record<string, string>> | Headers;

/**
 * The lines of header fields, in whatever form they were given.
 *
 *     { A: "b", C: "" } → ["A: b", "C;"]
 *
 * @throws {TrioError} with code 2 if they are in none.
 */
export function headerLines(headers: HeaderInput = []): readonly string[] {
  const isText = (value: unknown) => typeof value === "string";
  if (Array.isArray(headers) && headers.every(isText)) return headers; // Headers takes 1.5 ms to load
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers);
  if (
    typeof headers !== "object" || Array.isArray(headers) ||
    !entries.every(([, value]) => isText(value))
  ) {
    throw usageError("headers are lines like `Name: value`, an object of texts, or Headers");
  }
  return entries.map(([name, value]) => value === "" ? `${name};` : `${name}: ${value}`);
}

/** Header fields whose values are secrets. */
export const SECRET_HEADER = /^[\w-]*(?:authorization|cookie|token|secret|key|password):(?=.)/i;

/** A request line for people, without secrets. */
export function maskedLine(line: string): string {
  return shown(SECRET_HEADER.test(line) ? line.replace(/:.*/s, ": ***") : line);
}

// --- Redirects ---------------------------------------------------------------

function refused(why: string): TrioError {
  return new TrioError(EXIT.redirect, `redirect refused: ${why}`);
}

/**
 * Where a redirect leads, if the head is one (RFC 9110 section 10.2.2); the fragment is kept.
 *
 * @throws {TrioError} with code 3 if that is malformed, 47 if it is neither http nor https, or
 * http from https.
 */
export function redirectTarget(from: HttpUrl, head: Head): HttpUrl | undefined {
  const location = valueOf(head, "location");
  if (![301, 302, 303, 307, 308].includes(head.status) || !location) return undefined;
  // bytes that are no ASCII go on as they came, as curl and browsers do
  const text = location.replace(
    /[\x80-\xff]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  if (!URL.canParse(text, from)) {
    throw new TrioError(EXIT.url, `redirect to a malformed URL: ${shown(text)}`);
  }
  const to = new HttpUrl(text, from);
  if (!/^https?:$/.test(to.protocol)) throw refused(`to ${shown(to.href)}`);
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw refused(`from https back to ${withoutUser(to)}`);
  }
  if (!to.hash) to.hash = from.hash;
  return to;
}

/** What another origin is sent of a user's header lines: what is no secret. */
export function withoutSecretHeaders(headers: readonly string[]): string[] {
  return headers.filter((line) => /^(range|accept|user-agent)[:;]/i.test(line));
}

/** A redirect that was followed. */
export interface Redirect {
  /** Its status code. */
  status: number;
  /** Where it came from. */
  from: string;
  /** Where it led. */
  to: string;
}

/** The error of a redirect that is one too many, which says why it may be. */
export function tooManyRedirects(limit: number, redirects: Redirect[], head: Head): TrioError {
  const seen = redirects.some(({ from }) => from === redirects.at(-1)?.to);
  const loop = seen && valueOf(head, "set-cookie") !== undefined
    ? "; they go in a circle, and the server sets a cookie each time: it may want one that it " +
      "does not get back"
    : "";
  const text = `more than ${limit} redirects${loop}`;
  return new TrioError(EXIT.redirect, text, { topic: "redirects" });
}
