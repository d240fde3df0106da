/**
 * An HTTP/1.1 downloader over `Deno.connect` and `Deno.startTls`, read from top to bottom:
 *
 * 1. Options and results: the table of options, and what the library takes and gives.
 * 2. One exchange: a connection, one request on it, its response.
 * 3. A request: redirects, cookies, the response as the library has it.
 * 4. The output: stdout, a file that is written to, or FILE.part that becomes FILE.
 * 5. A download: asking, judging the answer, going on, starting over, trying again.
 * 6. The terminal: the progress line.
 * 7. The command line.
 *
 * What can be said without touching the world is in protocol/.
 *
 * ```sh
 * deno run --allow-net --allow-write fetch.ts                 # the tutorial's page
 * deno task fetch -C -o big.iso https://example.com/big.iso   # go on where it broke
 * ```
 *
 * As a library, {@linkcode request} gives the response to one URL and {@linkcode download} saves it
 * to a file. {@linkcode ResponseReader} is the protocol alone: bytes in, bytes out, no I/O.
 *
 * Not supported: HTTP/0.9, HTTP/2, upgrades, request bodies, HTTPS proxies.
 *
 * @module
 */
import {
  abortable,
  type Address,
  anyText,
  COMMON,
  Deadline,
  decimal,
  EXIT,
  explain,
  helpText,
  hostPort,
  interruption,
  jsonLine,
  MAX_TIMER_S,
  type OptionTable,
  type Parsed,
  parseOptions,
  pathNeeds,
  printable,
  printOnly,
  readAll,
  readUntilEof,
  report,
  runScript,
  type Script,
  type Sink,
  sleep,
  type Source,
  stderr,
  stdout,
  systemReason,
  TransientError,
  TrioError,
  unbracketed,
  usageError,
  type Value,
  VERSION,
  whole,
  writeAll,
} from "./mod.ts";
import type { Checksum, RunningSum } from "./protocol/checksums.ts";
import { CookieJar } from "./protocol/cookies.ts";
import { fileName, folderOf, partName, pathOf, plainPath, safeName } from "./protocol/file_name.ts";
import {
  checkCodings,
  codingsIn,
  cutShort,
  type Head,
  malformed,
  valueOf,
  valuesOf,
} from "./protocol/head.ts";
import { parseHttpDate } from "./protocol/http_date.ts";
import type { Piece, Pieces } from "./protocol/pieces.ts";
import {
  grouped,
  type Progress,
  progressText,
  sumOf,
  type Timing,
  timingText,
} from "./protocol/progress.ts";
import { proxyFor } from "./protocol/proxies.ts";
import type { RateLimit } from "./protocol/rate.ts";
import {
  connectLines,
  CONTENT_CODINGS,
  type HeaderInput,
  headerLines,
  headerOf,
  HttpUrl,
  maskedLine,
  parseUrl,
  portOf,
  type Redirect,
  redirectTarget,
  requestBytes,
  requestLines,
  SECRET_HEADER,
  shown,
  tooManyRedirects,
  USER_AGENT,
  userinfo,
  withoutSecretHeaders,
  withoutUser,
  withScheme,
} from "./protocol/request.ts";
import { type Framing, ResponseReader } from "./protocol/response.ts";
import { pauseBefore, statusError } from "./protocol/retry.ts";
import {
  firstGap,
  type ForeignFile,
  isContinuable,
  judge,
  judgeForeign,
  parseRecord,
  type Question,
  recordOf,
  repeats,
  type Rest,
  type Span,
  validatorOf,
  type VersionRecord,
} from "./protocol/resume.ts";
export { EXIT, TransientError, TrioError } from "./mod.ts";
export { fileName } from "./protocol/file_name.ts";
export { type Head, parseHead } from "./protocol/head.ts";
export {
  type Progress,
  progressText,
  type Timing,
  timingText,
  type Width,
} from "./protocol/progress.ts";
export { bypassesProxy } from "./protocol/proxies.ts";
export type { RateLimit } from "./protocol/rate.ts";
export { type HeaderInput, HttpUrl, parseUrl, type Redirect } from "./protocol/request.ts";
export { type Framing, framing, ResponseReader } from "./protocol/response.ts";
export { type Checksum } from "./protocol/checksums.ts";
export { type FailedAnswer, statusError } from "./protocol/retry.ts";
export { CookieJar } from "./protocol/cookies.ts";

// --- Options and results -----------------------------------------------------

const SECONDS = decimal("S", 0.001, MAX_TIMER_S);
const COUNT = whole("N", 0, 1_000_000);
const CONNECTIONS = whole("N", 1, 64);
const PATH = anyText("FILE", "a file name");

const SIZE: Value<number> = {
  name: "SIZE",
  takes: "a number of bytes, perhaps with K, M or G",
  parse(text) {
    const [, digits, unit = ""] = /^(\d{1,12})([KMG]?)$/i.exec(text) ?? [];
    return digits ? Number(digits) * 1024 ** " KMG".indexOf(unit.toUpperCase()) : undefined;
  },
};

const RANGE: Value<string> = {
  name: "A-B",
  takes: "one range of bytes, like 0-99, 100- or -5",
  parse(text) {
    const [, first = "", last = ""] = /^(\d{0,15})-(\d{0,15})$/.exec(text) ?? [];
    const right = first === "" ? Number(last) > 0 : last === "" || Number(first) <= Number(last);
    return right ? text : undefined;
  },
};

const SHA256: Value<string> = {
  name: "HEX",
  takes: "64 hex digits",
  parse: (text) => /^[\da-f]{64}$/i.test(text) ? text : undefined,
};

/** The options of the command line, and what holds without them. */
const OPTIONS = {
  output: {
    group: "Output",
    letter: "o",
    value: anyText("FILE", "a file name, or - for stdout"),
    many: true,
    help: "the file, - is stdout (the last part of the URL)",
  },
  "output-dir": {
    value: anyText("DIR", "a folder"),
    help: "the folder for the files, made if missing",
  },
  "remote-name": { letter: "J", help: "the name that the server gives (Content-Disposition)" },
  continue: { letter: "C", help: "go on where a partial file ends; also -C -" },
  range: { letter: "r", value: RANGE, help: "these bytes only" },
  "no-clobber": { help: "fail rather than replace a file" },
  "remote-time": { letter: "R", help: "give the file the server's time" },
  "max-filesize": { value: SIZE, help: "fail if it gets larger: 100K, 5M, 2G" },
  sha256: { value: SHA256, many: true, help: "check the file before it takes its name" },
  checksum: {
    value: anyText("FILE", "a list of checksums, a file or a URL"),
    help: "the same, from a sha256sum or sha512sum list or URL",
  },
  "input-file": {
    group: "URLs",
    letter: "i",
    value: anyText("FILE", "a file of URLs, or - for stdin"),
    many: true,
    help: "more URLs, one a line",
  },
  parallel: { letter: "j", value: CONNECTIONS, default: 1, help: "so many URLs at a time" },
  connections: { value: CONNECTIONS, default: 1, help: "so many connections for one file" },
  "limit-rate": { value: SIZE, help: "bytes a second, over all connections" },
  header: {
    group: "Request",
    letter: "H",
    value: anyText("LINE", 'a line "Name: value", or @FILE'),
    many: true,
    help: "an extra header line; @FILE has some",
  },
  head: { letter: "I", help: "ask for the head only and print it" },
  user: {
    letter: "u",
    value: { ...anyText("USER[:PASS]", "USER:PASS, or USER to be asked"), secret: true },
    help: "Basic authentication",
  },
  "netrc-file": { value: PATH, help: "credentials by host, in netrc form" },
  "user-agent": {
    letter: "A",
    value: anyText("TEXT", "a text"),
    default: USER_AGENT,
    help: "the User-Agent",
  },
  compressed: { help: "ask for gzip, deflate, br or zstd and decode it" },
  "max-redirs": { value: COUNT, default: 20, help: "how many redirects to follow" },
  "no-location": { help: "follow none" },
  "no-fail": { help: "save the body of a 400 or more and exit 0" },
  proxy: {
    group: "Connection",
    letter: "x",
    value: { ...anyText("URL", "the URL of a proxy"), secret: true },
    help: "http, socks5 (http_proxy, all_proxy, no_proxy, …)",
  },
  cacert: { value: PATH, many: true, help: "trust these PEM certificates too" },
  "connect-timeout": { value: SECONDS, default: 30, help: "from name lookup to TLS" },
  "stall-timeout": { value: SECONDS, default: 60, help: "while no byte arrives" },
  "max-time": { value: SECONDS, help: "for everything (none)" },
  retry: { value: COUNT, default: 3, help: "retries of what may pass" },
  timing: { group: "Messages", help: "where the time went" },
  json: { help: "one JSON object on stdout instead of the head" },
  quiet: { letter: "q", help: "errors only" },
  silent: { letter: "s", help: "the same" },
  verbose: { letter: "v", help: "the dialogue" },
  ...COMMON,
  location: { group: "As with curl, and done anyway", letter: "L", help: "follow redirects" },
  "remote-name-all": { letter: "O", help: "name files after their URLs" },
  fail: { letter: "f", help: "fail with a status of 400 or more" },
  "show-error": { letter: "S", help: "say what failed" },
  insecure: { letter: "k", help: "refused: see --cacert" },
} as const satisfies OptionTable;

/** How {@linkcode request} asks, and how long it waits. Times are seconds. */
export interface RequestOptions {
  /** The method: GET if not given. */
  method?: "GET" | "HEAD";
  /**
   * Header fields, as an object, as `Headers`, or as lines: `Name: value` sets, `Name:` removes,
   * `Name;` sends none.
   */
  headers?: HeaderInput;
  /** `USER:PASS` for Basic authentication; goes before userinfo in the URL. */
  user?: string | undefined;
  /** Gives `USER:PASS` for a host, and for the user of the URL if that has one, but no password. */
  credentials?: ((hostname: string, user?: string) => string | undefined) | undefined;
  /** The User-Agent: `tcp-trio/VERSION` if not given. */
  userAgent?: string | undefined;
  /** URL of the proxy (http, socks5 or socks5h), or one for each scheme. */
  proxy?: string | { http?: string; https?: string } | undefined;
  /** Hosts that are reached without proxy, see {@linkcode bypassesProxy}. */
  noProxy?: string | undefined;
  /** Certificates in PEM form that are trusted beside the usual ones. */
  caCerts?: string[];
  /** Asks for gzip, deflate, br or zstd, and decodes what comes. */
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
  /** Asks for these bytes only, like `0-99`. */
  range?: string | undefined;
  /** The validator that makes `range` count: an ETag or an HTTP date. */
  ifRange?: string | undefined;
  /** Keeps the cookies that answers set; those of one call only, if not given. */
  cookies?: CookieJar;
  /** Measures the name lookup too, by a lookup of its own, where all of the network is granted. */
  timing?: boolean;
  /** Ends it at any moment, with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Is told each `host:port` before it is connected to. */
  onConnect?: ((address: string) => void) | undefined;
  /** Is told the dialogue in curl's `>`, `<` and `*` lines, secrets masked. */
  onDialogue?: ((line: string) => void) | undefined;
}

