/**
 * An HTTP/1.1 downloader over `Deno.connect` and `Deno.startTls`.
 *
 * ```sh
 * deno run --allow-net --allow-write fetch.ts                 # the tutorial's page
 * deno task fetch -C -o big.iso https://example.com/big.iso   # go on where it broke
 * ```
 *
 * As a library, {@linkcode request} gives the response to one URL and
 * {@linkcode download} saves it to a file. {@linkcode ResponseReader} is the
 * protocol alone: bytes in, bytes out, no I/O.
 *
 * Not supported: HTTP/0.9, HTTP/2, upgrades, request bodies, cookies, SOCKS.
 *
 * @module
 */
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

/** How {@linkcode request} asks, and how long it waits. Times are seconds. */
export interface RequestOptions {
  /** The method: GET if not given. */
  method?: "GET" | "HEAD";
  /** Header lines: `Name: value` sets, `Name:` removes, `Name;` sends none. */
  headers?: readonly string[];
  /** `USER:PASS` for Basic authentication; goes before userinfo in the URL. */
  user?: string | undefined;
  /** The User-Agent: `tcp-trio/VERSION` if not given. */
  userAgent?: string | undefined;
  /** URL of the HTTP proxy, or one for each scheme. */
  proxy?: string | { http?: string; https?: string } | undefined;
  /** Hosts that are reached without proxy, see {@linkcode bypassesProxy}. */
  noProxy?: string | undefined;
  /** Certificates in PEM form that are trusted beside the usual ones. */
  caCerts?: string[];
  /** Asks for gzip, deflate or br, and decodes what comes. */
  compressed?: boolean;
  /** The limit from name lookup to the end of the TLS handshake (30). */
  connectTimeout?: number;
  /** The limit for the whole head, and between two reads of the body (60). */
  stallTimeout?: number;
  /** The limit for everything (none). */
  maxTime?: number | undefined;
  /** How many redirects are followed (20); with 0 the first is an error. */
  maxRedirects?: number;
  /** Whether redirects are followed (true). */
  follow?: boolean;
  /** Asks for the bytes from here on only. */
  offset?: number;
  /** The validator that makes `offset` count: an ETag or an HTTP date. */
  ifRange?: string | undefined;
  /** Measures the name lookup too, by a lookup of its own. */
  timing?: boolean;
  /** Ends it at any moment, with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Is told each `host:port` before it is connected to. */
  onConnect?: ((address: string) => void) | undefined;
  /** Is told the dialogue in curl's `>`, `<` and `*` lines, secrets masked. */
  onDialogue?: ((line: string) => void) | undefined;
}