/** What {@linkcode download} does beside asking. */
export interface DownloadOptions extends RequestOptions {
  /** The file; `-` is stdout. Else {@linkcode fileName} of the URL. */
  output?: string | undefined;
  /** The folder for the file, made if missing. */
  outputDir?: string | undefined;
  /** Takes the name that the server gives, if it does (RFC 6266). */
  remoteName?: boolean;
  /** Goes on where a partial file ends. */
  resume?: boolean;
  /** Replaces a file that is there (true). */
  clobber?: boolean;
  /** The most bytes that are written. */
  maxFilesize?: number | undefined;
  /** So many connections for one file, where the server has ranges and a validator (1). */
  connections?: number;
  /** The most bytes a second; several downloads may share one. */
  limitRate?: number | RateLimit | undefined;
  /** How often what may pass is tried again (3). */
  retry?: number;
  /** The SHA-256 of the file, in hex; it is checked before FILE is replaced. */
  sha256?: string | undefined;
  /** The same with another algorithm, or found by the file's name or the URL. */
  checksum?: Checksum | ((file: string, url: URL) => Checksum) | undefined;
  /** Whether status 400 or more is an error (true). */
  fail?: boolean;
  /** Gives the file the time of Last-Modified. */
  remoteTime?: boolean;
  /** The files of other downloads, which this one's may not be; it is added. */
  taken?: Set<string>;
  /** Is told the response once its final head is there. */
  onHead?: ((response: HttpResponse) => void | Promise<void>) | undefined;
  /** Is told what failed and how many seconds pass until the next try. */
  onRetry?: ((error: TrioError, seconds: number) => void) | undefined;
  /** Is kept up to date: bytes in the file, and of how many if known. */
  progress?: Progress;
}

/** What {@linkcode download} did. */
export interface Download {
  /** The response whose body completed the file. */
  response: HttpResponse;
  /** The file, or `-` for stdout. */
  file: string;
  /** The file's size in bytes. */
  bytes: number;
  /** Its checksum, when that was asked for. */
  checksum: Checksum | undefined;
  /** How many tries it took. */
  attempts: number;
  /** How long it took, in seconds. */
  seconds: number;
}

/** @throws {TrioError} with code 2 if an option is of a wrong type, as it may be in JavaScript. */
function checkTypes(options: DownloadOptions) {
  const numbers = [
    "connectTimeout",
    "stallTimeout",
    "maxTime",
    "maxRedirects",
    "maxFilesize",
    "connections",
    "retry",
  ] as const;
  for (const name of numbers) {
    const value: unknown = options[name];
    if (value !== undefined && !(typeof value === "number" && value >= 0)) {
      throw usageError(`${name} is a number, not ${JSON.stringify(value) ?? typeof value}`);
    }
  }
}

// --- One exchange ------------------------------------------------------------

/** What an exchange needs to know, all secrets for another origin taken out. */
interface ExchangeOptions extends Omit<RequestOptions, "headers"> {
  headers: readonly string[];
  cookie: string | undefined;
}

function timedLookup(hostname: string): { ms: number | null } & Disposable {
  const controller = new AbortController();
  const started = performance.now();
  const lookup = {
    ms: /^[\d.]+$|:/.test(hostname) ? 0 : null as number | null,
    [Symbol.dispose]: () => controller.abort(),
  };
  // where not all of the network is granted, the name server would be asked for
  if (lookup.ms === null && Deno.permissions.querySync({ name: "net" }).state === "granted") {
    Deno.resolveDns(hostname, "A", { signal: controller.signal }).then(
      () => lookup.ms = performance.now() - started,
      () => {}, // names from elsewhere than DNS: then it counts to the connection
    );
  }
  return lookup;
}

async function readExactly(conn: Deno.Conn, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const n = await conn.read(bytes.subarray(at));
    if (n === null) throw new Error("it closed the connection");
    at += n;
  }
  return bytes;
}

function unlessBroken(error: unknown) {
  const { BrokenPipe, ConnectionReset } = Deno.errors;
  if (!(error instanceof BrokenPipe || error instanceof ConnectionReset)) throw error;
}

/**
 * A connection, one request on it, and its response. It owns the connection: whatever ends the
 * exchange (its limits, the caller's signal, an error, the end of the body) closes it, which is
 * the one way to cancel a read.
 */
class Exchange implements Source, Disposable {
  /** Where the time went. */
  readonly timing: Timing;
  /** The final head, once it has come. */
  head!: Head;
  /** The length of the body in bytes, if it is known before. */
  length: number | undefined;
  readonly #url: HttpUrl;
  readonly #options: ExchangeOptions;
  readonly #proxy: HttpUrl | undefined;
  readonly #deadline: Deadline;
  #conn: Deno.Conn | undefined;
  #reader = new ResponseReader("GET");
  /** Bytes of the body that came with the head. */
  #early: Uint8Array = new Uint8Array();
  #body: Source | undefined;
  #bodyStarted = 0;

  constructor(url: HttpUrl, options: ExchangeOptions) {
    this.#url = url;
    this.#options = options;
    this.#proxy = proxyFor(url, options);
    this.timing = { url: withoutUser(url), lookup: null, tcp: 0, tls: 0, wait: 0, transfer: 0 };
    this.#deadline = new Deadline(options.signal);
    this.#deadline.signal.addEventListener("abort", () => this.#closeConnection());
  }

  /** Sends the request and reads the final head. */
  async ask(): Promise<void> {
    const { method = "GET", compressed } = this.#options, stallTimeout = this.#stallTimeout;
    const proxy = this.#url.protocol === "http:" && this.#proxy?.protocol === "http:"
      ? this.#proxy
      : undefined;
    const tunnelled = this.#proxy !== undefined && proxy === undefined;
    const lines = requestLines(this.#url, { ...this.#options, tunnelled }, proxy);
    await this.#connect();
    const started = performance.now();
    const waiting = () =>
      this.#limit(
        stallTimeout,
        "stall",
        `no reply from ${this.#url.host} within ${stallTimeout} s`,
      );
    this.#early = await this.#converse(method, lines, new Uint8Array(64 * 1024), waiting);
    this.#deadline.clear();
    this.timing.wait = performance.now() - started;
    this.#bodyStarted = performance.now();
    await this.#prepareBody(this.#reader.framing!, compressed ?? false);
  }

  /** Reads up to `p.length` bytes of the body, all codings undone; `null` at its end. */
  async read(p: Uint8Array): Promise<number | null> {
    return await this.#body!.read(p);
  }

  /** Closes the connection, in whatever it is doing. */
  [Symbol.dispose]() {
    this.#deadline[Symbol.dispose]();
    this.#closeConnection();
  }

  // Opening the connection

  /** Connects to the URL's host, or through its proxy, and starts TLS for https. */
  async #connect() {
    const { connectTimeout = OPTIONS["connect-timeout"].default } = this.#options;
    const { onDialogue, onConnect } = this.#options;
    const tls = this.#url.protocol === "https:";
    const late = `no connection to ${this.#url.host} within ${connectTimeout} s`;
    this.#limit(connectTimeout, "connect", late);
    const via = this.#proxy ?? this.#url;
    const address = { hostname: unbracketed(via.hostname), port: portOf(via) };
    onConnect?.(hostPort(address));
    onDialogue?.(`* Connecting to ${hostPort(address)}`);
    await this.#open(address);
    const connected = performance.now();
    onDialogue?.(`* Connected to ${hostPort(address)}`);
    if (this.#proxy?.protocol.startsWith("socks5")) await this.#throughSocks(this.#proxy);
    else if (this.#proxy && tls) await this.#throughTunnel(this.#proxy);
    if (tls) await this.#startTls();
    if (tls || this.#proxy) this.timing.tls = performance.now() - connected;
  }

  async #open(address: Address) {
    const started = performance.now();
    // a lookup beside the connection's own: it takes no time from it
    using lookup = this.#options.timing ? timedLookup(address.hostname) : undefined;
    const { signal } = this.#deadline;
    try {
      this.#conn = await this.#wait(Deno.connect({ ...address, signal }));
    } catch (error) {
      throw this.#connectError(error, address);
    }
    if (signal.aborted) this.#closeConnection();
    this.timing.lookup = lookup?.ms ?? null;
    this.timing.tcp = performance.now() - started - (this.timing.lookup ?? 0);
  }

  #connectError(error: unknown, address: Address): unknown {
    if (this.#deadline.signal.aborted || error instanceof Deno.errors.NotCapable) return error;
    const who = this.#proxy ? "proxy " : "", options = { cause: error };
    // the runtime has no class of its own for a failed lookup
    if (error instanceof Error && error.name === "Error") {
      const code = this.#proxy ? EXIT.proxyLookup : EXIT.lookup;
      return new TrioError(code, `cannot resolve ${who}${address.hostname}`, options);
    }
    const text = `cannot connect to ${who}${hostPort(address)}: ${systemReason(error)}`;
    return error instanceof Deno.errors.TimedOut
      ? new TransientError(EXIT.timeout, text, options)
      : new TrioError(EXIT.connect, text, options);
  }

  /** Asks a SOCKS5 proxy, which resolves the name, for a connection (RFC 1928). */
  async #throughSocks(proxy: HttpUrl) {
    const [name, password = ""] = userinfo(proxy)?.split(/:(.*)/s) ?? [];
    const user = name ? { name, password } : undefined;
    const target = { hostname: unbracketed(this.#url.hostname), port: portOf(this.#url) };
    this.#options.onDialogue?.(`* SOCKS5 to ${hostPort(target)}`);
    const { socks5 } = await import("./protocol/socks5.ts");
    const dialogue = socks5(target, user);
    await this.#ofProxy(proxy, async (conn) => {
      for (let step = dialogue.next(); !step.done;) {
        await writeAll(conn, step.value.send);
        step = dialogue.next(await readExactly(conn, step.value.read));
      }
    });
  }

  /** Asks a proxy for a tunnel (RFC 9110 section 9.3.6). */
  async #throughTunnel(proxy: HttpUrl) {
    const authority = `${this.#url.hostname}:${portOf(this.#url)}`;
    const lines = connectLines(authority, this.#options, proxy);
    // one byte a read: what follows the head belongs to TLS
    await this.#ofProxy(proxy, () => this.#converse("CONNECT", lines, new Uint8Array(1)));
    const { status, statusText } = this.#reader.head!;
    if (status > 299) {
      const text = `proxy ${proxy.host} refused the tunnel to ${authority}`;
      throw new TrioError(EXIT.broken, `${text}: ${status} ${shown(statusText)}`);
    }
  }

  /** Does what concerns the proxy; what breaks there is not the server's. */
  async #ofProxy(proxy: HttpUrl, task: (conn: Deno.Conn) => Promise<unknown>) {
    try {
      await this.#wait(task(this.#conn!));
    } catch (error) {
      this.#deadline.signal.throwIfAborted();
      const [code, why] = error instanceof TrioError
        ? [error.code === EXIT.connect ? EXIT.connect : EXIT.broken, error.message]
        : [EXIT.broken, systemReason(error)];
      throw new TrioError(code, `proxy ${proxy.host}: ${why}`, { cause: error });
    }
  }

  /** Starts TLS and completes the handshake. */
  async #startTls() {
    const { caCerts = [], onDialogue } = this.#options;
    const hostname = unbracketed(this.#url.hostname), alpnProtocols = ["http/1.1"];
    try {
      const tcp = this.#conn as Deno.TcpConn;
      const tls = await this.#wait(Deno.startTls(tcp, { hostname, caCerts, alpnProtocols }));
      this.#conn = tls;
      if (this.#deadline.signal.aborted) this.#closeConnection();
      const { alpnProtocol } = await this.#wait(tls.handshake());
      onDialogue?.(`* TLS with ${this.#url.host}, ALPN ${alpnProtocol ?? "none"}`);
    } catch (error) {
      this.#deadline.signal.throwIfAborted();
      const { tlsError } = await import("./protocol/tls.ts");
      throw tlsError(error, this.#url.host);
    }
  }

  // Sending the request, receiving the head

  /** Sends the lines and reads the head; returns the bytes of the body that came with it. */
  async #converse(
    method: string,
    lines: string[],
    buffer: Uint8Array,
    waiting: () => void = () => {},
  ): Promise<Uint8Array> {
    const { onDialogue } = this.#options;
    onDialogue?.([...lines, ""].map((line) => `> ${maskedLine(line)}`.trimEnd()).join("\n"));
    waiting();
    const bytes = requestBytes(lines);
    // a peer may answer and close before it has read the request: its answer counts
    await this.#wait(writeAll(this.#conn!, bytes).catch(unlessBroken));
    const reader = this.#reader = new ResponseReader(method);
    reader.onInterim = (head) => {
      this.#tellHead(head);
      waiting();
    };
    let kept = 0;
    while (!reader.head) kept = await this.#receive(buffer);
    this.head = reader.head;
    this.#tellHead(reader.head);
    return buffer.subarray(0, kept);
  }

  #tellHead({ lines }: Head) {
    const text = [...lines, ""].map((line) => `< ${shown(line)}`.trimEnd()).join("\n");
    this.#options.onDialogue?.(text);
  }

  // Receiving the body

  async #prepareBody(framing: Framing, compressed: boolean) {
    const codings = [...framing.codings];
    if (compressed && framing.kind !== "none") {
      codings.unshift(...codingsIn(this.head, "content-encoding"));
      checkCodings(codings, CONTENT_CODINGS);
    }
    const coded: Source = { read: (p) => this.#readCoded(p) };
    this.#body = coded;
    if (codings.length > 0) {
      const { decoded } = await import("./protocol/coding.ts");
      this.#body = decoded(coded, codings);
    }
    if (codings.length === 0 && framing.kind === "length") this.length = framing.length;
  }

  /** Reads up to `p.length` bytes of the body, its framing removed; codings are still on it. */
  async #readCoded(p: Uint8Array): Promise<number | null> {
    if (this.#early.length > 0) {
      const n = Math.min(this.#early.length, p.length);
      p.set(this.#early.subarray(0, n));
      this.#early = this.#early.subarray(n);
      return n;
    }
    const stallTimeout = this.#stallTimeout;
    while (!this.#reader.done) {
      this.#limit(stallTimeout, "stall", `no byte of the body within ${stallTimeout} s`);
      const n = await this.#receive(p);
      this.#deadline.clear(); // until the next read, it is the reader who is waited for
      if (n > 0) return n;
    }
    this.timing.transfer = performance.now() - this.#bodyStarted;
    return null;
  }

  /** One read into `p`: how many bytes of the body are there now. */
  async #receive(p: Uint8Array): Promise<number> {
    let n: number | null = null, clean = true;
    try {
      n = await this.#wait(this.#conn!.read(p));
    } catch (error) {
      this.#deadline.signal.throwIfAborted();
      clean = false;
      if (!(error instanceof Deno.errors.UnexpectedEof)) {
        const text = `the connection broke: ${systemReason(error)}`;
        throw new TransientError(EXIT.broken, text, { cause: error });
      }
    }
    if (n !== null) return this.#reader.take(p, 0, n);
    this.#reader.eof(clean);
    return 0;
  }

  // Ending it

  get #stallTimeout(): number {
    return this.#options.stallTimeout ?? OPTIONS["stall-timeout"].default;
  }

  #limit(seconds: number, topic: string, what: string) {
    const reason = () => new TransientError(EXIT.timeout, `timed out: ${what}`, { topic });
    this.#deadline.set(seconds, reason);
  }

  /** Waits for `pending`; when it is time, throws the reason instead. */
  async #wait<T>(pending: Promise<T>): Promise<T> {
    try {
      return await pending;
    } catch (error) {
      this.#deadline.signal.throwIfAborted();
      throw error;
    }
  }

  #closeConnection() {
    try {
      this.#conn?.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed
    }
  }
}

// --- A request ---------------------------------------------------------------

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
  readonly #exchange: Exchange;
  readonly #deadline: Deadline;
  #body: ReadableStream<Uint8Array> | undefined;

  /** Made by {@linkcode request}. */
  constructor(
    owned: { exchange: Exchange; deadline: Deadline },
    /** The final URL, without userinfo. */
    readonly url: string,
    /** The redirects that led there. */
    readonly redirects: Redirect[],
    /** Where the time of each exchange went. */
    readonly timing: Timing[],
  ) {
    this.#exchange = owned.exchange;
    this.#deadline = owned.deadline;
    this.head = this.#exchange.head;
    this.length = this.#exchange.length;
    this.status = this.head.status;
    this.statusText = this.head.statusText;
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
      const n = await this.#exchange.read(p);
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
    this.#exchange[Symbol.dispose]();
    this.#deadline[Symbol.dispose]();
  }

  /** Closes the connection. */
  [Symbol.dispose]() {
    this.close();
  }
}

/** The limit for everything, which the caller's signal ends too. */
function totalDeadline({ signal, maxTime }: RequestOptions): Deadline {
  const deadline = new Deadline(signal);
  if (maxTime !== undefined) {
    const text = `timed out: not done within ${maxTime} s`;
    deadline.set(maxTime, () => new TrioError(EXIT.timeout, text, { topic: "max-time" }));
  }
  return deadline;
}

/** Who asks: what was given is for the first origin, what a URL has for its own. */
function userFor(target: URL, first: URL, { user, credentials }: RequestOptions) {
  const isFirst = target.origin === first.origin;
  if (isFirst && user !== undefined) return user;
  const known = (isFirst ? userinfo(first) : undefined) ?? userinfo(target);
  const [, alone] = /^([^:]+):$/.exec(known ?? "") ?? []; // a user without password
  if (known !== undefined && alone === undefined) return known;
  return credentials?.(unbracketed(target.hostname), alone) ?? known;
}

/**
 * Requests `url` and follows redirects (RFC 9110 section 15.4). Deno 2.9 leaves the socket of a
 * TLS handshake that is aborted open until the peer closes it or the process ends.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
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
  checkTypes(options);
  const first = url instanceof HttpUrl ? url : parseUrl(String(url));
  const headers = headerLines(options.headers), { cookies = new CookieJar() } = options;
  const redirects: Redirect[] = [], timing: Timing[] = [];
  const deadline = totalDeadline(options);
  const { maxRedirects = OPTIONS["max-redirs"].default } = options;
  let exchange: Exchange | undefined;
  try {
    for (let target = first;;) {
      exchange = new Exchange(target, {
        ...options,
        headers: target.origin === first.origin ? headers : withoutSecretHeaders(headers),
        user: userFor(target, first, options),
        cookie: cookies.header(target, new Date()),
        signal: deadline.signal,
      });
      await exchange.ask();
      const { head } = exchange;
      timing.push(exchange.timing);
      cookies.set(target, valuesOf(head, "set-cookie"), new Date());
      const next = options.follow === false ? undefined : redirectTarget(target, head);
      if (!next) {
        return new HttpResponse({ exchange, deadline }, withoutUser(target), redirects, timing);
      }
      exchange[Symbol.dispose]();
      const from = withoutUser(target), to = withoutUser(next);
      if (redirects.length >= maxRedirects) throw tooManyRedirects(maxRedirects, redirects, head);
      redirects.push({ status: head.status, from, to });
      options.onDialogue?.(`* ${head.status}: following to ${to}`);
      target = next;
    }
  } catch (error) {
    exchange?.[Symbol.dispose]();
    deadline[Symbol.dispose]();
    throw error;
  }
}

// --- The output --------------------------------------------------------------

/** What is worth a write of its own while the disk is idle, in bytes. */
const WRITE_SIZE = 256 * 1024;

/** Where the body goes: bytes of one version, from the first on. */
interface Output {
  /** FILE, all links followed where one may look. */
  readonly target: string;
  /** The file that has the bytes, for people. */
  readonly path: string;
  /** How many bytes of the version are in it. */
  readonly size: number;
  /** Which version they are of; none if nothing of them may be continued. */
  readonly record: VersionRecord | undefined;
  /** A file of another program that may be a part of what is asked for. */
  readonly foreign: ForeignFile | undefined;
  /** Whether what was written can be taken back. */
  readonly restartable: boolean;
  /** Whether FILE is there, as far as one may look. */
  readonly isThere: boolean;
  /** How many bytes are worth a write of their own. */
  readonly worthWriting: number;
  /** Forgets record and size; the bytes stay until others come. */
  forget(): void;
  /** Makes it ready for the bytes of this version, from the first on. */
  restart(record: VersionRecord): Promise<void>;
  /** Makes it ready for the bytes behind those that are there. */
  proceed(): Promise<void>;
  /** Adds bytes of the body. */
  write(bytes: Uint8Array): Promise<void>;
  /** The body is complete: checks it and gives it its name, in one act. */
  commit(): Promise<void>;
  /** Checks FILE as it is, without a body. */
  check?(): Promise<void>;
  /** Leaves what came for a later run, if that can go on with it. */
  keep(): void;
}

/** What an output needs to know. */
interface OutputOptions {
  clobber: boolean;
  resume: boolean;
  url: string;
  /** Adds up the bytes, if a checksum is expected. */
  sum: RunningSum | undefined;
  remoteTime: boolean;
  signal: AbortSignal;
}

/** What `look` gives; `undefined` if it is not there. */
function found<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function cannotWrite(path: string, why: unknown, topic?: string): Error {
  if (why instanceof Deno.errors.NotCapable) {
    if (!why.message.includes("all access")) return why;
    const text = `${path} is under /dev, which Deno opens only with --allow-all`;
    return new TrioError(EXIT.permission, text, { cause: why });
  }
  const reason = typeof why === "string" ? why : systemReason(why);
  return new TrioError(EXIT.write, `cannot write ${path}: ${reason}`, { cause: why, topic });
}

function isThere(path: string): Error {
  return cannotWrite(path, "it is there already");
}

/** Whether it is written to as it is: nothing stands beside it. */
function isDevice(path: string): boolean {
  return path.startsWith("/dev/");
}

const bodyToStdout: Sink = {
  write(bytes) {
    if (Deno.stdout.isTerminal() && bytes.includes(0)) {
      throw cannotWrite("stdout", "binary data would mess up the terminal", "terminal");
    }
    return stdout.write(bytes);
  },
};

/** Writes a file of our own; a link that has its name is not followed, but replaced. */
function writeNew(path: string, text: string) {
  found(() => Deno.removeSync(path));
  Deno.writeTextFileSync(path, text, { createNew: true, mode: 0o600 });
}

/** What is nice to have and refused is no failure. */
function optional(act: () => void) {
  try {
    act();
  } catch {
    // another owner's file, a file system without times or modes
  }
}

/** Closes a file that may be locked. */
function release(file: Deno.FsFile) {
  // a process that is just being started has a copy of the descriptor, and the lock with it
  optional(() => file.unlockSync());
  file.close();
}

/** Gives a file the Last-Modified of its version, if there is one. */
function giveRemoteTime(file: Deno.FsFile | undefined, record: VersionRecord | undefined) {
  const modified = parseHttpDate(record?.lastModified ?? "", new Date());
  if (modified) optional(() => file?.utimeSync(modified, modified));
}

/** stdout, a device or a pipe, or a file that may be written but not looked at. */
class DirectOutput implements Output {
  size = 0;
  record: VersionRecord | undefined;
  readonly foreign = undefined;
  readonly isThere = false;
  #sink: Sink | undefined;
  /** The sink, if it is a regular file. */
  #file: Deno.FsFile | undefined;

  constructor(readonly name: string, readonly options: OutputOptions) {}

  get path() {
    return this.name === "-" ? "stdout" : this.name;
  }

  get target() {
    return this.name;
  }

  get restartable() {
    return this.size === 0 || this.#file !== undefined;
  }

  /** A pipe gets what came at once: somebody may read along. */
  get worthWriting() {
    return this.#file ? WRITE_SIZE : 1;
  }