/** Where the time of one exchange went, in milliseconds. */
export interface Timing {
  /** The URL asked. */
  url: string;
  /** The name lookup; `null` if not measured, then it counts to `tcp`. */
  lookup: number | null;
  /** The TCP connection. */
  tcp: number;
  /** The TLS handshake, and a proxy's CONNECT before it. */
  tls: number;
  /** From the request to the first byte of the final head. */
  wait: number;
  /** From there to the end of the body. */
  transfer: number;
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

/** What {@linkcode download} does beside asking. */
export interface DownloadOptions extends RequestOptions {
  /** The file; `-` is stdout. Else {@linkcode fileName} of the URL. */
  output?: string | undefined;
  /** Goes on where a partial file ends. */
  resume?: boolean;
  /** Replaces a file that is there (true). */
  clobber?: boolean;
  /** The most bytes that are written. */
  maxFilesize?: number | undefined;
  /** How often what may pass is tried again (3). */
  retry?: number;
  /** The SHA-256 of the file, in hex; it is checked before FILE is replaced. */
  sha256?: string | undefined;
  /** Whether status 400 or more is an error (true). */
  fail?: boolean;
  /** Gives the file the time of Last-Modified. */
  remoteTime?: boolean;
  /** Is told the response once its final head is there. */
  onHead?: ((response: HttpResponse) => void) | undefined;
  /** Is told what failed and how many seconds pass until the next try. */
  onRetry?: ((error: TrioError, seconds: number) => void) | undefined;
  /** Is kept up to date: bytes in the file, and of how many if known. */
  progress?: Progress;
}

/** How far a download is, in bytes. */
export interface Progress {
  /** The file's size so far. */
  bytes: number;
  /** What the file had before. */
  resumed: number;
  /** The file's size in the end, if known. */
  total?: number | undefined;
}

/** What {@linkcode download} did. */
export interface Download {
  /** The response whose body completed the file. */
  response: HttpResponse;
  /** The file, or `-` for stdout. */
  file: string;
  /** The file's size in bytes. */
  bytes: number;
  /** Its SHA-256 in hex, when that was asked for. */
  sha256: string | undefined;
  /** How many tries it took. */
  attempts: number;
  /** How long it took, in seconds. */
  seconds: number;
}

/** A failure that may pass: trying again may help. */
export class PassingError extends TrioError {
  /** Makes such an error; `retryAfter` seconds are what the server asked for. */
  constructor(code: number, message: string, options?: ErrorOptions, readonly retryAfter?: number) {
    super(code, message, options);
  }
}

// --- The protocol: bytes in, bytes out -------------------------------------

/** The most bytes of all heads of one response: curl's limit. */
const HEAD_LIMIT = 300 * 1024;
/** The most fields of a head, more than any server sends: curl's limit. */
const FIELD_LIMIT = 5000;
/** The most interim responses before the final one. */
const INTERIM_LIMIT = 20;
/** The most bytes of a chunk's line, or of all trailers. */
const CHUNK_LINE_LIMIT = 16 * 1024;
/** The most codings of a body: each costs memory and time. */
const CODING_LIMIT = 5;

const LF = 10;
const CR = 13;

/** A response head (RFC 9112 sections 4 and 5); text is one char a byte. */
export interface Head {
  /** The minor version: 0 or 1. */
  minor: number;
  /** The status code, 100 to 999. */
  status: number;
  /** The reason phrase, perhaps empty. */
  statusText: string;
  /** The fields in their order, names as they came. */
  fields: [name: string, value: string][];
  /** The lines as they came, without the empty one. */
  lines: string[];
}

function malformed(what: string): TrioError {
  return new TrioError(EXIT.reply, `the reply is not valid HTTP: ${what.slice(0, 80)}`);
}

/** Without spaces and tabs at both ends; `trim` would take bytes of UTF-8 too. */
function trimmed(text: string): string {
  let start = 0, end = text.length;
  while (start < end && " \t".includes(text[start]!)) start++;
  while (end > start && " \t".includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/**
 * Parses a complete head, as curl does: status-line = HTTP-version SP
 * status-code SP [reason-phrase], the lines end with LF, folded lines are
 * joined (RFC 9112 sections 2.2, 4 and 5.2).
 *
 * @throws {TrioError} with code 8 if it is malformed.
 */
export function parseHead(text: string): Head {
  if (text.includes("\0")) throw malformed("NUL in the head");
  const lines = text.split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  const [first = ""] = lines;
  const status = /^HTTP\/1\.([01])[ \t]+([1-9]\d\d)(?!\d)(.*)$/s.exec(first);
  if (!status) throw malformed(first);
  if (lines.length > FIELD_LIMIT) throw malformed("too many header fields");
  const fields: Head["fields"] = [];
  for (const line of lines.slice(1)) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line)) {
      if (!last) throw malformed("a folded line before any field");
      last[1] = trimmed(`${last[1]} ${trimmed(line)}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon < 0) throw malformed(`no colon in "${line}"`);
    const name = line.slice(0, colon);
    if (/^(content-length|transfer-encoding)[ \t]+$/i.test(name)) {
      throw malformed(`space before the colon of ${name.trim()}`);
    }
    fields.push([name, trimmed(line.slice(colon + 1).replaceAll("\r", " "))]);
  }
  return {
    minor: Number(status[1]),
    status: Number(status[2]),
    statusText: trimmed(status[3]!),
    fields,
    lines,
  };
}

/** The codings in the fields called `name`; servers also say that there are none. */
function codingsIn(head: Head, name: string): string[] {
  const members = values(head, name).join(",").toLowerCase().split(",").map(trimmed);
  return members.filter((coding) => !["", "identity", "none"].includes(coding));
}

function values(head: Head, name: string): string[] {
  return head.fields
    .filter(([field]) => field.toLowerCase() === name)
    .map(([, value]) => value);
}

function valueOf(head: Head, name: string): string | undefined {
  return values(head, name)[0];
}

/** How the end of a body is found, and the codings to undo, outermost last. */
export interface Framing {
  /** What frames it. */
  kind: "none" | "chunked" | "length" | "eof";
  /** The length in bytes, if that frames it. */
  length: number;
  /** The transfer codings other than chunked. */
  codings: string[];
}

/**
 * Decides how the body is framed, in the order of RFC 9112 section 6.3.
 *
 * @throws {TrioError} with code 8 for a bad Content-Length, 61 for an unknown
 * transfer coding.
 */
export function framing(method: string, head: Head): Framing {
  const none: Framing = { kind: "none", length: 0, codings: [] };
  const { status } = head;
  // 1. no body, whatever the fields say
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return none;
  // 2. CONNECT: a tunnel follows
  if (method === "CONNECT" && status < 300) return none;
  // 3. and 4. Transfer-Encoding overrides Content-Length
  const named = codingsIn(head, "transfer-encoding");
  if (named.length > 0) {
    const chunked = named.at(-1) === "chunked";
    // some servers behind proxies say it twice, and mean it once
    while (named.at(-1) === "chunked") named.pop();
    checkCodings(named, ["gzip", "x-gzip", "deflate"]);
    return { kind: chunked ? "chunked" : "eof", length: 0, codings: named };
  }
  // 5. and 6. Content-Length, all members equal
  const lengths = values(head, "content-length").flatMap((value) => value.split(",")).map(trimmed);
  if (lengths.length > 0) {
    const length = Number(lengths[0]);
    const right = (text: string) => /^\d+$/.test(text) && Number(text) === length;
    if (!lengths.every(right) || !Number.isSafeInteger(length)) {
      throw malformed(`Content-Length: ${lengths.join(", ")}`);
    }
    return { kind: "length", length, codings: [] };
  }
  // 8. until the connection is closed
  return { kind: "eof", length: 0, codings: [] };
}

function checkCodings(codings: string[], known: string[]) {
  const unknown = codings.find((coding) => !known.includes(coding));
  if (unknown) throw new TrioError(EXIT.encoding, `cannot decode "${unknown}"`);
  if (codings.length > CODING_LIMIT) {
    throw new TrioError(EXIT.encoding, `${codings.length} codings in a row`);
  }
}

/** Takes the framing off a body, in place. */
interface BodyReader {
  /** Whether the body is complete. */
  done: boolean;
  /** Moves the body's bytes in `buffer[start, end)` to `start`; how many. */
  take(buffer: Uint8Array, start: number, end: number): number;
  /** Says what EOF means: nothing, or throws if it cuts the body short. */
  eof(clean: boolean): void;
}

function cutShort(what: string): PassingError {
  return new PassingError(EXIT.partial, `the body was cut short: ${what}`);
}

class LengthReader implements BodyReader {
  #missing: number;
  constructor(readonly length: number) {
    this.#missing = length;
  }
  get done() {
    return this.#missing === 0;
  }
  take(_buffer: Uint8Array, start: number, end: number) {
    const taken = Math.min(end - start, this.#missing);
    this.#missing -= taken;
    return taken;
  }
  eof() {
    const received = this.length - this.#missing;
    throw cutShort(`received ${received} bytes, expected ${this.length}`);
  }
}

class EofReader implements BodyReader {
  done = false;
  take(_buffer: Uint8Array, start: number, end: number) {
    return end - start;
  }
  eof(clean: boolean) {
    if (!clean) throw cutShort("TLS ended without close_notify");
    this.done = true;
  }
}

/**
 * The chunked coding (RFC 9112 section 7.1):
 *
 *     chunked-body = *chunk last-chunk trailer-section CRLF
 *     chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
 *
 * Any CRLF may be a bare LF. Extensions and trailers are dropped.
 */
class ChunkedReader implements BodyReader {
  done = false;
  /** What comes next. */
  #part: "size" | "extension" | "data" | "end" | "trailer" = "size";
  /** Bytes of this chunk's data that are still to come. */
  #missing = 0;
  /** Digits of a size, or bytes of a line, so far. */
  #count = 0;
  /** Whether the byte before was a CR, which only an LF may follow. */
  #cr = false;
  /** Bytes of all trailers so far. */
  #trailers = 0;

  take(buffer: Uint8Array, start: number, end: number) {
    let kept = start;
    for (let at = start; at < end && !this.done;) {
      if (this.#part === "data") {
        const size = Math.min(this.#missing, end - at);
        if (kept !== at) buffer.copyWithin(kept, at, at + size);
        kept += size;
        at += size;
        this.#missing -= size;
        if (this.#missing === 0) this.#part = "end";
      } else {
        this.#frame(buffer[at++]!);
      }
    }
    return kept - start;
  }

  #frame(byte: number) {
    if (this.#cr && byte !== LF) {
      if (this.#part !== "trailer") throw malformed("a CR alone in a chunk");
    }
    this.#cr = byte === CR;
    switch (this.#part) {
      case "size": {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          // 13 digits are what a safe integer has room for
          if (++this.#count > 13) throw malformed("a chunk size too large");
          this.#missing = this.#missing * 16 + digit;
          return;
        }
        if (this.#count === 0) throw malformed("a chunk without size");
        if (!";\t \r\n".includes(String.fromCharCode(byte))) {
          throw malformed("a chunk size that is no hex number");
        }
        this.#part = "extension";
        this.#count = 0;
      }
      /* falls through */
      case "extension":
        if (byte === LF) {
          this.#part = this.#missing > 0 ? "data" : "trailer";
          this.#count = 0;
        } else if (++this.#count > CHUNK_LINE_LIMIT) {
          throw malformed("a chunk extension without end");
        }
        return;
      case "end":
        if (byte === LF) this.#part = "size";
        else if (byte !== CR) throw malformed("no line end behind a chunk");
        return;
      case "trailer":
        if (byte === LF) {
          this.done = this.#count === 0;
          this.#count = 0;
        } else if (byte !== CR) this.#count++;
        if (++this.#trailers > CHUNK_LINE_LIMIT) throw malformed("trailers without end");
    }
  }

  eof() {
    throw cutShort(
      this.#part === "data"
        ? `${this.#missing} bytes of a chunk are missing`
        : "the last chunk is missing",
    );
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/**
 * Reads one response: give it what came, in any pieces, and it gives the body.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ResponseReader } from "./fetch.ts";
 *
 * const reader = new ResponseReader("GET");
 * const bytes = new TextEncoder().encode(
 *   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHi\r\n0\r\n\r\n",
 * );
 * const length = reader.take(bytes, 0, bytes.length);
 * assertEquals(new TextDecoder().decode(bytes.subarray(0, length)), "Hi");
 * assertEquals([reader.done, reader.head?.status], [true, 200]);
 * ```
 */
export class ResponseReader {
  /** The final head, once it is complete. */
  head: Head | undefined;
  /** How the body is framed, once the head is complete. */
  framing: Framing | undefined;
  /** Is told each interim head (RFC 9110 section 15.2). */
  onInterim: ((head: Head) => void) | undefined;
  #body: BodyReader | undefined;
  #text = "";
  #line = "";
  #bytes = 0;
  #interim = 0;

  /** Reads the response to a request with this method. */
  constructor(readonly method: string) {}

  /** Whether the response is complete. What follows is ignored. */
  get done(): boolean {
    return this.#body?.done ?? false;
  }

  /**
   * Takes `buffer[start, end)`, the next bytes that came, and moves those of
   * the body to `start`.
   *
   * @returns how many bytes of the body there are.
   * @throws {TrioError} with code 8 or 61 if the response is malformed.
   */
  take(buffer: Uint8Array, start: number, end: number): number {
    let at = start;
    while (!this.#body) {
      if (at === end) return 0;
      at = this.#takeHead(buffer, at, end);
    }
    if (this.done) return 0;
    if (at > start) buffer.copyWithin(start, at, end);
    return this.#body.take(buffer, start, start + end - at);
  }

  /** Takes head bytes up to the empty line, or all; returns where it stopped. */
  #takeHead(buffer: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end;) {
      const lf = buffer.subarray(at, end).indexOf(LF);
      const piece = buffer.subarray(at, lf < 0 ? end : at + lf + 1);
      at += piece.length;
      this.#bytes += piece.length;
      if (this.#bytes > HEAD_LIMIT) throw malformed("a head without end");
      const begins = this.#text === "" && this.#line.length < 5;
      this.#line += byteString(piece);
      // another protocol, or HTTP/0.9: do not wait for a head that never comes
      if (begins && !"HTTP/".startsWith(this.#line.slice(0, 5))) {
        throw malformed(`it starts with "${this.#line}"`);
      }
      if (lf < 0) return end;
      if (this.#line === "\n" || this.#line === "\r\n") {
        this.#endHead();
        return at;
      }
      this.#text += this.#line;
      this.#line = "";
    }
    return end;
  }

  #endHead() {
    const head = parseHead(this.#text);
    this.#text = this.#line = "";
    if (head.status >= 200) {
      this.framing = framing(this.method, head);
      const { kind, length } = this.framing;
      this.#body = kind === "chunked"
        ? new ChunkedReader()
        : kind === "eof"
        ? new EofReader()
        : new LengthReader(length);
      this.head = head;
      return;
    }
    // nobody asked for another protocol (RFC 9110 section 15.2.2)
    if (head.status === 101) throw malformed("101 without being asked");
    if (++this.#interim > INTERIM_LIMIT) throw malformed("endless 1xx replies");
    this.onInterim?.(head);
  }

  /**
   * Says that the connection ended: `clean` is false for a TLS stream without
   * close_notify.
   *
   * @throws {TrioError} with code 52, 56 or 18 if the response is incomplete.
   */
  eof(clean: boolean): void {
    if (this.#body) {
      if (!this.done) this.#body.eof(clean);
    } else if (this.#bytes === 0) {
      throw new PassingError(EXIT.empty, "empty reply from the server");
    } else {
      throw new PassingError(EXIT.broken, "the connection ended in the head");
    }
  }
}

/** One char a byte: lossless, and what `Headers` takes. */
function byteString(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) { // within the stack's limit
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

/** What a peer sent, for people: UTF-8 where it is, printable, no userinfo. */
function shown(text: string): string {
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  let decoded = text;
  try {
    decoded = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // not UTF-8: one char a byte it stays
  }
  return printable(decoded.replace(/\/\/[^\s/?#]*@/g, "//***@"));
}

/** The URL without userinfo, for people. */
function withoutUser(url: URL): string {
  const copy = new URL(url);
  copy.username = copy.password = "";
  return copy.href;
}

/**
 * Parses what a user gave as URL; without scheme it is http.
 *
 * @throws {TrioError} with code 2 for control characters, 3 if it is
 * malformed, 1 if its scheme is neither http nor https.
 */
export function parseUrl(text: string): URL {
  refuseControls("the URL", text);
  const full = withScheme(text);
  const masked = full.replace(/\/.*@/s, "//***@");
  const url = URL.parse(full);
  if (!url) throw new TrioError(EXIT.url, `malformed URL "${masked}"`);
  if (!/^https?:$/.test(url.protocol)) {
    throw new TrioError(EXIT.unexpected, `unsupported scheme in "${masked}" (only http and https)`);
  }
  return url;
}

function withScheme(text: string): string {
  return /^[a-z][a-z\d+.-]*:\//i.test(text) ? text : `http://${text}`;
}

/** What could end a line of the request must not enter it (CWE-93). */
function refuseControls(what: string, text: string) {
  if (/[\r\n\0]/.test(text)) throw new TrioError(EXIT.usage, `CR, LF or NUL in ${what}`);
}

/**
 * The name of the file for a URL: its last path segment, percent-decoded,
 * without what a file system or a terminal could take for something else.
 */
export function fileName(url: URL): string {
  let name = url.pathname.split("/").at(-1)!;
  try {
    name = decodeURIComponent(name);
  } catch {
    // not UTF-8 behind the percent signs: the name stays as it is
  }
  name = name.replace(/[\p{Cc}\p{Cf}/\\:*?"<>|]/gu, "_").replace(/[. ]+$/, "");
  if (/^(-|(con|prn|aux|nul|com\d|lpt\d)(\..*)?)$/is.test(name)) name = `_${name}`;
  const [, stem = "", end = ""] = /^(.*?)(\.[^.]{1,15})?$/su.exec(name) ?? [];
  const letters = [...stem].slice(0, 250);
  // 255 bytes are what file systems take; .part needs five of them
  while (new TextEncoder().encode(letters.join("") + end).length > 250) letters.pop();
  return (letters.join("") + end).replace(/[. ]+$/, "") || "index.html";
}

/**
 * Whether `no_proxy` names the URL's host: `*`, a domain (with its subdomains, a leading dot is
 * ignored) or an address, each with or without `:port`, or a block of IPv4 addresses.
 */
export function bypassesProxy(noProxy: string, url: URL): boolean {
  const host = url.hostname.replace(/\.$/, "");
  return noProxy.toLowerCase().split(/[\s,]+/).filter(Boolean).some((entry) => {
    if (entry === "*" || isWithin(host, entry)) return true;
    const [, name = "", port] = /^\.?(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/
      .exec(entry) ?? [];
    if (port !== undefined && port !== portOf(url)) return false;
    const bare = name.replace(/^\[|\]$|\.$/g, "");
    return host.replace(/^\[|\]$/g, "") === bare ||
      (bare !== "" && !/^[\d.:[\]]+$/.test(host) && host.endsWith(`.${bare}`));
  });
}

/** Whether an IPv4 address is one of a block like `10.0.0.0/8` (RFC 4632). */
function isWithin(host: string, block: string): boolean {
  const number = (address: string) =>
    address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const [, base, bits] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(block) ?? [];
  if (base === undefined || !/^[\d.]+$/.test(host)) return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(host) / size) === Math.floor(number(base) / size);
}

function portOf(url: URL): string {
  return url.port || (url.protocol === "https:" ? "443" : "80");
}

function basic(user: string): string {
  const bytes = new TextEncoder().encode(user);
  return `Basic ${btoa(byteString(bytes))}`;
}

function userinfo(url: URL): string | undefined {
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

// --- The network ------------------------------------------------------------

/** A byte source, as `Deno.Conn`. */
type Source = Pick<Deno.Conn, "read">;

/** The longest that a timer takes, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Ends what is pending when the caller's signal or a time limit says so: it
 * closes the connection, which is the one way to cancel a read.
 */
class Guard implements Disposable {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  readonly #caller: AbortSignal | undefined;
  readonly #end: number;
  #conn: Deno.Conn | undefined;
  #timer: AbortSignal | undefined;
  #due = Infinity;
  #deadline = Infinity;
  #seconds = 0;
  #what = "";

  /** `end` is when everything must be over, on the clock of `performance`. */
  constructor(caller: AbortSignal | undefined, end: number) {
    this.#caller = caller;
    this.#end = end;
    if (caller?.aborted) this.#onAbort();
    caller?.addEventListener("abort", this.#onAbort);
    if (end < Infinity) this.#check();
  }

  #onAbort = () => this.#abort(this.#caller!.reason);

  #abort(reason: unknown) {
    this.#controller.abort(reason);
    this.close();
  }

  /** Closes this connection when it is time. */
  own<Conn extends Deno.Conn>(conn: Conn): Conn {
    this.#conn = conn;
    if (this.signal.aborted) this.close();
    return conn;
  }

  close() {
    try {
      this.#conn?.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed
    }
    this.#conn = undefined;
  }

  /** Allows `seconds` from now; `what` says what for. A timer once set is used again. */
  limit(seconds: number, what: string) {
    this.#seconds = seconds;
    this.#what = what;
    this.#deadline = performance.now() + seconds * 1000;
    if (this.#deadline < this.#due) this.#check();
  }

  /** Nothing is waited for: only the time for everything counts. */
  pause() {
    this.#deadline = Infinity;
  }

  #check = () => {
    this.#timer?.removeEventListener("abort", this.#check);
    const now = performance.now();
    this.#due = Math.min(this.#deadline, this.#end);
    if (now >= this.#end) {
      this.#abort(new TrioError(EXIT.timeout, "timed out: not done within --max-time"));
    } else if (now >= this.#deadline) {
      const text = `timed out: ${this.#what} ${this.#seconds}`;
      this.#abort(new PassingError(EXIT.timeout, text));
    } else if (this.#due < Infinity) {
      // setTimeout takes 5 ms to load at its first use
      this.#timer = AbortSignal.timeout(Math.min(Math.ceil(this.#due - now), MAX_TIMER_MS));
      this.#timer.addEventListener("abort", this.#check);
    }
  };

  /** Waits for `pending`; when it is time, throws the reason instead. */
  async wait<T>(pending: Promise<T>): Promise<T> {
    try {
      return await pending;
    } catch (error) {
      this.signal.throwIfAborted();
      throw error;
    }
  }

  [Symbol.dispose]() {
    this.#timer?.removeEventListener("abort", this.#check);
    this.#caller?.removeEventListener("abort", this.#onAbort);
    this.close();
  }
}

/** What one exchange gave: the head, and the body still to be read. */
interface Reply {
  head: Head;
  length: number | undefined;
  source: Source;
  guard: Disposable;
  timing: Timing;
}

/** A response whose head has come; its body is read once. */
export class HttpResponse implements Disposable {
  /** The status code. */
  readonly status: number;
  /** The reason phrase, as it came. */
  readonly statusText: string;
  /** The final head. */
  readonly head: Head;
  /** The body's length in bytes, if it is known before. */
  readonly length: number | undefined;
  readonly #source: Source;
  readonly #guard: Disposable;
  #body: ReadableStream<Uint8Array> | undefined;

  /** Made by {@linkcode request}. */
  constructor(
    { head, length, source, guard }: Reply,
    /** The final URL, without userinfo. */
    readonly url: string,
    /** The redirects that led there. */
    readonly redirects: Redirect[],
    /** Where the time of each exchange went. */
    readonly timing: Timing[],
  ) {
    this.head = head;
    this.length = length;
    this.#source = source;
    this.#guard = guard;
    this.status = head.status;
    this.statusText = head.statusText;
  }

  /** The fields, but those whose name is no token. */
  get headers(): Headers {
    const headers = new Headers();
    for (const [name, value] of this.head.fields) {
      if (/^[\w!#$%&'*+.^`|~-]+$/.test(name)) headers.append(name, value);
    }
    return headers;
  }

  /** Reads up to `p.length` bytes of the body; `null` at its end. */
  async read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return 0;
    try {
      const n = await this.#source.read(p);
      if (n === null) this.close();
      return n;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The body as a stream, and so as an async iterable of bytes. */
  get body(): ReadableStream<Uint8Array> {
    return this.#body ??= new ReadableStream({
      pull: async (controller) => {
        const p = new Uint8Array(64 * 1024);
        const n = await this.read(p);
        if (n === null) controller.close();
        else controller.enqueue(p.subarray(0, n));
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
  }

  /** Closes the connection; the rest of the body is lost. */
  close() {
    this.#guard[Symbol.dispose]();
  }

  /** Closes the connection. */
  [Symbol.dispose]() {
    this.close();
  }
}

/**
 * Requests `url` and follows redirects (RFC 9110 section 15.4). Deno 2.9 leaves the socket of a
 * TLS handshake that is aborted open until the peer closes it or the process ends.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { request } from "./fetch.ts";
 *
 * const server = Deno.serve({ port: 0, onListen() {} }, () => new Response("Hi"));
 * using response = await request(`http://127.0.0.1:${server.addr.port}/`);
 * for await (const bytes of response.body) {
 *   assertEquals(new TextDecoder().decode(bytes), "Hi");
 * }
 * await server.shutdown();
 * ```
 *
 * @throws {TrioError} with the exit code of `fetch.ts` for what failed.
 */
export async function request(
  url: string | URL,
  options: RequestOptions = {},
): Promise<HttpResponse> {
  const first = parseUrl(String(url));
  const redirects: Redirect[] = [], timing: Timing[] = [];
  const { maxTime = Infinity, maxRedirects = 20, user = userinfo(first) } = options;
  const end = performance.now() + maxTime * 1000;
  for (let target = first;;) {
    const guard = new Guard(options.signal, end);
    try {
      const secrets = target.origin === first.origin
        ? { user }
        : { user: userinfo(target), headers: [] };
      const reply = await exchange(target, { ...options, ...secrets }, guard);
      timing.push(reply.timing);
      const next = options.follow === false ? undefined : redirectTarget(target, reply.head);
      if (!next) return new HttpResponse(reply, withoutUser(target), redirects, timing);
      guard[Symbol.dispose]();
      const from = withoutUser(target), to = withoutUser(next);
      if (target.protocol === "https:" && next.protocol === "http:") {
        throw refused(`from https back to ${to}`);
      }
      if (redirects.length >= maxRedirects) {
        const text = `more than ${maxRedirects} redirects (--max-redirs)`;
        throw new TrioError(EXIT.redirect, text);
      }
      redirects.push({ status: reply.head.status, from, to });
      options.onDialogue?.(`* ${reply.head.status}: following to ${to}`);
      target = next;
    } catch (error) {
      guard[Symbol.dispose]();
      throw error;
    }
  }
}

function refused(why: string): TrioError {
  return new TrioError(EXIT.redirect, `redirect refused: ${why}`);
}

/** Where a redirect leads, if the head is one (RFC 9110 section 10.2.2). */
function redirectTarget(from: URL, head: Head): URL | undefined {
  const location = valueOf(head, "location");
  if (![301, 302, 303, 307, 308].includes(head.status) || !location) return undefined;
  // bytes that are no ASCII go on as they came, as curl and browsers do
  const text = location.replace(
    /[\x80-\xff]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const to = URL.parse(text, from);
  if (!to) throw new TrioError(EXIT.url, `redirect to a malformed URL: ${shown(text)}`);
  if (!/^https?:$/.test(to.protocol)) throw refused(`to ${shown(to.href)}`);
  if (!to.hash) to.hash = from.hash;
  return to;
}

/** One request and its response, as far as the end of the head. */
async function exchange(url: URL, options: RequestOptions, guard: Guard): Promise<Reply> {
  const { method = "GET", connectTimeout = 30, stallTimeout = 60 } = options;
  const timing = { url: withoutUser(url), lookup: null, tcp: 0, tls: 0, wait: 0, transfer: 0 };
  const proxy = proxyFor(url, options);
  const lines = requestLines(url, proxy, options);
  guard.limit(connectTimeout, `no connection to ${url.host} within --connect-timeout`);
  const conn = await open(url, proxy, options, guard, timing);
  const started = performance.now();
  const buffer = new Uint8Array(64 * 1024);
  const waiting = () =>
    guard.limit(stallTimeout, `no reply from ${url.host} within --stall-timeout`);
  const { reader, early } = await ask(conn, method, lines, buffer, options, guard, waiting);
  guard.pause();
  const { head, framing } = reader;
  timing.wait = performance.now() - started;
  const raw = bodyOf(conn, reader, early, guard, stallTimeout, timing);
  const codings = framing.codings;
  if (options.compressed && framing.kind !== "none") {
    codings.unshift(...codingsIn(head, "content-encoding"));
    checkCodings(codings, ["gzip", "x-gzip", "deflate", "br"]);
  }
  const plain = codings.length === 0;
  const length = plain && framing.kind === "length" ? framing.length : undefined;
  return { head, length, source: plain ? raw : decoded(raw, codings, guard), guard, timing };
}

/** A response whose head has come. */
type Answered = ResponseReader & { head: Head; framing: Framing };

/** Sends a request and reads the head; `early` are the bytes of the body that came with it. */
async function ask(
  conn: Deno.Conn,
  method: string,
  lines: string[],
  buffer: Uint8Array,
  { onDialogue }: RequestOptions,
  guard: Guard,
  waiting: () => void,
): Promise<{ reader: Answered; early: Uint8Array }> {
  const hear = ({ lines }: Head) =>
    onDialogue?.([...lines, ""].map((line) => `< ${shown(line)}`.trimEnd()).join("\n"));
  onDialogue?.([...lines, ""].map((line) => `> ${masked(line)}`.trimEnd()).join("\n"));
  waiting();
  const bytes = new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n");
  // a peer may answer and close before it has read the request: its answer counts
  await guard.wait(writeAll(conn, bytes).catch(unlessBroken));
  const reader = new ResponseReader(method);
  reader.onInterim = (head) => {
    hear(head);
    waiting();
  };
  let kept = 0;
  while (!reader.head) kept = await receive(conn, reader, buffer, guard);
  hear(reader.head);
  return { reader: reader as Answered, early: buffer.subarray(0, kept) };
}

function unlessBroken(error: unknown) {
  const { BrokenPipe, ConnectionReset } = Deno.errors;
  if (!(error instanceof BrokenPipe || error instanceof ConnectionReset)) throw error;
}

/** The body, its framing removed; codings are still on it. */
function bodyOf(
  conn: Deno.Conn,
  reader: ResponseReader,
  early: Uint8Array,
  guard: Guard,
  stallTimeout: number,
  timing: Timing,
): Source {
  const started = performance.now();
  return {
    async read(p) {
      if (early.length > 0) {
        const n = Math.min(early.length, p.length);
        p.set(early.subarray(0, n));
        early = early.subarray(n);
        return n;
      }
      while (!reader.done) {
        guard.limit(stallTimeout, "no byte of the body within --stall-timeout");
        const n = await receive(conn, reader, p, guard);
        guard.pause();
        if (n > 0) return n;
      }
      timing.transfer = performance.now() - started;
      return null;
    },
  };
}

/** One read into `p`: how many bytes of the body are there now. */
async function receive(
  conn: Deno.Conn,
  reader: ResponseReader,
  p: Uint8Array,
  guard: Guard,
): Promise<number> {
  let n: number | null = null, clean = true;
  try {
    n = await guard.wait(conn.read(p));
  } catch (error) {
    guard.signal.throwIfAborted();
    clean = false;
    if (!(error instanceof Deno.errors.UnexpectedEof)) {
      const text = `the connection broke: ${reason(error)}`;
      throw new PassingError(EXIT.broken, text, { cause: error });
    }
  }
  if (n !== null) return reader.take(p, 0, n);
  reader.eof(clean);
  return 0;
}

/** What an error of the system says, without its number and the path. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\)(: \w+ '.*')?/s, "");
}

function proxyFor(url: URL, options: RequestOptions): URL | undefined {
  const { proxy, noProxy = "" } = options;
  const text = typeof proxy === "object"
    ? proxy[url.protocol === "https:" ? "https" : "http"]
    : proxy;
  if (!text || bypassesProxy(noProxy, url)) return undefined;
  const via = parseUrl(text);
  if (via.protocol === "http:") return via;
  throw new TrioError(EXIT.unexpected, "unsupported proxy scheme (only http)");
}

/** Connects to the URL's host, or its proxy, and starts TLS for https. */
async function open(
  url: URL,
  proxy: URL | undefined,
  options: RequestOptions,
  guard: Guard,
  timing: Timing,
): Promise<Deno.Conn> {
  const via = proxy ?? url;
  const hostname = unbracketed(via), port = Number(portOf(via));
  const address = `${via.hostname}:${port}`;
  options.onConnect?.(address);
  options.onDialogue?.(`* Connecting to ${address}`);

  const started = performance.now();
  // a lookup beside the connection's own: it takes no time from it
  using lookup = options.timing ? timedLookup(hostname) : undefined;
  let conn: Deno.Conn;
  try {
    const { signal } = guard;
    conn = await guard.wait(Deno.connect({ hostname, port, signal }));
  } catch (error) {
    throw connectError(error, address, proxy !== undefined, guard);
  }
  guard.own(conn);
  const connected = performance.now();
  timing.lookup = lookup?.ms ?? null;
  timing.tcp = connected - started - (timing.lookup ?? 0);
  options.onDialogue?.(`* Connected to ${address}`);

  if (url.protocol === "https:") {
    if (proxy) await tunnel(conn, url, proxy, options, guard);
    conn = await secure(conn, url, options, guard);
    timing.tls = performance.now() - connected;
  }
  return conn;
}

function unbracketed(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function timedLookup(hostname: string): { ms: number | null } & Disposable {
  const controller = new AbortController();
  const started = performance.now();
  const lookup = {
    ms: /^[\d.]+$|:/.test(hostname) ? 0 : null as number | null,
    [Symbol.dispose]: () => controller.abort(),
  };
  if (lookup.ms === null) {
    Deno.resolveDns(hostname, "A", { signal: controller.signal }).then(
      () => lookup.ms = performance.now() - started,
      () => {}, // names from elsewhere than DNS: then it counts to the connection
    );
  }
  return lookup;
}

function connectError(error: unknown, address: string, proxied: boolean, guard: Guard): unknown {
  if (guard.signal.aborted || error instanceof Deno.errors.NotCapable) return error;
  const who = proxied ? `proxy ${address}` : address;
  const options = { cause: error };
  // the runtime has no class of its own for a failed lookup
  if (error instanceof Error && error.name === "Error") {
    const code = proxied ? EXIT.proxyLookup : EXIT.lookup;
    const text = `cannot resolve ${who} (check the name)`;
    return new TrioError(code, text, options);
  }
  const text = `cannot connect to ${who}: ${reason(error)}`;
  return error instanceof Deno.errors.TimedOut
    ? new PassingError(EXIT.timeout, text, options)
    : new TrioError(EXIT.connect, text, options);
}

/** Asks a proxy for a tunnel (RFC 9110 section 9.3.6). */
async function tunnel(
  conn: Deno.Conn,
  url: URL,
  proxy: URL,
  options: RequestOptions,
  guard: Guard,
) {
  const authority = `${url.hostname}:${portOf(url)}`;
  const lines = [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    `User-Agent: ${options.userAgent ?? USER_AGENT}`,
    ...proxyAuthorization(proxy),
  ];
  // one byte a read: what follows the head belongs to TLS
  const byte = new Uint8Array(1);
  const asked = ask(conn, "CONNECT", lines, byte, options, guard, () => {});
  const { reader } = await asked.catch((error) => {
    if (!(error instanceof TrioError) || guard.signal.aborted) throw error;
    throw new TrioError(EXIT.broken, `proxy ${proxy.host}: ${error.message}`, { cause: error });
  });
  const { status, statusText } = reader.head;
  if (status > 299) {
    const text = `proxy ${proxy.host} refused the tunnel to ${authority}`;
    throw new TrioError(EXIT.broken, `${text}: ${status} ${shown(statusText)}`);
  }
}

function proxyAuthorization(proxy: URL): string[] {
  const user = userinfo(proxy);
  return user === undefined ? [] : [`Proxy-Authorization: ${basic(user)}`];
}

/** Starts TLS and completes the handshake. */
async function secure(
  conn: Deno.Conn,
  url: URL,
  { caCerts = [], onDialogue }: RequestOptions,
  guard: Guard,
): Promise<Deno.Conn> {
  try {
    const tls = guard.own(
      await guard.wait(Deno.startTls(conn as Deno.TcpConn, {
        hostname: unbracketed(url),
        caCerts,
        alpnProtocols: ["http/1.1"],
      })),
    );
    const { alpnProtocol } = await guard.wait(tls.handshake());
    onDialogue?.(`* TLS with ${url.host}, ALPN ${alpnProtocol ?? "none"}`);
    return tls;
  } catch (error) {
    guard.signal.throwIfAborted();
    const text = reason(error);
    const why = /^invalid peer certificate: (.*)$/s.exec(text)?.[1];
    const [code, what] = why === undefined
      ? [EXIT.tls, `TLS handshake with ${url.host} failed: ${text}`]
      : [EXIT.certificate, `the certificate of ${url.host} is not trusted: ${certificate(why)}`];
    throw new TrioError(code, what, { cause: error });
  }
}

function certificate(why: string): string {
  if (why.startsWith("UnknownIssuer")) return "unknown issuer (--cacert FILE trusts it)";
  if (/not ?valid ?for ?name/i.test(why)) return "it is for another name";
  if (/expired/i.test(why)) return "it has expired";
  return why;
}

const USER_AGENT = `tcp-trio/${VERSION}`;

/** The lines of a request (RFC 9112 section 3, RFC 9110 section 7.2). */
function requestLines(url: URL, proxy: URL | undefined, options: RequestOptions): string[] {
  const absolute = proxy !== undefined && url.protocol === "http:";
  const { method = "GET", user, offset } = options;
  const lines = [
    `Host: ${url.host}`,
    `User-Agent: ${options.userAgent ?? USER_AGENT}`,
    "Accept: */*",
    "Connection: close",
  ];
  if (absolute) lines.push(...proxyAuthorization(proxy));
  if (user !== undefined) lines.push(`Authorization: ${basic(user)}`);
  if (offset) {
    lines.push(`Range: bytes=${offset}-`);
    if (options.ifRange) lines.push(`If-Range: ${options.ifRange}`);
  } else if (options.compressed) {
    lines.push("Accept-Encoding: gzip, deflate, br");
  }
  const added = (options.headers ?? []).map((line) => {
    refuseControls("a header", line);
    const [, name, mark, value] = /^([\w!#$%&'*+.^`|~-]+)([:;])\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || (mark === ";" && value)) {
      throw new TrioError(EXIT.usage, 'a header is "Name: value", "Name:" or "Name;"');
    }
    return { name, text: `${name}: ${value}`, sent: mark === ";" || value };
  });
  const replaced = new Set(added.map(({ name }) => `${name}:`.toLowerCase()));
  const head = [
    ...lines.filter((line) => !replaced.has(line.slice(0, line.indexOf(":") + 1).toLowerCase())),
    ...added.filter(({ sent }) => sent).map(({ text }) => text.trimEnd()),
  ];
  for (const line of head) refuseControls("a header", line);
  const path = url.pathname + url.search;
  const target = absolute ? url.origin + path : path;
  return [`${method} ${target} HTTP/1.1`, ...head];
}

/** A request line for people, without secrets. */
function masked(line: string): string {
  return printable(line).replace(/^((?:proxy-)?authorization|cookie):.*$/is, "$1: ***");
}

/** Undoes codings, the last one first (RFC 9110 section 8.4). */
function decoded(raw: Source, codings: string[], guard: Guard): Source {
  const chunks = codings.reduceRight<AsyncIterable<Uint8Array<ArrayBuffer>>>(
    (body, coding) => decode(body, coding),
    readUntilEof(raw),
  );
  const iterator = chunks[Symbol.asyncIterator]();
  let left: Uint8Array<ArrayBuffer> = new Uint8Array();
  return {
    async read(p) {
      try {
        while (left.length === 0) {
          const { done, value } = await iterator.next();
          if (done) return null;
          left = value;
        }
      } catch (error) {
        guard.signal.throwIfAborted();
        if (error instanceof TrioError) throw error;
        throw new TrioError(
          EXIT.encoding,
          `bad ${codings.join(", ")} data: ${reason(error)}`,
          { cause: error },
        );
      }
      const n = Math.min(left.length, p.length);
      p.set(left.subarray(0, n));
      left = left.subarray(n);
      // the decoder takes a new buffer when one is full: this one is freed now, not some time
      const { buffer, byteOffset } = left;
      if (left.length === 0 && byteOffset === buffer.byteLength) buffer.transfer(0);
      return n;
    },
  };
}

/** Undoes one coding. An empty body stays empty, as with curl. */
async function* decode(
  body: AsyncIterable<Uint8Array<ArrayBuffer>>,
  coding: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const iterator = body[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return;
  let fed = 0;
  const whole = async function* () {
    for (let next: IteratorResult<Uint8Array<ArrayBuffer>> = first; !next.done;) {
      fed += next.value.length;
      yield next.value;
      next = await iterator.next();
    }
    // the decoder of brotli does not tell a stream that was cut short from a complete one,
    // but only to the former a further byte belongs
    if (coding === "br") yield new Uint8Array(1);
  };
  // node:zlib takes a third of the time of DecompressionStream, its memory stays flat whatever
  // comes, and it knows gzip streams of several members. Loading it costs 12 ms: not before.
  const { pipeline, Readable } = await import("node:stream");
  const zlib = await import("node:zlib");
  const options = { chunkSize: 1024 * 1024 };
  const make = coding === "br"
    ? zlib.createBrotliDecompress
    : coding !== "deflate"
    ? zlib.createGunzip
    // "deflate" means zlib (RFC 1950), but some servers send it raw (RFC 1951)
    : (first.value[0]! & 15) === 8
    ? zlib.createInflate
    : zlib.createInflateRaw;
  const decoder = make(options);
  // an error of any stage reaches the reader through the last one
  yield* pipeline(Readable.from(whole(), { objectMode: false }), decoder, () => {});
  const { bytesWritten: used } = decoder;
  if (used !== fed) throw new Error(used > fed ? "unexpected end of file" : "data behind its end");
}

// --- The file ---------------------------------------------------------------

/** Each of the two buffers that fill and are written in turn, in bytes. */
const BUFFER_SIZE = 1024 * 1024;
/** What is worth a write of its own while the disk is idle, in bytes. */
const WRITE_SIZE = 256 * 1024;
/** The longest pause between two tries, in seconds. */
const MAX_BACKOFF_S = 60;
/** The longest Retry-After that is waited for, in seconds. */
const MAX_RETRY_AFTER_S = 3600;
/** How long bytes may wait in a buffer while the disk is idle, in milliseconds. */
const FLUSH_MS = 1000;

/**
 * Where the body goes. With read access to its folder that is FILE.part, which replaces FILE
 * once it is complete and checked; else FILE itself, since without read access Deno neither
 * renames nor tells what is there.
 */
class Output {
  /** How many bytes of the body are in it. */
  size = 0;
  /** When the bytes that were there before were modified. */
  date: Date | undefined;
  /** The permissions of FILE, which what replaces it gets. */
  #mode: number | undefined;
  #target: string;
  #partial = false;
  /** Where the bytes that may be continued are. */
  #found: "path" | "FILE" | undefined;
  #created = false;
  #sink: Pick<Deno.FsFile, "write" | "close"> | undefined;
  /** The sink, if it is a regular file. */
  #file: Deno.FsFile | undefined;
  #hash: import("node:crypto").Hash | undefined;

  constructor(name: string, readonly options: DownloadOptions & { signal: AbortSignal }) {
    this.#target = name;
  }

  /** The file that has the bytes. */
  get path(): string {
    if (this.#target === "-") return "stdout";
    return this.#partial && this.#found !== "FILE" ? `${this.#target}.part` : this.#target;
  }

  /** Looks at what is there, as far as that is allowed, and changes nothing. */
  async look() {
    const name = this.#target, { clobber = true, resume } = this.options;
    if (name === "-") return;
    const read = Deno.permissions.querySync({ name: "read", path: folderOf(name) });
    if (read.state !== "granted") {
      if (resume) await this.#measure();
      return;
    }
    let info = await this.#find(Deno.lstat(name));
    if (info?.isSymlink) {
      this.#target = await this.#find(Deno.realPath(name)) ?? name;
      info = await this.#find(Deno.lstat(this.#target));
    }
    if (info?.isDirectory) throw cannotWrite(name, "it is a folder");
    if (info && !clobber) throw isThere(name);
    // devices, pipes and links to nothing cannot be replaced: they are written to
    if (info && !info.isFile) return;
    this.#partial = true;
    this.#mode = info?.mode ?? undefined;
    if (!resume) return;
    const part = await this.#find(Deno.lstat(this.path));
    if (part && !part.isFile) throw cannotWrite(this.path, "it is no regular file");
    const found = part ?? info;
    if (!found) return;
    this.#found = part ? "path" : "FILE";
    this.size = found.size;
    this.date = found.mtime ?? undefined;
  }

  /** Finds the size of a file that may be written but not looked at. */
  async #measure() {
    using file = await this.#find(Deno.open(this.path, { write: true }));
    if (!file) return;
    this.#found = "path";
    this.size = await this.#io(file.seek(0, Deno.SeekMode.End));
  }

  /** Whether what was written can be taken back, to start over. */
  get restartable(): boolean {
    return this.#sink === undefined || this.#file !== undefined;
  }

  /** Makes it ready for the bytes from `offset`, 0 or its size, on. */
  async open(offset: number) {
    if (this.#sink === undefined) await this.#create(offset);
    else if (offset < this.size) await this.#cut(0);
  }

  async #create(offset: number) {
    await this.#startHash();
    if (this.#target === "-") {
      this.#sink = { write: writeStdout, close() {} };
      return;
    }
    if (this.#found === "FILE") {
      this.#found = undefined;
      if (offset > 0) {
        await this.#io(Deno.copyFile(this.#target, this.path));
        this.#found = "path";
      }
    }
    const { clobber = true } = this.options;
    const createNew = !this.#found && (this.#partial || !clobber);
    const mode = this.#mode === undefined ? {} : { mode: this.#mode & 0o777 };
    const options = { write: true, create: true, createNew, ...mode };
    this.#sink = this.#file = await this.#io(Deno.open(this.path, options));
    this.#created = createNew;
    if (offset > 0) await this.#hashFound();
    await this.#cut(offset);
  }

  /** Keeps the first `size` bytes. A device or a pipe has none: it is written to as it is. */
  async #cut(size: number) {
    if (size < this.size) await this.#startHash();
    this.size = size;
    try {
      this.#file?.truncateSync(size);
    } catch (error) {
      if (!(error instanceof TypeError)) throw cannotWrite(this.path, reason(error));
      this.#file = undefined; // EINVAL
    }
    this.#file?.seekSync(size, Deno.SeekMode.Start);
  }

  async #startHash() {
    if (!this.options.sha256) return;
    this.#hash = (await import("node:crypto")).createHash("sha256");
  }

  async #hashFound() {
    if (!this.#hash) return;
    using file = await Deno.open(this.path, { read: true });
    for await (const bytes of readUntilEof(file)) this.#hash.update(bytes);
  }

  /** What was found is complete. */
  async reuse() {
    await this.#startHash();
    await this.#hashFound();
  }

  /** Adds bytes of the body; the date names their version, whenever the process may end. */
  async write(bytes: Uint8Array, lastModified: Date | undefined) {
    await this.#io(writeAll(this.#sink!, bytes));
    if (this.#partial && lastModified) this.#file?.utimeSync(lastModified, lastModified);
    this.#hash?.update(bytes);
    this.size += bytes.length;
  }

  /** The body is complete: checks it and gives it its name. */
  async commit(lastModified: Date | undefined): Promise<string | undefined> {
    const { clobber = true, remoteTime, sha256: expected } = this.options;
    const sha256 = this.#hash?.digest("hex");
    if (sha256 !== expected?.toLowerCase()) {
      throw new TrioError(EXIT.checksum, `the SHA-256 is ${sha256}, not ${expected}`);
    }
    const date = remoteTime && lastModified || new Date();
    this.#file?.utimeSync(date, date);
    this.#close();
    if (this.#partial && this.#found !== "FILE") {
      if (!clobber && await this.#find(Deno.lstat(this.#target))) throw isThere(this.#target);
      if (this.#mode !== undefined) await this.#io(Deno.chmod(this.path, this.#mode & 0o777));
      await this.#io(Deno.rename(this.path, this.#target));
    }
    return sha256;
  }

  /** Leaves what came for a later run. */
  async keep(): Promise<undefined> {
    // a write that failed may have written some
    if (this.#file) this.size = this.#file.seekSync(0, Deno.SeekMode.End);
    this.#close();
    if (this.#created && this.#partial && this.size === 0) await Deno.remove(this.path);
  }

  #close() {
    this.#sink?.close();
    this.#sink = this.#file = undefined;
  }

  /** Waits for work on the file; what fails there is an error of that kind. */
  async #io<T>(pending: Promise<T>): Promise<T> {
    const { signal } = this.options;
    try {
      // a pipe may take nothing for ever; what goes to a file is waited for, or it comes late
      return await (this.#file ? pending : abortable(pending, signal));
    } catch (error) {
      if (error === signal.reason) throw error;
      if (error instanceof Deno.errors.NotCapable) {
        if (!error.message.includes("all access")) throw error;
        const text = `${this.path} is under /dev: Deno opens that only with --allow-all`;
        throw new TrioError(EXIT.permission, text, { cause: error });
      }
      const stale = error instanceof Deno.errors.AlreadyExists && this.#partial;
      throw cannotWrite(
        this.path,
        stale ? "it is left from an earlier run (-C goes on with it, or remove it)" : reason(error),
        error,
      );
    }
  }

  /** What is not there is no error. */
  async #find<T>(pending: Promise<T>): Promise<T | undefined> {
    const found = pending.catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    return await this.#io(found) as T | undefined;
  }
}

function cannotWrite(path: string, why: string, cause?: unknown): TrioError {
  return new TrioError(EXIT.write, `cannot write ${path}: ${why}`, { cause });
}

function isThere(path: string): TrioError {
  return cannotWrite(path, "it is there already (--no-clobber)");
}

function folderOf(file: string): string {
  return file.replace(/[^/]*$/, "") || ".";
}

async function writeStdout(bytes: Uint8Array): Promise<number> {
  if (Deno.stdout.isTerminal() && bytes.includes(0)) {
    throw new Error("binary data would mess up the terminal (-o FILE saves it)");
  }
  return await Deno.stdout.write(bytes);
}

/** Waits for `pending`, but no longer than until the signal aborts. */
async function abortable<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
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

/**
 * Downloads `url` to a file. What came before a failure stays there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { download } from "./fetch.ts";
 *
 * const server = Deno.serve({ port: 0, onListen() {} }, () => new Response("Hi"));
 * const file = await Deno.makeTempFile();
 * const { bytes } = await download(`http://127.0.0.1:${server.addr.port}/`, { output: file });
 * assertEquals([bytes, await Deno.readTextFile(file)], [2, "Hi"]);
 * await Deno.remove(file);
 * await server.shutdown();
 * ```
 *
 * @throws {TrioError} with the exit code of `fetch.ts` for what failed.
 */
export async function download(
  url: string | URL,
  options: DownloadOptions = {},
): Promise<Download> {
  const target = parseUrl(String(url));
  const { output: file = fileName(target), maxTime = Infinity } = options;
  const { progress = { bytes: 0, resumed: 0 } } = options;
  const started = performance.now(), end = started + maxTime * 1000;
  using guard = new Guard(options.signal, end);
  const { signal } = guard;
  const asked = { ...options, signal, maxTime: undefined };
  const output = new Output(file, asked);
  await output.look();
  // what we left has the date of its version; a fraction of a second says: written then
  const { date: saved } = output;
  const ours = saved && saved.getTime() % 1000 === 0;
  const version: Version = ours ? { date: saved.toUTCString() } : { saved };
  try {
    const { result: response, attempts } = await retrying(
      asked,
      end,
      () => attempt(target, asked, output, version, progress),
    );
    const sha256 = response.status === 304
      ? await output.keep()
      : await output.commit(lastModified(version));
    const { size: bytes } = output, seconds = (performance.now() - started) / 1000;
    return { response, file, bytes, sha256, attempts, seconds };
  } catch (error) {
    await output.keep();
    if (error instanceof TrioError && output.size > 0 && file !== "-") {
      const total = version.total === undefined ? "" : ` of ${version.total}`;
      const final = error.code === EXIT.checksum || error.code === EXIT.size;
      const advice = final ? "" : ", -C goes on";
      error.message += ` (${output.path} has ${output.size}${total} bytes${advice})`;
    }
    throw error;
  }
}

/** Tries again while what failed may pass, as often as allowed and not beyond `end`. */
async function retrying<T>(
  { retry = 3, onRetry, signal = new AbortController().signal }: DownloadOptions,
  end: number,
  attempt: () => Promise<T>,
): Promise<{ result: T; attempts: number }> {
  for (let attempts = 1;; attempts++) {
    try {
      return { result: await attempt(), attempts };
    } catch (error) {
      if (!(error instanceof PassingError) || attempts > retry) throw error;
      const pause = error.retryAfter ?? Math.min(2 ** (attempts - 1), MAX_BACKOFF_S);
      if (performance.now() + pause * 1000 >= end || pause > MAX_RETRY_AFTER_S) throw error;
      onRetry?.(error, pause);
      if (pause > 0) await sleep(pause * 1000, signal);
    }
  }
}

async function sleep(ms: number, signal: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Which version of the resource the bytes in the file belong to. */
interface Version {
  /** Its ETag, perhaps a weak one. */
  etag?: string | undefined;
  /** Its Last-Modified. */
  date?: string | undefined;
  /** When another program, or this one before it was killed, saved the bytes. */
  saved?: Date | undefined;
  /** Its size in bytes. */
  total?: number | undefined;
  /** Its Content-Encoding. */
  coding?: string | undefined;
}

function lastModified({ date }: Version): Date | undefined {
  return date === undefined ? undefined : new Date(date);
}

/** One try: asks for what is missing and adds it to `output`. */
async function attempt(
  target: URL,
  options: DownloadOptions,
  output: Output,
  version: Version,
  progress: Progress,
  offset: number = output.size,
): Promise<HttpResponse> {
  // the user's own Range is asked for as it is, and never goes on
  const ranged = options.headers?.some((line) => /^range:/i.test(line));
  if (ranged) offset = 0;
  // RFC 9110 section 13.1.5: a weak ETag does not do
  const ifRange = version.etag?.startsWith('"') ? version.etag : version.date;
  using response = await request(target, { ...options, offset, ifRange });
  const { status, head } = response;
  // RFC 9110 section 14.4: bytes FIRST-LAST/TOTAL, or with 416 bytes */TOTAL
  const contentRange = valueOf(head, "content-range") ?? "";
  const range = /^bytes +(?:(\d+)-\d+|\*)\/(\d+|\*)$/i.exec(contentRange);
  const total = range && range[2] !== "*" ? Number(range[2]) : undefined;
  const resumed = offset > 0 && status === 206;
  const unsatisfied = offset > 0 && status === 416;
  const other = isOther(version, head, total, options, resumed);
  if (unsatisfied && total === offset && !other) {
    options.onHead?.(response);
    await output.reuse(); // it was complete
    return response;
  }
  if (resumed && other || unsatisfied && range) {
    for (const key of Object.keys(version)) delete version[key as keyof Version];
    return await attempt(target, options, output, version, progress, 0);
  }
  const start = resumed ? offset : 0;
  const elsewhere = status === 206 && !ranged && Number(range?.[1]) !== start;
  if (elsewhere || unsatisfied || start < output.size && !output.restartable) {
    throw new TrioError(EXIT.resume, `the server cannot resume at byte ${offset}`);
  }
  if (status >= 400 && options.fail !== false) throw statusError(response);
  options.onHead?.(response);
  if (status === 304) return response; // FILE is what the server has

  const date = valueOf(head, "last-modified") ?? "";
  version.saved = undefined;
  version.etag = valueOf(head, "etag");
  version.coding = valueOf(head, "content-encoding") ?? "identity";
  version.date = Number.isNaN(Date.parse(date)) ? undefined : date;
  const end = response.length === undefined ? undefined : start + response.length;
  version.total = ranged ? end : total ?? end;
  const { maxFilesize = Infinity } = options;
  if ((version.total ?? 0) > maxFilesize) throw tooLarge(maxFilesize);
  await output.open(start);
  progress.bytes = progress.resumed = start;
  progress.total = version.total;
  await pour(response, output, lastModified(version), progress, maxFilesize);
  const { size } = output, { total: expected = size } = version;
  if (size < expected) throw cutShort(`received ${size} bytes, expected ${expected}`);
  if (size > expected) throw malformed(`${size} bytes where ${expected} were announced`);
  return response;
}

/** Whether the answer is of another version than what is there. */
function isOther(
  version: Version,
  head: Head,
  total: number | undefined,
  { compressed }: RequestOptions,
  resumed: boolean,
): boolean {
  const differ = <T>(a: T | undefined, b: T | undefined) => Boolean(a && b && a !== b);
  const time = (date: string | undefined) => date ? Date.parse(date) : undefined;
  const modified = time(valueOf(head, "last-modified"));
  // as wget does: what was modified after it was saved is another version by now
  if (version.saved && (modified ?? (resumed ? Infinity : 0)) > version.saved.getTime()) {
    return true;
  }
  if (differ(version.etag, valueOf(head, "etag")) || differ(version.total, total)) return true;
  if (differ(time(version.date), modified)) return true;
  if (!resumed) return false;
  // an offset counts coded bytes; the size of a file that was decoded does not
  const coding = valueOf(head, "content-encoding") ?? "identity";
  return differ(version.coding, coding) || Boolean(compressed) && coding !== "identity";
}

function tooLarge(limit: number): TrioError {
  return new TrioError(EXIT.size, `larger than --max-filesize ${limit}`);
}

/** The error for a status of 400 or more. */
export function statusError(response: HttpResponse): TrioError {
  const { status, url, head } = response;
  const text = `${url} answered ${status} ${shown(response.statusText)}`.trimEnd();
  const advice = `${text} (--no-fail saves its body)`;
  if (![408, 429, 500, 502, 503, 504].includes(status)) return new TrioError(EXIT.status, advice);
  const after = valueOf(head, "retry-after") ?? "";
  const seconds = /^\d+$/.test(after) ? Number(after) : (Date.parse(after) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return new PassingError(EXIT.status, advice);
  const wait = Math.max(0, Math.ceil(seconds));
  return new PassingError(EXIT.status, `${text} (retry after ${wait} s)`, {}, wait);
}

/**
 * Moves the body to the file. Two buffers in turn: one is written while the other fills. Many
 * reads gather into one write; what came waits for more while the disk is busy.
 */
async function pour(
  from: Source,
  to: Output,
  lastModified: Date | undefined,
  progress: Progress,
  limit: number,
) {
  const buffers = [new Uint8Array(BUFFER_SIZE), new Uint8Array(BUFFER_SIZE)];
  // a pipe gets what came at once: somebody may read along
  const enough = to.restartable ? WRITE_SIZE : 1;
  let busy = false, written = Promise.resolve(), flushed = performance.now(), failure: unknown;
  const waits = (filled: number) =>
    busy || filled < enough && performance.now() - flushed < FLUSH_MS;
  for (let turn = 0, n: number | null = 0; n !== null; turn ^= 1) {
    const buffer = buffers[turn]!;
    let filled = 0;
    try {
      while (filled < BUFFER_SIZE && (filled === 0 || waits(filled))) {
        n = await from.read(buffer.subarray(filled));
        if (n === null) break;
        filled += n;
        progress.bytes += n;
        if (progress.bytes > limit) {
          filled -= progress.bytes - limit;
          throw tooLarge(limit);
        }
      }
    } catch (error) { // what came before it counts
      failure = error;
      n = null;
    }
    await written;
    if (filled === 0) break;
    flushed = performance.now();
    busy = true;
    written = to.write(buffer.subarray(0, filled), lastModified).finally(() => busy = false);
    written.catch(() => {}); // it is awaited later
    if (enough === 1) await written;
  }
  await written;
  if (failure) throw failure;
}

// --- The command line -------------------------------------------------------

const HELP = `Downloads URLs (http://www.sina.com.cn/ to sina.html if none is given).

Usage: fetch.ts [OPTIONS] [URL]...

Output
  -o, --output FILE         the file, - is stdout (the last part of the URL)
  -C, --continue            go on where a partial file ends
      --no-clobber          fail rather than replace a file
      --max-filesize SIZE   fail if it gets larger: 100K, 5M, 2G
      --sha256 HEX          check the file before it takes its name
  -R, --remote-time         give the file the server's time
Request
  -H, --header LINE         an extra header line, repeatable
  -I, --head                ask for the head only and print it
  -u, --user USER:PASS      Basic authentication
  -A, --user-agent TEXT     the User-Agent (${USER_AGENT})
      --compressed          ask for gzip, deflate or br and decode it
      --max-redirs N        how many redirects to follow (20)
      --no-location         follow none
      --no-fail             save the body of a 400 or more and exit 0
Connection
  -x, --proxy URL           HTTP proxy (http_proxy, https_proxy, no_proxy)
      --cacert FILE         trust these PEM certificates too
      --connect-timeout S   from name lookup to TLS (30)
      --stall-timeout S     while no byte arrives (60)
      --max-time S          for everything (none)
      --retry N             retries of what may pass (3)
Messages
      --timing              where the time went
      --json                one JSON object on stdout instead of the head
  -s, --silent              errors only
  -v, --verbose             the dialogue
  -h, --help  -V, --version`;

const TAKES = {
  output: "a file name, or - for stdout",
  "max-filesize": "a number of bytes, perhaps with K, M or G",
  sha256: "64 hex digits",
  header: 'a line "Name: value"',
  user: "USER:PASS",
  "user-agent": "a text",
  "max-redirs": "a whole number",
  proxy: "the URL of an HTTP proxy",
  cacert: "a PEM file",
  "connect-timeout": "seconds",
  "stall-timeout": "seconds",
  "max-time": "seconds",
  retry: "a whole number",
};
const FLAGS = [
  "continue",
  "no-clobber",
  "remote-time",
  "head",
  "compressed",
  "no-location",
  "no-fail",
  "timing",
  "json",
  "silent",
  "verbose",
  "help",
  "version",
] as const;
// deno-fmt-ignore
const LETTERS = {
  o: "output", C: "continue", R: "remote-time", H: "header", I: "head", u: "user",
  A: "user-agent", x: "proxy", s: "silent", v: "verbose", h: "help", V: "version",
} as const;

type Given = ReturnType<typeof parseOptions<keyof typeof TAKES, typeof FLAGS[number]>>;

/** The options of a command line. */
async function readOptions(given: Given): Promise<DownloadOptions> {
  const text = (name: keyof typeof TAKES) => given[name].at(-1);
  const whole = (name: "retry" | "max-redirs", usual: number) =>
    parseNumber(name, text(name) ?? `${usual}`, 0, 1e6);
  const seconds = (name: "connect-timeout" | "stall-timeout" | "max-time", usual: number) =>
    text(name) === undefined ? usual : parseNumber(name, text(name)!, 0.001, 1e6, false);
  const size = /^(\d{1,12})([KMG]?)$/i.exec(text("max-filesize") ?? "0");
  if (!size) throw bad("max-filesize", text("max-filesize")!);
  const wrong = given.sha256.find((hex) => !/^[\da-f]{64}$/i.test(hex));
  if (wrong !== undefined) throw bad("sha256", wrong);
  if (given.continue && given["no-clobber"]) {
    throw new TrioError(EXIT.usage, "--continue and --no-clobber exclude each other");
  }
  const user = text("user");
  if (user && !user.includes(":")) throw bad("user", "***");
  return {
    method: given.head ? "HEAD" : "GET",
    headers: given.header,
    user,
    userAgent: text("user-agent"),
    proxy: text("proxy") ?? proxies(),
    noProxy: environment("no_proxy", "NO_PROXY"),
    caCerts: await Promise.all(given.cacert.map(readPem)),
    compressed: given.compressed,
    connectTimeout: seconds("connect-timeout", 30),
    stallTimeout: seconds("stall-timeout", 60),
    maxTime: seconds("max-time", Infinity),
    maxRedirects: whole("max-redirs", 20),
    follow: !given["no-location"],
    timing: given.timing || given.json,
    resume: given.continue,
    clobber: !given["no-clobber"],
    maxFilesize: text("max-filesize") === undefined
      ? undefined
      : Number(size[1]) * 1024 ** " KMG".indexOf(size[2]!.toUpperCase() || " "),
    retry: whole("retry", 3),
    fail: !given["no-fail"],
    remoteTime: given["remote-time"],
  };
}

async function readPem(path: string): Promise<string> {
  try {
    const pem = await Deno.readTextFile(path);
    if (/^-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/m.test(pem)) return pem;
    throw new Error("no certificate in PEM form is in it");
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new TrioError(EXIT.usage, `cannot read --cacert ${path}: ${reason(error)}`);
  }
}

function bad(name: keyof typeof TAKES, text: string): TrioError {
  return new TrioError(EXIT.usage, `--${name} takes ${TAKES[name]}, not "${text}"`);
}

/** The first of these environment variables that is set and may be read. */
function environment(...names: string[]): string | undefined {
  for (const variable of names) {
    const { state } = Deno.permissions.querySync({ name: "env", variable });
    const value = state === "granted" ? Deno.env.get(variable) : undefined;
    if (value) return value;
  }
}

function proxies(): { http?: string; https?: string } {
  // HTTP_PROXY in capitals could be set by a request to a CGI program (CVE-2016-5385)
  const http = environment("http_proxy", "all_proxy", "ALL_PROXY");
  const https = environment("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY");
  return { ...http && { http }, ...https && { https } };
}

/** A line on stderr that shows how far a download is, while that is a terminal. */
class ProgressLine implements Disposable {
  #timer: ReturnType<typeof setInterval> | undefined;
  #started = performance.now();

  constructor(readonly name: string, readonly progress: Progress) {
    if (Deno.stderr.isTerminal()) this.#timer = setInterval(() => this.#draw(), 100);
  }

  #draw() {
    const columns = Deno.consoleSize().columns || 80; // some pseudo-terminals say 0
    const elapsed = (performance.now() - this.#started) / 1000;
    // ^C takes two columns
    const text = progressText(this.name, this.progress, elapsed, columns - 3);
    Deno.stderr.writeSync(new TextEncoder().encode(`\r${text}\x1b[K`));
  }

  /** Wipes the line: another one takes its place. */
  wipe() {
    if (this.#timer) Deno.stderr.writeSync(new TextEncoder().encode("\r\x1b[K"));
  }

  [Symbol.dispose]() {
    this.wipe();
    if (this.#timer) clearInterval(this.#timer); // else it would take 5 ms to load
  }
}

/** The progress as a text of at most `columns` columns. */
export function progressText(
  name: string,
  { bytes, resumed, total }: Progress,
  elapsed: number,
  columns: number,
): string {
  const speed = (bytes - resumed) / Math.max(elapsed, 0.001);
  const share = total ? Math.min(bytes / total, 1) : undefined;
  const left = total && speed > 0 ? clock((total - bytes) / speed) : "";
  const facts = [
    share === undefined ? amount(bytes) : `${Math.floor(share * 100)}%`.padStart(4),
    `${amount(speed)}/s`.padStart(11),
    left.padStart(7),
  ].join(" ").trimEnd();
  const cells = columns - facts.length - 1;
  const most = Math.max(cells >> 1, 8);
  const label = width(name) > most ? `${cut(name, most - 1)}…` : name;
  const room = cells - width(label) - 3;
  if (share === undefined || room < 10) return cut(`${label} ${facts}`, columns);
  const bar = "=".repeat(Math.floor(share * room)).padEnd(room);
  return `${label} [${bar}] ${facts}`;
}

/** The beginning of a text that takes at most so many columns of a terminal. */
function cut(text: string, columns: number): string {
  const letters = [...text];
  while (letters.length > 0 && width(letters.join("")) > columns) letters.pop();
  return letters.join("");
}

/** The columns of a terminal that a text takes: 2 for a wide letter, 0 for a combining one. */
function width(text: string): number {
  const wide =
    /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
  let columns = 0;
  for (const char of text) columns += wide.test(char) ? 2 : /[\p{M}\p{Cf}]/u.test(char) ? 0 : 1;
  return columns;
}

function amount(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

function clock(seconds: number): string {
  if (seconds >= 24 * 3600) return ""; // nobody waits for that
  return new Date(seconds * 1000).toISOString().slice(11, 19).replace(/^00:0?/, "");
}

const PHASES = ["lookup", "tcp", "tls", "wait", "transfer"] as const;

/** Where the time went, as bars: one block for each exchange. */
export function timingText(timing: Timing[]): string {
  const names = ["name lookup", "TCP", "TLS", "first byte", "transfer"];
  const longest = Math.max(...timing.flatMap((hop) => PHASES.map((phase) => hop[phase] ?? 0)));
  return timing.map((hop) =>
    [
      shown(hop.url),
      ...PHASES.map((phase, at) => {
        const ms = hop[phase];
        const bar = "#".repeat(Math.round((ms ?? 0) / Math.max(longest, 0.001) * 40));
        const number = ms === null ? "?" : ms.toFixed(1);
        return `  ${names[at]!.padEnd(11)} ${number.padStart(9)} ms ${bar}`.trimEnd();
      }),
    ].join("\n")
  ).join("\n");
}

/** The object that `--json` prints for a response; README.md has its schema. */
function toJson(response: HttpResponse, more: Record<string, unknown>) {
  const headers: Record<string, string[]> = Object.create(null);
  for (const [name, value] of response.head.fields) {
    (headers[shown(name).toLowerCase()] ??= []).push(shown(value));
  }
  const { status, redirects, timing } = response;
  const statusText = shown(response.statusText);
  return { version: 1, ...more, status, statusText, headers, redirects, timing };
}

/** To stdout, unless the body is there. */
function printJson(file: string, value: unknown) {
  const rounded = (_: string, value: unknown) =>
    typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
  (file === "-" ? console.error : console.log)(JSON.stringify(value, rounded));
}

async function main(args: string[]): Promise<number> {
  const given = parseOptions(args, TAKES, FLAGS, LETTERS);
  if (given.help || given.version) {
    console.log(given.help ? HELP : `fetch.ts ${VERSION}`);
    return EXIT.ok;
  }
  const { _: urls, output: outputs } = given;
  if (urls.length === 0) {
    urls.push("http://www.sina.com.cn/");
    if (outputs.length === 0) outputs.push("sina.html");
  }
  if (outputs.length > urls.length) {
    throw new TrioError(EXIT.usage, `${outputs.length} --output for ${urls.length} URLs`);
  }
  if (given.sha256.length > 0 && given.sha256.length !== urls.length) {
    throw new TrioError(EXIT.usage, `${given.sha256.length} --sha256 for ${urls.length} URLs`);
  }
  const interrupted = new AbortController();
  const interrupt = () => {
    if (interrupted.signal.aborted) Deno.exit(EXIT.interrupted);
    interrupted.abort(new TrioError(EXIT.interrupted, "interrupted"));
  };
  Deno.addSignalListener("SIGINT", interrupt);
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", interrupt);
    Deno.addSignalListener("SIGXFSZ", () => {}); // a file size limit is an error of write then
  }
  const hosts = new Set<string>(), files = new Set<string>();
  const fail = (error: unknown) => report("fetch", error, () => grants(args, given, hosts, files));
  let code: number = EXIT.ok;
  try {
    const options: DownloadOptions = {
      ...await readOptions(given),
      signal: interrupted.signal,
      onConnect: (address) => hosts.add(address),
    };
    for (let at = 0; at < urls.length && !interrupted.signal.aborted; at++) {
      const asked = { ...options, sha256: given.sha256[at] };
      const failed = await one(urls[at]!, outputs[at], given, asked, files, fail);
      code = interrupted.signal.aborted ? failed : code || failed;
    }
  } catch (error) {
    code = fail(error);
  }
  return code;
}

/** Does one URL of the command line; returns the exit code. */
async function one(
  text: string,
  output: string | undefined,
  given: Given,
  options: DownloadOptions,
  files: Set<string>,
  fail: (error: unknown) => number,
): Promise<number> {
  let url: URL | undefined, file = output ?? "";
  try {
    url = parseUrl(text);
    if (given.head) {
      await printHead(url, given, options);
      return EXIT.ok;
    }
    file ||= fileName(url);
    if (/^\/(dev\/stdout|dev\/fd\/1|proc\/self\/fd\/1)$/.test(file)) file = "-";
    if (file !== "-" && files.has(file)) {
      throw new TrioError(EXIT.usage, `${file} is the file of another URL (-o gives names)`);
    }
    files.add(file);
    await save(url, file, given, options);
    return EXIT.ok;
  } catch (error) {
    const code = fail(error);
    if (given.json) {
      const message = printable(error instanceof Error ? error.message : String(error));
      const asked = url && withoutUser(url);
      printJson(file, { version: 1, url: asked, file, error: { code, message } });
    }
    return code;
  }
}

/** The words of `deno run` that grant what was asked for, without secrets. */
function grants(args: string[], given: Given, hosts: Set<string>, files: Set<string>): string[] {
  const names = files.size > 0 ? [...files] : [...given.output, ""];
  const folders = new Set(names.map(folderOf));
  const secrets = [
    ...given.user,
    ...given.header.map((line) =>
      /^(?:(?:proxy-)?authorization|cookie):\s*(.*)$/is.exec(line)?.[1]
    ),
    ...[...given._, ...given.proxy].map((url) =>
      /^(?:[a-z][a-z\d+.-]*:\/\/)?(.*)@/is.exec(url)?.[1]
    ),
  ].filter((secret) => secret !== undefined && secret !== "");
  const masked = (word: string) =>
    secrets.reduce<string>((text, secret) => text.replaceAll(secret!, "***"), word);
  const asked = given._.map((url) => URL.parse(withScheme(url)));
  const first = asked.flatMap((url) => url ? [`${url.hostname}:${portOf(url)}`] : []);
  const granted = [
    ["net", hosts.size > 0 ? [...hosts] : first],
    ["read", [...folders, ...given.cacert]],
    ["write", [...folders]],
  ] as const;
  const flags = granted.filter(([, names]) => names.length > 0);
  return [
    ...flags.map(([kind, names]) => `--allow-${kind}=${names.join(",")}`),
    "fetch.ts",
    ...args.map(masked),
  ];
}

function headText({ head }: HttpResponse): string {
  return head.lines.map(shown).join("\n");
}

/** `--head`: the head is all there is. */
async function printHead(url: URL, given: Given, options: DownloadOptions) {
  const say = (text: string) => console.error(text);
  const onDialogue = given.verbose ? say : undefined;
  const end = performance.now() + (options.maxTime ?? Infinity) * 1000;
  await retrying({ ...options, onRetry: retryTold(given, say) }, end, async () => {
    const maxTime = (end - performance.now()) / 1000;
    using response = await request(url, { ...options, maxTime, onDialogue });
    const known = { url: withoutUser(url), finalUrl: response.url };
    if (!given.json) console.log(headText(response));
    if (given.timing) console.error(timingText(response.timing));
    if (response.status >= 400 && options.fail) throw statusError(response);
    if (given.json) printJson("", toJson(response, known));
  });
}

/** Says that something is tried again. */
function retryTold({ silent }: Given, say: (text: string) => void): DownloadOptions["onRetry"] {
  return silent
    ? undefined
    : (error, seconds) => say(printable(`fetch: ${error.message}; trying again in ${seconds} s`));
}

/** Downloads one URL and says so. */
async function save(url: URL, file: string, given: Given, options: DownloadOptions) {
  const { json, silent, verbose } = given;
  const progress: Progress = { bytes: 0, resumed: 0 };
  let done: Download;
  {
    // not over a body that goes to the terminal itself
    const hidden = silent || file === "-" && Deno.stdout.isTerminal();
    using line = hidden ? undefined : new ProgressLine(printable(file), progress);
    const say = (text: string) => {
      line?.wipe();
      console.error(text);
    };
    done = await download(url, {
      ...options,
      output: file,
      progress,
      onDialogue: verbose ? say : undefined,
      onHead(response) {
        if (silent || json) return;
        line?.wipe();
        (file === "-" ? console.error : console.log)(headText(response));
      },
      onRetry: retryTold(given, say),
    });
  }
  const { response, bytes, sha256, attempts, seconds } = done;
  if (json) {
    const known = { url: withoutUser(url), finalUrl: response.url, file, bytes, sha256, attempts };
    printJson(file, toJson(response, known));
  }
  if (given.timing) console.error(timingText(response.timing));
  if (!silent) {
    const where = file === "-" ? "to stdout" : printable(file);
    // toLocaleString would take 13 ms to load what it knows of languages
    const size = `${bytes}`.replace(/\B(?=(\d{3})+$)/g, ",") + " bytes";
    const did = response.status === 304 ? "not modified: kept" : "saved";
    console.error(`${did} ${where} (${size} in ${seconds.toFixed(2)} s)`);
  }
}

if (import.meta.main) {
  Deno.exit(await main(Deno.args).catch((error) => report("fetch", error, () => ["fetch.ts"])));
}