  forget() {
    this.record = undefined;
    if (this.#file) this.size = 0;
  }

  async restart(record: VersionRecord) {
    this.size = 0;
    this.record = record;
    await this.options.sum?.start();
    this.#sink ??= await this.#open();
    try {
      this.#file?.truncateSync(0);
      this.#file?.seekSync(0, Deno.SeekMode.Start);
    } catch (error) {
      if (!(error instanceof TypeError)) throw cannotWrite(this.path, error);
      this.#file = undefined; // EINVAL: a device or a pipe is written to as it is
    }
  }

  async #open(): Promise<Sink> {
    if (this.name === "-") return bodyToStdout;
    const options = { write: true, create: true, createNew: !this.options.clobber };
    const opening = Deno.open(this.name, options);
    try {
      // nobody may ever read from a pipe
      this.#file = await this.#io(abortable(opening, this.options.signal));
    } catch (error) {
      opening.then((file) => file.close(), () => {}); // should it be opened later
      throw error;
    }
    if (!isDevice(this.name) && !this.#file.tryLockSync(true)) {
      throw cannotWrite(this.name, "another run is writing it");
    }
    return this.#file;
  }

  async proceed() {}

  async write(bytes: Uint8Array) {
    for (let rest = bytes; rest.length > 0;) { // what came before a write that fails counts
      const written = this.#sink!.write(rest);
      // a pipe may take nothing for ever; what goes to a file is waited for, or it comes late
      const n = await this.#io(this.#file ? written : abortable(written, this.options.signal));
      this.options.sum?.add(rest.subarray(0, n));
      this.size += n;
      rest = rest.subarray(n);
    }
  }

  // deno-lint-ignore require-await
  async commit() {
    this.options.signal.throwIfAborted();
    this.options.sum?.check();
    if (this.options.remoteTime) giveRemoteTime(this.#file, this.record);
    this.#close();
  }

  keep() {
    this.#close();
  }

  #close() {
    const file = this.#file ?? this.#sink;
    if (file instanceof Deno.FsFile) release(file);
    this.#sink = this.#file = undefined;
  }

  async #io<T>(pending: Promise<T>): Promise<T> {
    try {
      return await pending;
    } catch (error) {
      if (error === this.options.signal.reason || error instanceof TrioError) throw error;
      throw cannotWrite(this.path, error);
    }
  }
}

function isGranted(name: "read" | "write", path: string): boolean {
  return Deno.permissions.querySync({ name, path }).state === "granted";
}

/**
 * FILE.part, which replaces FILE once it is complete and checked, and FILE.part.json, the record
 * of its version. Locked from the first look to the last act; what was looked at is what is
 * written to and what is renamed.
 *
 * Whenever the process dies, the record on the disk is true of the bytes beside it: FILE.part is
 * emptied before another record is written, and gets its first byte after that.
 */
class PartFile implements Output {
  size = 0;
  record: VersionRecord | undefined;
  foreign: (ForeignFile & { isTarget: boolean }) | undefined;
  readonly restartable = true;
  readonly worthWriting = WRITE_SIZE;
  isThere = false;
  readonly path: string;
  /** Where it is, all links followed. */
  readonly #path: string;
  readonly #recordPath: string;
  /** Whether a record can replace another in one act: else there can be no gaps to keep up with. */
  readonly mayHaveGaps: boolean;
  /** The permissions of FILE, which what replaces it gets. */
  #mode: number | undefined;
  #file: Deno.FsFile | undefined;
  #created = false;
  /** Before its version was asked for: a version that is newer than this is another one. */
  #asked = new Date();
  /** Writes to different places wait for each other: each is a seek and a write. */
  #writing: Promise<unknown> = Promise.resolve();

  /** `target` is where FILE is, all links followed; `name` is what it is called. */
  constructor(readonly target: string, readonly name: string, readonly options: OutputOptions) {
    this.path = partName(name);
    this.#path = partName(target);
    this.#recordPath = `${this.#path}.json`;
    const fresh = `${this.#recordPath}.new`;
    this.mayHaveGaps = isGranted("write", fresh) && isGranted("read", fresh);
  }

  /** Looks at what is there, and changes nothing. */
  look(info: Deno.FileInfo | undefined) {
    this.isThere = info !== undefined;
    this.#mode = info?.mode ?? undefined;
    let part = found(() => Deno.lstatSync(this.#path));
    if (part?.nlink === 2 && part.ino === info?.ino && part.dev === info.dev) {
      Deno.removeSync(this.#path); // a run was killed when FILE had both names
      part = undefined;
    }
    if (!part) this.#lookElsewhere(info);
    else if (!part.isFile) throw cannotWrite(this.path, "it is no regular file");
    else {
      try {
        this.#lookAtPart();
      } catch (error) {
        this.#close();
        throw error;
      }
    }
  }

  /** There is no FILE.part: perhaps FILE is a part, and one can be made. */
  #lookElsewhere(info: Deno.FileInfo | undefined) {
    if (info && this.options.resume) {
      this.foreign = { isTarget: true, size: info.size, modified: info.mtime ?? new Date() };
    }
    if (!this.mayHaveGaps) return;
    const trial = `${this.#recordPath}.new`;
    try {
      Deno.writeTextFileSync(trial, "", { createNew: true });
    } catch (error) {
      // another run tries the same at the moment, or was killed when it did
      if (!(error instanceof Deno.errors.AlreadyExists)) throw cannotWrite(this.path, error);
    }
    found(() => Deno.removeSync(trial));
  }

  #lookAtPart() {
    this.#openPart({ read: true, write: true });
    const { size, mtime } = this.#file!.statSync();
    const { resume, url } = this.options;
    if (!resume && size > 0) {
      throw cannotWrite(this.path, "it is left from an earlier run", "leftover");
    }
    optional(() => Deno.removeSync(`${this.#recordPath}.new`)); // of a run that was killed
    const text = this.#readRecord();
    if (text === undefined) {
      this.foreign = { isTarget: false, size, modified: mtime ?? new Date() };
      return;
    }
    const record = parseRecord(text);
    if (!record || !isContinuable(record, url) || size > (record.total ?? Infinity)) return;
    if (record.ranges && !this.mayHaveGaps || size < (record.ranges?.at(-1)?.[1] ?? 0)) return;
    this.size = record.ranges?.reduce((sum, [start, end]) => sum + end - start, 0) ?? size;
    this.record = this.size === record.total ? { ...record, ranges: undefined } : record;
  }

  #readRecord(): string | undefined {
    const info = found(() => Deno.lstatSync(this.#recordPath));
    if (info?.isFile) return Deno.readTextFileSync(this.#recordPath);
    if (info) throw cannotWrite(`${this.path}.json`, "it is no regular file");
  }

  forget() {
    this.size = 0;
    this.record = this.foreign = undefined;
    this.#asked = new Date();
  }

  async restart(record: VersionRecord) {
    await this.options.sum?.start();
    this.#empty();
    this.#note(record);
    this.foreign = undefined;
  }

  /** Takes the bytes of another program for the beginning of this version. */
  async adopt(record: VersionRecord) {
    const { isTarget, size } = this.foreign!;
    this.foreign = undefined;
    if (isTarget) {
      this.#empty();
      this.#note(record);
      using file = Deno.openSync(this.target, { read: true });
      for await (const bytes of readUntilEof(file)) {
        await this.write(bytes.subarray(0, size - this.size));
      }
    } else {
      this.#note(record);
      this.size = size;
    }
  }

  async proceed() {
    await this.sumUp();
    this.#file!.truncateSync(this.size);
    this.#file!.seekSync(this.size, Deno.SeekMode.Start);
  }

  /** Adds up what is there. */
  async sumUp() {
    this.#file!.seekSync(0, Deno.SeekMode.Start);
    await this.options.sum?.start(this.#file, this.size);
  }

  async write(bytes: Uint8Array) {
    for (let rest = bytes; rest.length > 0;) { // what came before a write that fails counts
      const n = await this.#io(this.#file!.write(rest));
      this.options.sum?.add(rest.subarray(0, n));
      this.size += n;
      rest = rest.subarray(n);
    }
  }

  /** Writes bytes to their place: those of several connections come in any order. */
  async writeAt(at: number, bytes: Uint8Array) {
    const file = this.#file!;
    const writing = this.#writing.then(async () => {
      file.seekSync(at, Deno.SeekMode.Start);
      await writeAll(file, bytes);
    });
    this.#writing = writing.catch(() => {}); // who waits for it is told
    await this.#io(writing);
    this.size += bytes.length;
  }

  /** Writes down which of all bytes are there, so that gaps are known. */
  noteSpans({ total, ranges }: Pieces) {
    this.#note({ ...this.record!, total, ranges });
  }

  async check() {
    using file = Deno.openSync(this.target, { read: true });
    this.size = file.statSync().size;
    await this.options.sum?.start(file, this.size);
    this.options.sum?.check();
  }

  async commit() {
    await this.#writing;
    // from here on nothing is waited for: a signal comes before all of it, or after
    this.options.signal.throwIfAborted();
    this.options.sum?.check();
    this.#verify();
    optional(() => this.#file!.utimeSync(this.#asked, this.#asked));
    if (this.options.remoteTime) giveRemoteTime(this.#file, this.record);
    if (this.#mode !== undefined) optional(() => Deno.chmodSync(this.#path, this.#mode! & 0o7777));
    try {
      this.#takeName();
    } catch (error) {
      throw error instanceof TrioError ? error : cannotWrite(this.name, error);
    }
    optional(() => Deno.removeSync(this.#recordPath));
    this.#close();
  }

  /** FILE.part becomes FILE. */
  #takeName() {
    if (this.options.clobber) return this.#rename();
    try {
      Deno.linkSync(this.#path, this.target);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) throw isThere(this.name);
      // a file system without hard links: an empty file takes the name
      Deno.openSync(this.target, { write: true, createNew: true }).close();
      return this.#rename();
    }
    Deno.removeSync(this.#path);
  }

  #rename() {
    try {
      Deno.renameSync(this.#path, this.target);
    } catch (error) {
      if (!["EBUSY", "EXDEV"].includes((error as { code?: string }).code ?? "")) throw error;
      Deno.copyFileSync(this.#path, this.target); // a mount point cannot be replaced
      Deno.removeSync(this.#path);
    }
  }

  keep() {
    if (this.#created && this.#file?.statSync().size === 0) {
      optional(() => Deno.removeSync(this.#path));
      optional(() => this.#removeOrphan());
    }
    this.#close();
    optional(() => this.#removeOrphan());
  }

  /** Removes a record that has no bytes: they have become FILE, or none came. */
  #removeOrphan() {
    if (found(() => Deno.lstatSync(this.#path))) return;
    if (Deno.lstatSync(this.#recordPath).isFile) Deno.removeSync(this.#recordPath);
  }

  /** Makes it empty, and makes it if it is not there. */
  #empty() {
    this.size = 0;
    if (!this.#file) {
      // what FILE does not permit its owner, -C needs
      const mode = this.#mode === undefined ? {} : { mode: this.#mode & 0o777 | 0o600 };
      this.#openPart({ read: true, write: true, createNew: true, ...mode });
      this.#created = true;
    }
    try {
      this.#file!.truncateSync(0);
      this.#file!.seekSync(0, Deno.SeekMode.Start);
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  #openPart(options: Deno.OpenOptions) {
    try {
      this.#file = Deno.openSync(this.#path, options);
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
    if (!this.#file.tryLockSync(true)) throw cannotWrite(this.path, "another run is writing it");
    this.#verify();
  }

  /** What is open is what has the name, and no other. */
  #verify() {
    const open = this.#file!.statSync(), named = found(() => Deno.lstatSync(this.#path));
    if (named?.isFile && open.ino === named.ino && open.dev === named.dev) {
      if ((open.nlink ?? 1) === 1) return;
      throw cannotWrite(this.path, "it has another name, too");
    }
    throw cannotWrite(this.path, "somebody replaced it");
  }

  /** Writes the record, whole or not at all, as far as another name may be used for that. */
  #note(record: VersionRecord) {
    const fresh = `${this.#recordPath}.new`, text = JSON.stringify(record, null, 1);
    try {
      writeNew(this.mayHaveGaps ? fresh : this.#recordPath, text);
      if (this.mayHaveGaps) Deno.renameSync(fresh, this.#recordPath);
    } catch (error) {
      optional(() => Deno.removeSync(fresh));
      throw cannotWrite(`${this.path}.json`, error);
    }
    this.record = record;
  }

  #close() {
    if (this.#file) release(this.#file);
    this.#file = undefined;
  }

  async #io<T>(pending: Promise<T>): Promise<T> {
    try {
      return await pending;
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }
}

/** Where a link leads, though nothing is there. */
function throughLink(path: string): string {
  const to = Deno.readLinkSync(path);
  return to.startsWith("/") ? to : `${folderOf(path)}${to}`;
}

/** The path with all links of its folder followed, so that the sandbox judges where it leads. */
function resolveFolder(name: string): string {
  const folder = folderOf(name);
  // what grants single files says where they are; Deno has /dev/null, but not its folder
  if (!isGranted("read", folder) || folder === "/dev/") return name;
  const real = found(() => Deno.realPathSync(folder));
  if (real === undefined) throw cannotWrite(name, `there is no folder ${folder}`, "folder");
  return `${real === "/" ? "" : real}/${name.slice(name.lastIndexOf("/") + 1)}`;
}

/** Looks where the body is to go; nothing is opened that was not there. */
function openOutput(name: string, options: OutputOptions): Output {
  const direct = new DirectOutput(name, options);
  const part = partName(name);
  const looks = [name, part, `${part}.json`].every((path) => isGranted("read", path));
  if (name === "-" || !looks) {
    if (!options.resume) return direct;
    if (name === "-") throw usageError("what stdout got cannot be continued");
    Deno.lstatSync(part); // says which access is missing
  }
  try {
    let target = resolveFolder(name);
    let info = found(() => Deno.lstatSync(target));
    const linked = info?.isSymlink;
    if (linked) {
      const real = found(() => Deno.realPathSync(target));
      // the kernel's links to open pipes lead to no path
      info = real === undefined ? found(() => Deno.statSync(target)) ?? info : Deno.lstatSync(real);
      target = real ?? target;
    }
    if (info?.isDirectory) throw cannotWrite(name, "it is a folder");
    if (info && !options.clobber) throw isThere(name);
    if (info?.isSymlink) return openOutput(throughLink(target), options); // to nothing yet
    // devices and pipes cannot be replaced: they are written to
    if (info && !info.isFile) return direct;
    const file = new PartFile(target, linked ? target : name, options);
    file.look(info);
    return file;
  } catch (error) {
    throw error instanceof TrioError ? error : cannotWrite(name, error);
  }
}

// --- A download --------------------------------------------------------------

/** Each of the two buffers that fill and are written in turn, in bytes. */
const BUFFER_SIZE = 1024 * 1024;
/** The same for all connections of one file together: 16 of them stay small. */
const SHARED_BUFFER_SIZE = 4 * BUFFER_SIZE;
/** How long bytes, or the spans that are there, stay unwritten while the disk is idle, in ms. */
const FLUSH_MS = 1000;

function tooLarge(limit?: number): TrioError {
  const bytes = limit === undefined ? "allowed" : `${limit} bytes`;
  return new TrioError(EXIT.size, `larger than ${bytes}`);
}

/** Tries again while what failed may pass, as often as allowed and not beyond the deadline. */
async function retrying<T>(
  { retry = OPTIONS.retry.default, onRetry }: DownloadOptions,
  deadline: Deadline,
  attempt: () => Promise<T>,
  mayPass: (error: TrioError) => boolean = (error) => error instanceof TransientError,
): Promise<{ result: T; attempts: number }> {
  for (let attempts = 1;; attempts++) {
    try {
      return { result: await attempt(), attempts };
    } catch (error) {
      if (!(error instanceof TrioError) || !mayPass(error) || attempts > retry) throw error;
      const pause = pauseBefore(attempts, error);
      if (pause === undefined || pause * 1000 >= deadline.left) throw error;
      onRetry?.(error, pause);
      if (pause > 0) await sleep(pause * 1000, deadline.signal);
    }
  }
}

/** The limit of bytes a second, made of a number if it is one. */
async function rateLimit(limit: DownloadOptions["limitRate"]): Promise<RateLimit | undefined> {
  if (typeof limit !== "number") return limit;
  if (limit === 0) return undefined; // as for curl and wget
  const { RateLimit } = await import("./protocol/rate.ts");
  return new RateLimit(limit);
}

/** Counts the bytes that come, and says how fast and how many more may. */
class Meter {
  /** Whether any have come. */
  hasCounted = false;
  /** The most bytes that one read may take. */
  readonly most: number;
  readonly #limit: number;
  readonly #rate: RateLimit | undefined;

  constructor(readonly progress: Progress, limit: number = Infinity, rate?: RateLimit | undefined) {
    this.#limit = limit;
    this.#rate = rate;
    this.most = this.#rate?.most ?? Infinity;
  }

  /** A file that has so many bytes already gets more, up to `total`. */
  start(size: number, total: number | undefined) {
    if (Math.max(size, total ?? 0) > this.#limit) throw tooLarge(this.#limit);
    Object.assign(this.progress, { bytes: size, resumed: size, total });
  }

  /** Counts bytes; returns how many of them may be kept. */
  count(n: number): number {
    const kept = Math.min(n, this.#limit - this.progress.bytes);
    this.hasCounted = true;
    this.progress.bytes += kept;
    return kept;
  }

  /** Waits until more may come. */
  async slowDown(n: number, signal: AbortSignal) {
    const ms = this.#rate?.take(n, performance.now()) ?? 0;
    if (ms > 0) await sleep(ms, signal);
  }
}

/** The body of an answer; it fails rather than give more than announced: that is of nothing. */
class AnnouncedBody implements Source {
  readonly #end: number;

  /** It has `length` bytes of the file, if that is known, from the one `at` on. */
  constructor(readonly response: HttpResponse, public at: number, readonly length = Infinity) {
    this.#end = at + length;
  }

  async read(p: Uint8Array): Promise<number | null> {
    const n = await this.response.read(p);
    this.at += n ?? 0;
    if (this.at > this.#end) throw malformed(`more than ${this.length} bytes came`);
    return n;
  }

  /** Whether its next bytes are those of a piece, all of them. */
  hasNext(piece: Piece | undefined): boolean {
    return piece !== undefined && piece.start === this.at && piece.end <= this.#end;
  }
}

/**
 * Moves the body to the output. Two buffers in turn: one is written while the other fills. Many
 * reads gather into one write; what came waits for more while the disk is busy.
 */
async function pour(
  from: Source,
  to: Pick<Output, "write" | "worthWriting">,
  meter: Meter,
  signal: AbortSignal,
  size: number = BUFFER_SIZE,
) {
  const buffers = [new Uint8Array(size), new Uint8Array(size)];
  let busy = false, written = Promise.resolve(), flushed = performance.now(), failure: unknown;
  const waits = (filled: number) =>
    busy || filled < to.worthWriting && performance.now() - flushed < FLUSH_MS;
  for (let turn = 0, n: number | null = 0; n !== null; turn ^= 1) {
    const buffer = buffers[turn]!;
    let filled = 0;
    try {
      while (filled < buffer.length && (filled === 0 || waits(filled))) {
        n = await from.read(buffer.subarray(filled, filled + meter.most));
        if (n === null) break;
        const kept = meter.count(n);
        filled += kept;
        if (kept < n) throw tooLarge();
        await meter.slowDown(n, signal);
      }
    } catch (error) { // what came before it counts
      failure = error;
      n = null;
    }
    await written;
    if (filled === 0) break;
    flushed = performance.now();
    busy = true;
    written = to.write(buffer.subarray(0, filled)).finally(() => busy = false);
    written.catch(() => {}); // it is awaited later
    if (to.worthWriting === 1) await written;
  }
  await written;
  if (failure) throw failure;
}

/** Another version is there by now. */
class OtherVersion extends Error {
  override message = "another version is there by now";
}

/** What several connections for one file have in common. */
interface PieceOptions {
  output: PartFile;
  pieces: Pieces;
  connections: number;
  meter: Meter;
  /** Asks for the bytes from `first` to `last`; throws if the answer is not them. */
  ask: (missing: { first: number; last: number }, signal: AbortSignal) => Promise<AnnouncedBody>;
  onDialogue: RequestOptions["onDialogue"];
}

/** What fails one connection and would fail the others, too. */
const FOR_ALL_CONNECTIONS = new Set<number>([EXIT.write, EXIT.usage]);

/** Fetches the pieces of one file over several connections. */
class PieceFetch {
  readonly #options: PieceOptions;
  readonly #pieces: Pieces;
  readonly #group: Deadline;
  #working = 0;
  #failure: unknown;
  #noted = performance.now();

  constructor(options: PieceOptions, signal: AbortSignal) {
    this.#options = options;
    this.#pieces = options.pieces;
    this.#group = new Deadline(signal);
  }

  /** Fetches all; the answer for the first missing bytes is already there. */
  async run(first: AnnouncedBody) {
    using _ = this.#group;
    const { connections, output } = this.#options;
    output.noteSpans(this.#pieces); // before the first byte that has a gap before it
    const begun = this.#work(first); // before the others: it takes the first piece
    const others = Array.from({ length: connections - 1 }, () => this.#work());
    await Promise.all([begun, ...others]);
    output.noteSpans(this.#pieces);
    if (!this.#pieces.complete) throw this.#failure;
    await output.sumUp();
  }

  /** What one connection at a time does, until nothing is left. */
  async #work(body?: AnnouncedBody) {
    this.#working++;
    try {
      for (let piece = this.#pieces.next(); piece;) {
        try {
          const [first, end] = piece.missing;
          body ??= await this.#options.ask({ first, last: end - 1 }, this.#group.signal);
          await this.#take(body, piece);
        } finally {
          this.#pieces.release(piece);
        }
        piece = this.#pieces.next(body.at);
        if (body.hasNext(piece)) continue; // nobody else has it: this connection goes on
        body.response.close();
        body = undefined;
      }
    } catch (error) {
      body?.response.close();
      this.#stop(error);
    }
    this.#working--;
  }

  /** Adds the bytes of a piece to the file; its end may come nearer meanwhile. */
  async #take(body: AnnouncedBody, piece: Piece) {
    const { connections, meter, output } = this.#options, { signal } = this.#group;
    const read = async (p: Uint8Array) => {
      if (piece.left === 0) return null;
      const n = await abortable(body.read(p.subarray(0, piece.left)), signal);
      if (n === null) throw cutShort(`${piece.left} bytes of a piece are missing`);
      return piece.claim(n);
    };
    const write = async (bytes: Uint8Array) => {
      await output.writeAt(piece.missing[0], bytes);
      piece.wrote(bytes.length);
      if (performance.now() - this.#noted < FLUSH_MS) return;
      this.#noted = performance.now();
      output.noteSpans(this.#pieces);
    };
    const size = Math.min(BUFFER_SIZE, Math.floor(SHARED_BUFFER_SIZE / connections));
    await pour({ read }, { write, worthWriting: WRITE_SIZE }, meter, signal, size);
  }

  /** A connection failed. As long as others work, they fetch what it leaves, if they can. */
  #stop(error: unknown) {
    const forAll = !(error instanceof TrioError) || FOR_ALL_CONNECTIONS.has(error.code);
    this.#failure ??= error;
    this.#options.onDialogue?.(`* One connection less: ${(error as Error).message}`);
    if (!forAll && this.#working > 1) return;
    this.#failure = error;
    this.#group.abort(error);
  }
}

function makeFolder(path: string) {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** A file, and what is beside it while it is incomplete. */
function filesOf(file: string): string[] {
  const part = partName(file);
  return isDevice(file) ? [file] : [file, part, `${part}.json`];
}

/** What adds up the checksum that is expected of a file, if one is. */
async function sumFor(
  { sha256, checksum }: DownloadOptions,
  name: string,
  url: URL,
): Promise<RunningSum | undefined> {
  if (sha256 === undefined && checksum === undefined) return undefined;
  const { parseSha256, RunningSum } = await import("./protocol/checksums.ts");
  if (sha256 !== undefined) return new RunningSum(parseSha256(sha256));
  return new RunningSum(typeof checksum === "function" ? checksum(name, url) : checksum!);
}

/** One download: what is asked for next, what the answer means, and where the body goes. */
class Transfer {
  /** Where the body goes, once that is known. */
  output: Output | undefined;
  /** The name of the file, and what adds up its checksum. */
  name = "";
  sum: RunningSum | undefined;
  readonly #url: HttpUrl;
  readonly #options: DownloadOptions;
  readonly #headers: readonly string[];
  readonly #signal: AbortSignal;
  readonly #meter: Meter;
  /** The range that the user wants, as an option or as a header. */
  readonly #range: string | undefined;
  /** Whether bytes were there before this run. */
  #bytesFound = false;
  /** Whether several connections got different versions, or no ranges: then one has to do. */
  #onlyOne = false;
  /** The Content-Type of what was there before it started over. */
  #type: string | undefined;

  constructor(url: HttpUrl, options: DownloadOptions, meter: Meter, signal: AbortSignal) {
    const { cookies = new CookieJar() } = options;
    this.#url = url;
    this.#options = { ...options, cookies, signal, maxTime: undefined };
    this.#headers = headerLines(options.headers);
    this.#signal = signal;
    this.#meter = meter;
    const header = headerOf(this.#headers, "range");
    this.#range = options.range ?? /^bytes=(\d*-\d*)$/i.exec(header ?? "")?.[1];
  }

  /** Looks where the body is to go. */
  async #look(name: string): Promise<Output> {
    const { clobber = true, resume = false, remoteTime = false, outputDir } = this.#options;
    if (outputDir !== undefined && name !== "-") {
      name = `${outputDir.replace(/\/*$/, "")}/${name}`;
      makeFolder(folderOf(name).replace(/(?<=.)\/$/, ""));
    }
    this.sum = await sumFor(this.#options, name, this.#url);
    const { sum } = this, url = withoutUser(this.#url), signal = this.#signal;
    const options = { clobber, resume, remoteTime, url, sum, signal };
    this.name = name;
    this.output = openOutput(name, options);
    this.#take(plainPath(this.output.target));
    this.#bytesFound = this.output.size > 0;
    return this.output;
  }

  /** Notes the names that are this file's, which those of other URLs may not be. */
  #take(target: string) {
    if (target === "-" || target === "/dev/null") return;
    const { taken = new Set() } = this.#options, names = filesOf(target);
    if (names.some((name) => taken.has(name))) {
      throw usageError(`${this.name} is the file of another URL, too`);
    }
    for (const name of names) taken.add(name);
  }

  /** One try: asks for what is missing and adds it to the output. */
  async attempt(): Promise<HttpResponse> {
    for (;;) {
      try {
        const response = await this.#ask();
        if (response) return response;
      } catch (error) {
        if (!(error instanceof OtherVersion)) throw error;
        this.#startOver();
      }
    }
  }

  /** Whether another try may help, and can go on or start over. */
  mayPass(error: TrioError): boolean {
    const { output } = this;
    const refused = error.code === EXIT.connect && this.#meter.hasCounted;
    if (!(error instanceof TransientError || refused)) return false;
    return !output || output.restartable || this.#isContinuable(output);
  }

  /** Whether a part of the output's version can be continued, once there is one. */
  #mayBeContinued({ record }: Output): boolean {
    return record !== undefined && isContinuable(record, withoutUser(this.#url));
  }

  #isContinuable(output: Output): boolean {
    return output.size > 0 && this.#mayBeContinued(output);
  }

  /** Another version, or none can tell: record and size are forgotten together. */
  #startOver() {
    const output = this.output!;
    if (!output.restartable) {
      const text = `cannot resume: another version is there by now, and what ${output.path} got ` +
        "cannot be taken back";
      throw new TrioError(EXIT.resume, text);
    }
    this.#type ??= output.record?.type;
    output.forget();
  }

  // Asking

  /** What is asked for next. */
  #question(): Question {
    const { output } = this;
    const conditional = Boolean(output?.isThere) &&
      ["if-none-match", "if-modified-since"]
        .some((name) => headerOf(this.#headers, name) !== undefined);
    if (this.#range !== undefined || !output || !this.#isContinuable(output)) {
      return { range: this.#range, conditional, type: this.#type };
    }
    return { missing: firstGap(output.record!.ranges ?? [[0, output.size]]), conditional };
  }

  async #request({ missing, range }: Question, signal = this.#signal): Promise<HttpResponse> {
    const { compressed = false } = this.#options, { record, foreign } = this.output ?? {};
    return await request(this.#url, {
      ...this.#options,
      method: "GET", // a HEAD has no body to save
      // what another program wrote is compared with the bytes as they are, not with coded ones
      compressed: compressed && !missing && !foreign,
      range: missing ? `${missing.first}-${missing.last ?? ""}` : range,
      ifRange: missing && validatorOf(record!),
      signal,
    });
  }

  /** Asks once, and takes the answer; `undefined` if there is more to ask for. */
  async #ask(): Promise<HttpResponse | undefined> {
    const { fail = true, remoteName, output: name = fileName(this.#url) } = this.#options;
    if (!remoteName && !this.output) await this.#look(name);
    this.#meter.start(this.output?.size ?? 0, undefined);
    const question = this.#question(), { missing } = question;
    using response = await this.#request(question);
    const { status, head } = response;
    const ranged = missing !== undefined || question.range !== undefined;
    if (status >= 400 && (ranged ? status !== 416 : fail)) throw statusError(response);
    const output = this.output ?? await this.#look(await this.#nameFrom(head));
    const record = output.size > 0 ? output.record : undefined;
    const verdict = judge(question, record, response);
    switch (verdict.is) {
      case "error":
        throw verdict.error;
      case "other":
        throw new OtherVersion();
      case "unchanged":
        await output.check?.();
        await this.#options.onHead?.(response);
        output.keep();
        return response;
      case "complete":
        await this.#options.onHead?.(response);
        await output.proceed();
        break;
      case "whole": {
        const foreign = await this.#takeForeign(response);
        if (foreign === "complete") return response;
        if (foreign === "part") return undefined;
        await this.#takeWhole(response, verdict.length);
        break;
      }
      case "rest":
        await this.#takeRest(response, verdict);
    }
    await this.#commit();
    return response;
  }

  async #nameFrom(head: Head): Promise<string> {
    const { remoteName } = await import("./protocol/content_disposition.ts");
    const named = remoteName(valueOf(head, "content-disposition") ?? "") ?? "";
    return safeName(named) || fileName(this.#url);
  }

  // Taking the answer

  /** The version that a complete answer is. */
  #versionOf(response: HttpResponse): VersionRecord {
    const coded = valueOf(response.head, "content-encoding") !== undefined;
    const decoded = coded && Boolean(this.#options.compressed) && !this.output!.foreign;
    return recordOf(withoutUser(this.#url), response, { decoded, range: this.#range });
  }

  /** Judges a file of another program by the head of the whole; what is complete is kept. */
  async #takeForeign(response: HttpResponse): Promise<"complete" | "part" | "other"> {
    const { output } = this;
    if (!(output instanceof PartFile) || !output.foreign) return "other";
    const version = this.#versionOf(response), { isTarget } = output.foreign;
    const verdict = judgeForeign(output.foreign, version, response.head);
    if (verdict === "other") return verdict;
    response.close();
    if (verdict === "complete") await this.#options.onHead?.(response);
    this.#bytesFound = true;
    if (verdict === "complete" && isTarget) {
      await this.#checked(() => output.check());
      output.keep();
      return verdict;
    }
    await output.adopt(version);
    if (verdict === "complete") {
      await output.proceed();
      await this.#commit();
    }
    return verdict;
  }

  async #takeWhole(response: HttpResponse, length: number | undefined) {
    if (!this.output!.restartable) this.#startOver(); // which is an error
    const version = this.#versionOf(response), total = version.decoded ? undefined : length;
    this.#bytesFound = false;
    this.#meter.start(0, total);
    await this.#options.onHead?.(response);
    await this.output!.restart({ ...version, total });
    const body = new AnnouncedBody(response, 0, total);
    if (!await this.#takePieces(body, total)) await this.#takeBody(body, total);
  }

  async #takeRest(response: HttpResponse, { first, length, total }: Rest) {
    this.#meter.start(this.output!.size, total);
    await this.#options.onHead?.(response);
    const body = new AnnouncedBody(response, first, length);
    if (await this.#takePieces(body, total)) return;
    await this.output!.proceed();
    await this.#takeBody(body, total);
  }

  /** Adds a body to the output, which has `total` bytes then. */
  async #takeBody(body: AnnouncedBody, total: number | undefined) {
    const output = this.output!;
    await pour(body, output, this.#meter, this.#signal);
    if (output.size < (total ?? 0)) {
      throw cutShort(`received ${output.size} bytes, expected ${total}`);
    }
  }

  /** Fetches the rest over several connections, where that is wanted and possible. */
  async #takePieces(body: AnnouncedBody, total: number | undefined): Promise<boolean> {
    const { output } = this, { onDialogue } = this.#options;
    const connections = this.#onlyOne ? 1 : this.#options.connections ?? 1;
    const gaps = output?.record?.ranges !== undefined;
    if (!gaps && connections < 2) return false;
    if (!(output instanceof PartFile) || !output.mayHaveGaps) {
      onDialogue?.("* One connection only: more need a file that may be read, too");
      return false;
    }
    const none = /\bnone\b/i.test(valueOf(body.response.head, "accept-ranges") ?? "");
    if (!gaps && (none || total === undefined || !this.#mayBeContinued(output))) {
      onDialogue?.("* One connection only: the server has no ranges, length or validator");
      return false;
    }
    const ask = (missing: { first: number; last: number }, signal: AbortSignal) =>
      this.#askPiece(missing, signal);
    const { Pieces } = await import("./protocol/pieces.ts");
    const there = output.record!.ranges ?? [[0, output.size] satisfies Span];
    const pieces = new Pieces(total!, connections, there);
    const options = { output, pieces, connections, meter: this.#meter, ask, onDialogue };
    await new PieceFetch(options, this.#signal).run(body);
    return true;
  }

  async #askPiece(missing: { first: number; last: number }, signal: AbortSignal) {
    const response = await this.#request({ missing }, signal), { record } = this.output!;
    try {
      if (response.status >= 400) throw statusError(response);
      const verdict = judge({ missing }, record, response);
      if (verdict.is === "rest") {
        return new AnnouncedBody(response, verdict.first, verdict.length);
      }
      if (verdict.is === "error") throw verdict.error;
      this.#onlyOne = true;
      if (verdict.is !== "whole" || !repeats(record!, response.head)) throw new OtherVersion();
      throw new TransientError(EXIT.resume, "the server has no ranges");
    } catch (error) {
      response.close();
      throw error;
    }
  }

  /** All bytes are there. */
  async #commit() {
    await this.#checked(() => this.output!.commit());
  }

  /** Checks the sum. A wrong one of bytes that were there before: it starts over. */
  async #checked(act: () => Promise<void>) {
    try {
      await act();
    } catch (error) {
      if ((error as TrioError).code !== EXIT.checksum || !this.#bytesFound) throw error;
      this.#options.onDialogue?.(`* ${(error as Error).message}: it starts over`);
      throw new OtherVersion();
    }
  }
}

/** Leaves what came, and says in the error how much of how much that is. */
function withWhatIsLeft(error: unknown, { output }: Transfer, progress?: Progress): unknown {
  output?.keep();
  if (!(error instanceof TrioError) || !output || output.size === 0) return error;
  if (output.path === "stdout") return error;
  const { record, size, path } = output;
  const total = record?.total === undefined ? "" : ` of ${record.total}`;
  if (progress) {
    const final = error.code === EXIT.size || error.code === EXIT.usage;
    progress.continuable = !final && output instanceof PartFile && record !== undefined &&
      isContinuable(record, record.url);
  }
  const { code, topic, cause } = error;
  return new TrioError(code, `${error.message} (${path} has ${size}${total} bytes)`, {
    topic,
    cause,
  });
}

/**
 * Downloads `url` to a file. What came before a failure stays there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
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
  checkTypes(options);
  const target = url instanceof HttpUrl ? url : parseUrl(String(url));
  const started = performance.now();
  using deadline = totalDeadline(options);
  const { progress = { bytes: 0, resumed: 0 }, maxFilesize, limitRate } = options;
  const meter = new Meter(progress, maxFilesize, await rateLimit(limitRate));
  const transfer = new Transfer(target, options, meter, deadline.signal);
  const attempt = () => transfer.attempt(), mayPass = (error: TrioError) => transfer.mayPass(error);
  try {
    const { result: response, attempts } = await retrying(options, deadline, attempt, mayPass);
    const { name: file, output } = transfer;
    const seconds = (performance.now() - started) / 1000;
    const checksum = transfer.sum?.expected;
    return { response, file, bytes: output!.size, checksum, attempts, seconds };
  } catch (error) {
    throw withWhatIsLeft(error, transfer, options.progress);
  }
}

// --- The terminal ------------------------------------------------------------

/** Milliseconds between two drawings of the progress line. */
const REDRAW_MS = 100;

/** A line on stderr that shows how far the downloads are, while that is a terminal. */
class ProgressLine implements Disposable {
  readonly #all: { name: string; progress: Progress }[] = [];
  readonly #started = performance.now();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** How many others write in its place. */
  #asides = 0;

  /** Begins to draw. */
  async start() {
    if (!Deno.stderr.isTerminal()) return;
    const { unicodeWidth } = await import("jsr:@std/cli@^1.0.0/unicode-width");
    this.#timer ??= setInterval(() => this.#draw(unicodeWidth), REDRAW_MS);
  }

  /** Adds a download, and takes it away when it is over. */
  add(name: string, progress: Progress): Disposable {
    const one = { name, progress };
    this.#all.push(one);
    return {
      [Symbol.dispose]: () => {
        this.#all.splice(this.#all.indexOf(one), 1);
        this.wipe();
      },
    };
  }

  #draw(width: (text: string) => number) {
    const [first, ...others] = this.#all;
    if (!first || this.#asides > 0 || !stderr.idle) return; // who reads slowly is not sent more
    const columns = Deno.consoleSize().columns || 80; // some pseudo-terminals say 0
    const elapsed = (performance.now() - this.#started) / 1000;
    const name = others.length ? `${this.#all.length} files` : first.name;
    const sum = sumOf(this.#all.map(({ progress }) => progress));
    // ^C takes two columns
    const text = progressText(printable(name), sum, elapsed, columns - 3, width);
    stderr.write(new TextEncoder().encode(`\r${text}\x1b[K`)).catch(() => {});
  }

  /** Wipes the line: another one takes its place. */
  wipe() {
    if (this.#timer) stderr.write(new TextEncoder().encode("\r\x1b[K")).catch(() => {});
  }

  /** Lets something be written to stdout in its place: that may be the same terminal. */
  async aside(write: () => Promise<void>) {
    this.#asides++;
    this.wipe();
    if (this.#timer) await stderr.flush();
    await write().finally(() => this.#asides--);
  }

  [Symbol.dispose]() {
    this.wipe();
    if (this.#timer) clearInterval(this.#timer); // else it would take 5 ms to load
  }
}

// --- The command line --------------------------------------------------------

const INTRO = `Downloads URLs (http://www.sina.com.cn/ to sina.html if none is given).

Usage: fetch.ts [OPTIONS] [URL]...
`;

const OUTRO = `
Needs --allow-net, and --allow-write for the file; with --allow-read for its
folder, too, a file is replaced only by a complete one, and -C goes on.

  deno run --allow-net --allow-write fetch.ts http://127.0.0.1:8000/a.html
  deno run --allow-net --allow-read=. --allow-write=. fetch.ts -C -o a.iso URL`;

/** What to do about an error, by its topic or code. */
const ADVICE: Record<string, string> = {
  connect: "--connect-timeout allows more",
  stall: "--stall-timeout allows more",
  "max-time": "--max-time",
  status: "--no-fail saves its body",
  issuer: "--cacert FILE trusts it",
  leftover: "-C goes on with it, or remove it",
  folder: "--output-dir makes one",
  terminal: "-o FILE saves it",
  redirects: "--max-redirs",
  [EXIT.lookup]: "check the name",
  [EXIT.proxyLookup]: "check --proxy",
  [EXIT.size]: "--max-filesize",
};

type Options = Parsed<typeof OPTIONS>;

function isStdout(file: string): boolean {
  return /^(-|\/dev\/stdout|\/dev\/fd\/1|\/proc\/self\/fd\/1)$/.test(file);
}

/** Checks what the table cannot: options that exclude each other, or come once for each URL. */
function checkOptions(given: Options, urls: string[]) {
  const exclude = (one: string, other: string) => {
    if (given.given.has(one) && given.given.has(other)) {
      throw usageError(`--${one} and --${other} exclude each other`);
    }
  };
  if (given.insecure) {
    throw usageError(
      "-k is refused, since anybody could answer then (--cacert FILE trusts a certificate; " +
        "deno run --unsafely-ignore-certificate-errors=HOST trusts a host)",
    );
  }
  exclude("continue", "no-clobber");
  exclude("continue", "range");
  exclude("continue", "remote-name");
  exclude("output", "remote-name");
  exclude("sha256", "checksum");
  if (given.parallel > 1 && given.output.filter(isStdout).length > 1) {
    throw usageError("--parallel would mix what goes to stdout");
  }
  for (const name of ["output", "sha256"] as const) {
    const { length } = given[name];
    if (length > urls.length) throw usageError(`${length} --${name} for ${urls.length} URLs`);
  }
  if (given.sha256.length > 0 && given.sha256.length !== urls.length) {
    throw usageError(`${given.sha256.length} --sha256 for ${urls.length} URLs`);
  }
}

/** The most bytes of a text that an option names. */
const MAX_TEXT = 16 * 1024 * 1024;

/** Reads the file that an option names; `-` is stdin. */
async function readText(name: string, path: string): Promise<string> {
  try {
    const { decodeText } = await import("./protocol/lists.ts");
    return decodeText(await (path === "-" ? readAll(Deno.stdin, MAX_TEXT) : Deno.readFile(path)));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw usageError(`cannot read --${name} ${path}: ${systemReason(error)}`);
  }
}

/** Header lines; those of `@FILE` are in that file. */
async function readHeaders(given: string[]): Promise<string[]> {
  const lines = given.map(async (line) => {
    if (!line.startsWith("@")) return [line];
    const { parseLines } = await import("./protocol/lists.ts");
    return parseLines(await readText("header", line.slice(1)));
  });
  return (await Promise.all(lines)).flat();
}

/** Gives `USER:PASS` by host, from a file in netrc form. */
async function readNetrc(path: string | undefined): Promise<DownloadOptions["credentials"]> {
  if (path === undefined) return undefined;
  const { credentialsFor, parseNetrc } = await import("./protocol/netrc.ts");
  const entries = parseNetrc(await readText("netrc-file", path));
  return (host, user) => {
    const found = credentialsFor(entries, host, user);
    if (found?.login.includes(":")) throw usageError(`the login of ${host} has a colon`);
    return found && `${found.login}:${found.password ?? ""}`;
  };
}

/** What these keys send. */
const CTRL_D = "\x04", CTRL_U = "\x15", BACKSPACE = "\x7f";

/**
 * Asks on the terminal, and does not show the answer. promptSecret of @std/cli blocks the thread,
 * so that Ctrl+C would wait for the answer, and asks on stdout, where the body may go.
 */
async function askSecret(what: string, signal: AbortSignal): Promise<string> {
  Deno.stdin.setRaw(true, { cbreak: true }); // before it asks: the terminal shows what comes earlier
  try {
    await stderr.write(new TextEncoder().encode(what));
    const decoder = new TextDecoder(), buffer = new Uint8Array(1024), line: string[] = [];
    for (let n: number | null; (n = await abortable(Deno.stdin.read(buffer), signal)) !== null;) {
      for (const key of decoder.decode(buffer.subarray(0, n), { stream: true })) {
        if (key === "\r" || key === "\n" || key === CTRL_D) return line.join("");
        if (key === CTRL_U) line.length = 0;
        else if (key === BACKSPACE || key === "\b") line.pop();
        else line.push(key);
      }
    }
    return line.join("");
  } finally {
    Deno.stdin.setRaw(false);
    stderr.say("");
  }
}

async function withPassword(user: string, signal: AbortSignal): Promise<string> {
  if (user.includes(":")) return user;
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) {
    throw usageError("there is no terminal to ask for the password of --user");
  }
  return `${user}:${await askSecret(`Password of ${printable(user)}: `, signal)}`;
}

/** The first of these environment variables that is set and may be read. */
function environment(...names: string[]): string | undefined {
  for (const variable of names) {
    const { state } = Deno.permissions.querySync({ name: "env", variable });
    const value = state === "granted" ? Deno.env.get(variable) : undefined;
    if (value) return value;
  }
}

function proxiesFromEnvironment(): { http?: string; https?: string } {
  // HTTP_PROXY in capitals could be set by a request to a CGI program (CVE-2016-5385)
  const http = environment("http_proxy", "all_proxy", "ALL_PROXY");
  const https = environment("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY");
  return { ...http && { http }, ...https && { https } };
}

async function readCertificate(path: string): Promise<string> {
  const { certificateFault } = await import("./protocol/tls.ts");
  const pem = await readText("cacert", path), fault = certificateFault(pem);
  if (fault) throw usageError(`cannot read --cacert ${path}: ${fault}`);
  return pem;
}

/** The options of the library for those of a command line. */
async function readOptions(given: Options, signal: AbortSignal): Promise<DownloadOptions> {
  return {
    method: given.head ? "HEAD" : "GET",
    headers: await readHeaders(given.header),
    user: given.user === undefined ? undefined : await withPassword(given.user, signal),
    credentials: await readNetrc(given["netrc-file"]),
    userAgent: given["user-agent"],
    proxy: given.proxy ?? proxiesFromEnvironment(),
    noProxy: environment("no_proxy", "NO_PROXY"),
    caCerts: await Promise.all(given.cacert.map(readCertificate)),
    compressed: given.compressed,
    connectTimeout: given["connect-timeout"],
    stallTimeout: given["stall-timeout"],
    maxTime: given["max-time"],
    maxRedirects: given["max-redirs"],
    follow: !given["no-location"],
    cookies: new CookieJar(),
    taken: new Set(),
    timing: given.timing || given.json,
    outputDir: given["output-dir"],
    remoteName: given["remote-name"],
    range: given.range,
    resume: given.continue,
    clobber: !given["no-clobber"],
    maxFilesize: given["max-filesize"],
    connections: given.connections,
    limitRate: await rateLimit(given["limit-rate"]),
    retry: given.retry,
    fail: !given["no-fail"],
    remoteTime: given["remote-time"],
    signal,
  };
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

function headText({ head }: HttpResponse): string {
  return head.lines.map(shown).join("\n");
}

/** What is known of one URL's file. */
interface Job {
  file: string;
  sha256: string | undefined;
  progress: Progress;
  /** Ends it, in its time or when the process is asked to end. */
  signal: AbortSignal;
}

/** A command line: its options, and what its URLs have in common. */
class Command {
  /** The hosts that were connected to, and the files: what a hint grants. */
  readonly #hosts = new Set<string>();
  readonly #files = new Set<string>();
  readonly #line = new ProgressLine();
  readonly #silent: boolean;
  readonly #script: Script;
  #urls: string[] = [];
  #options: DownloadOptions = {};
  #checksums: ((file: string, url: URL) => Checksum) | undefined;

  constructor(readonly given: Options, args: string[]) {
    this.#silent = given.silent || given.quiet;
    this.#script = {
      name: "fetch",
      advice: ADVICE,
      needs: (missing) => this.#needs(missing),
      args: () => args.map((word) => this.#masked(word)),
    };
  }

  /** Does all URLs; returns the exit code of the first that failed. */
  async run(signal: AbortSignal): Promise<number> {
    using _ = this.#line;
    try {
      await this.#prepare(signal);
    } catch (error) {
      return await report(this.#script, error);
    }
    const rest = this.#urls.entries();
    let code: number = EXIT.ok;
    const worker = async () => {
      for (const [at, url] of rest) {
        if (signal.aborted) code ||= (signal.reason as TrioError).code;
        if (signal.aborted) return;
        const failed = await this.#fetchOne(url, at);
        code ||= failed;
      }
    };
    await Promise.all(Array.from({ length: this.given.parallel }, worker));
    return signal.aborted && code !== EXIT.ok ? (signal.reason as TrioError).code : code;
  }

  /** Reads what the options name, and whatever else is needed before the first URL. */
  async #prepare(signal: AbortSignal) {
    const { given } = this, inputs = given["input-file"];
    // -C - is how curl is told to find the offset itself
    this.#urls = given._.filter((url) => url !== "-" || !given.continue);
    if (given.continue && this.#urls.some((url) => /^\d+$/.test(url))) {
      throw usageError("--continue takes no offset: it finds where the file ends");
    }
    if (inputs.length > 0) {
      const { parseUrlList } = await import("./protocol/lists.ts");
      for (const path of inputs) {
        this.#urls.push(...parseUrlList(await readText("input-file", path)));
      }
    } else if (this.#urls.length === 0) {
      this.#urls.push("http://www.sina.com.cn/");
      if (given.output.length === 0) given.output.push("sina.html");
    }
    if (this.#urls.includes("-")) throw usageError("- is no URL (-i - reads URLs from stdin)");
    checkOptions(given, this.#urls);
    const onConnect = (address: string) => void this.#hosts.add(address);
    this.#options = { ...await readOptions(given, signal), onConnect };
    if (given.verbose) this.#options.onDialogue = (line) => this.#say(line);
    if (!this.#silent) this.#options.onRetry = (error, seconds) => this.#sayRetry(error, seconds);
    if (given.checksum !== undefined) this.#checksums = await this.#readChecksums(given.checksum);
    if (!this.#silent && !given.head) await this.#line.start();
  }

  /** Reads a list of checksums, from a file or a URL. */
  async #readChecksums(where: string): Promise<(file: string, url: URL) => Checksum> {
    const { checksumFor, parseChecksums } = await import("./protocol/checksums.ts");
    const list = parseChecksums(
      /^https?:/i.test(where) ? await this.#get(where) : await readText("checksum", where),
    );
    return (file, url) => checksumFor(list, file, pathOf(url));
  }

  /** A small text from a URL; the credentials and headers are for the files. */
  async #get(url: string): Promise<string> {
    const { proxy, noProxy, caCerts = [], signal, onConnect, onDialogue } = this.#options;
    const options = { proxy, noProxy, caCerts, signal, onConnect, onDialogue };
    using deadline = totalDeadline(this.#options);
    const { result } = await retrying(this.#options, deadline, async () => {
      using response = await request(url, { ...options, signal: deadline.signal });
      if (response.status >= 400) throw statusError(response);
      return await readAll(response, MAX_TEXT);
    });
    const { decodeText } = await import("./protocol/lists.ts");
    return decodeText(result);
  }

  /** Does one URL; returns the exit code. */
  async #fetchOne(text: string, at: number): Promise<number> {
    let url: HttpUrl | undefined, file = this.given.output[at] ?? "";
    const progress: Progress = { bytes: 0, resumed: 0 };
    using deadline = totalDeadline(this.#options); // of what is printed, too
    const { signal } = deadline;
    try {
      url = parseUrl(text);
      if (this.given.head) await this.#printHead(url, deadline);
      else {
        file ||= fileName(url);
        if (isStdout(file)) file = "-";
        if (file !== "-" && !this.given["remote-name"]) this.#files.add(plainPath(file));
        await this.#save(url, { file, sha256: this.given.sha256[at], progress, signal });
      }
      return EXIT.ok;
    } catch (error) {
      const [code, message] = await explain(this.#script, error);
      const told = progress.continuable ? `${message}; -C goes on` : message;
      this.#say(`fetch: ${told}`);
      if (this.given.json) {
        const known = { version: 1, url: url && withoutUser(url), file };
        const value = { ...known, error: { code, message: printable(told) } };
        await this.#printJson(value, file, signal).catch(() => {}); // the code says what failed
      }
      return code;
    }
  }

  /** `--head`: the head is all there is. */
  async #printHead(url: HttpUrl, deadline: Deadline) {
    const { signal } = deadline, options = { ...this.#options, signal, maxTime: undefined };
    await retrying(options, deadline, async () => {
      using response = await request(url, options);
      const known = { url: withoutUser(url), finalUrl: response.url };
      if (!this.given.json) await this.#print(headText(response), "", signal);
      if (this.given.timing) this.#say(timingText(response.timing));
      if (response.status >= 400 && options.fail) throw statusError(response);
      if (this.given.json) await this.#printJson(toJson(response, known), "", signal);
    });
  }

  /** Downloads one URL and says so. */
  async #save(url: HttpUrl, { file, sha256, progress, signal }: Job) {
    const { json, timing } = this.given;
    // no line over a body that goes to the terminal itself
    const hidden = file === "-" && Deno.stdout.isTerminal();
    using _ = hidden ? undefined : this.#line.add(file, progress);
    const done = await download(url, {
      ...this.#options,
      output: this.given["remote-name"] ? undefined : file,
      sha256,
      checksum: this.#checksums,
      progress,
      onHead: async (response) => {
        if (!this.#silent && !json) await this.#print(headText(response), file, signal);
      },
    });
    const { response, bytes, checksum, attempts, seconds } = done;
    if (json) {
      const sum = checksum && { [checksum.algorithm.replace("-", "").toLowerCase()]: checksum.hex };
      const known = { url: withoutUser(url), finalUrl: response.url, file: done.file, bytes };
      await this.#printJson(toJson(response, { ...known, ...sum, attempts }), file, signal);
    }
    if (timing) this.#say(timingText(response.timing));
    if (this.#silent) return;
    const where = file === "-" ? "to stdout" : done.file;
    const did = response.status === 304 ? "not modified: kept" : "saved";
    this.#say(`${did} ${where} (${grouped(bytes)} bytes in ${seconds.toFixed(2)} s)`);
  }

  #sayRetry(error: TrioError, seconds: number) {
    this.#say(`fetch: ${error.message}; trying again in ${seconds} s`);
  }

  /** Says something on stderr, in the place of the progress line. */
  #say(text: string) {
    this.#line.wipe();
    stderr.say(text);
  }

  /** Prints on stdout, or on stderr while the body is there. */
  async #print(text: string, file: string, signal: AbortSignal) {
    if (file === "-") {
      this.#say(text);
      return await abortable(stderr.flush(), signal); // where both go to one place, it comes first
    }
    try {
      await abortable(this.#line.aside(() => stdout.print(text)), signal);
    } catch (error) {
      throw error instanceof TrioError ? error : cannotWrite("to stdout", error);
    }
  }

  async #printJson(value: unknown, file: string, signal: AbortSignal) {
    const rounded = (_: string, value: unknown) =>
      typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
    await this.#print(jsonLine(JSON.parse(JSON.stringify(value, rounded))), file, signal);
  }

  /** What `deno run` has to grant for all that was asked for, and no more. */
  #needs(missing: string | undefined): string[] {
    const { given } = this;
    const asked = this.#urls.map((url) => URL.parse(withScheme(url)));
    const first = asked.flatMap((url) =>
      url ? [hostPort({ hostname: unbracketed(url.hostname), port: portOf(url) })] : []
    );
    const dir = given["output-dir"], prefix = dir?.replace(/\/*$/, "/") ?? "";
    const files = [...this.#files].flatMap((file) => filesOf(prefix + file));
    const lists = [...given["input-file"], given.checksum, given["netrc-file"]]
      .filter((path) => path !== undefined && path !== "-" && !/^https?:/i.test(path)) as string[];
    const headers = given.header.filter((line) => line.startsWith("@")).map((line) =>
      line.slice(1)
    );
    const inputs = [...given.cacert, ...lists, ...headers];
    // a name that the server gave, or where a link leads
    if (missing && ![...inputs, ...files, dir].some((path) => `/${missing}`.endsWith(`/${path}`))) {
      files.push(...filesOf(missing.replace(/\.part(\.json)?$/, "")));
    }
    const hosts = this.#hosts.size > 0 ? this.#hosts : new Set(first);
    return [
      ...hosts.size > 0 ? [`net=${[...hosts].join(",")}`] : [],
      ...pathNeeds("read", [...files.filter((path) => !isDevice(path)), ...inputs]),
      ...pathNeeds("write", [...dir === undefined ? [] : [dir], ...files]),
    ];
  }

  /** An argument without secrets. */
  #masked(word: string): string {
    const { given } = this;
    const secrets = [
      given.user?.replace(/^[^:]*:/, ""),
      ...given.header.map((line) => SECRET_HEADER.test(line) ? line.replace(/^.*?:\s*/s, "") : ""),
      ...[...given._, given.proxy ?? ""].map((url) =>
        /^(?:[a-z][a-z\d+.-]*:[/\\]*)?(.*)@/is.exec(url)?.[1]
      ),
    ].filter((secret) => secret !== undefined && secret !== "") as string[];
    return secrets.reduce((text, secret) => text.replaceAll(secret, "***"), word);
  }
}

async function main(args: string[]): Promise<number> {
  const given = await parseOptions(args, OPTIONS);
  if (given.help || given.version) {
    return await printOnly(given.help ? helpText(INTRO, OPTIONS, OUTRO) : `fetch.ts ${VERSION}`);
  }
  const signal = interruption();
  // a file size limit is an error of write then
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
  return await new Command(given, args).run(signal);
}

if (import.meta.main) {
  await runScript({ name: "fetch", advice: ADVICE, needs: () => [], args: () => [] }, main);
}
