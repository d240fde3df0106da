/**
 * The same replies to `download`, fetch.ts and curl: they agree, but where a
 * difference is meant.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import zlib from "node:zlib";
import { download } from "../../fetch.ts";
import { TrioError, writeAll } from "../../mod.ts";
import { bytesOf, joined, textOf } from "../support/bytes.ts";
import { Folder } from "../support/folder.ts";
import { testPeer } from "../support/peers.ts";
import { each, run, runScript } from "../support/process.ts";
import { CHUNKED, OK, redirect, REPLIES, TEXT } from "../support/replies.ts";
import { clientEnds, FakeServer, readHead } from "../support/servers.ts";

/** A reply, and how it is asked for. */
interface Case {
  what: string;
  reply: string | Uint8Array;
  /** Asks for codings and undoes them. */
  compressed?: boolean;
  /** The server keeps the connection open. */
  open?: boolean;
}

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

function length(fields: string, body = TEXT): string {
  return `${OK}${fields}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

// deno-fmt-ignore
const FRAMED: Case[] = [
  { what: "length, the connection stays open", reply: length("A: b"), open: true },
  { what: "chunked, the connection stays open", reply: `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`, open: true },
  { what: "204, the connection stays open", reply: "HTTP/1.1 204 None\r\n\r\n", open: true },
  { what: "length 0, the connection stays open", reply: length("A: b", ""), open: true },
  { what: "every byte, by length", reply: joined(`${OK}Content-Length: 256\r\n\r\n`, EVERY_BYTE) },
  { what: "every byte, chunked", reply: joined(`${CHUNKED}100\r\n`, EVERY_BYTE, "\r\n0\r\n\r\n") },
  { what: "every byte, until EOF", reply: joined(`${OK}\r\n`, EVERY_BYTE) },
  { what: "3 MB by length", reply: joined(`${OK}Content-Length: 3000000\r\n\r\n`, new Uint8Array(3e6).fill(97)) },
  { what: "1 MB in chunks of 10 bytes", reply: joined(CHUNKED, "a\r\n0123456789\r\n".repeat(1e5), "0\r\n\r\n") },
  { what: "1 MB in one chunk", reply: joined(CHUNKED, "F4240\r\n", "x".repeat(1e6), "\r\n0\r\n\r\n") },
  { what: "HTTP/1.0 by length", reply: length("A: b").replace("1.1", "1.0") },
  { what: "HTTP/1.0 until EOF", reply: "HTTP/1.0 200 OK\r\n\r\nhello" },
  { what: "HTTP/1.2", reply: length("A: b").replace("1.1", "1.2") },
  { what: "HTTP/2", reply: length("A: b").replace("1.1", "2") },
  { what: "ICY, as old radio servers have it", reply: length("A: b").replace("HTTP/1.1", "ICY") },
  { what: "no space behind the status", reply: length("A: b").replace("200 OK", "200OK") },
  { what: "a status of four digits", reply: length("A: b").replace("200", "2000") },
  { what: "a status of two digits", reply: length("A: b").replace("200", "20") },
  { what: "status 099", reply: length("A: b").replace("200", "099") },
  { what: "status 999", reply: length("A: b").replace("200", "999") },
  { what: "status 404", reply: length("A: b").replace("200 OK", "404 Not Found") },
  { what: "status 500 until EOF", reply: "HTTP/1.1 500 Oops\r\n\r\nhello" },
  { what: "304 with a length", reply: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", open: true },
  { what: "205 with a body", reply: length("A: b").replace("200 OK", "205 Reset") },
  { what: "an equal length twice", reply: length("Content-Length: 13") },
  { what: "an equal length twice in one field", reply: `${OK}Content-Length: 5, 5\r\n\r\nhello` },
  { what: "unequal lengths", reply: length("Content-Length: 5") },
  { what: "unequal lengths in one field", reply: `${OK}Content-Length: 5, 6\r\n\r\nhello` },
  { what: "a length with something behind it", reply: `${OK}Content-Length: 5x\r\n\r\nhello` },
  { what: "a signed length", reply: `${OK}Content-Length: +5\r\n\r\nhello` },
  { what: "a negative length", reply: `${OK}Content-Length: -5\r\n\r\nhello` },
  { what: "no length in the field", reply: `${OK}Content-Length:\r\n\r\nhello` },
  { what: "a length in words", reply: `${OK}Content-Length: five\r\n\r\nhello` },
  { what: "the length 2^64", reply: `${OK}Content-Length: 18446744073709551616\r\n\r\nhello` },
  { what: "a length with leading zeros", reply: `${OK}Content-Length: 0005\r\n\r\nhello` },
  { what: "a length of 0 and more bytes", reply: length("A: b", "") + "hello" },
  { what: "a length and a line end more", reply: length("A: b") + "\r\n" },
  { what: "a length with space before the colon", reply: `${OK}Content-Length : 5\r\n\r\nhello, world` },
  { what: "a folded length", reply: `${OK}Content-Length:\r\n 5\r\n\r\nhello` },
  { what: "length and chunked", reply: `${OK}Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n` },
  { what: "chunked and length", reply: `${OK}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n` },
  { what: "chunked twice", reply: `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n` },
  { what: "chunked twice in one field", reply: `${OK}Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n` },
  { what: "chunked in capitals, folded", reply: `${OK}TRANSFER-ENCODING:\r\n CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n` },
  { what: "Transfer-Encoding: identity", reply: length("Transfer-Encoding: identity") },
  { what: "Transfer-Encoding: identity until EOF", reply: `${OK}Transfer-Encoding: identity\r\n\r\nhello` },
  { what: "an unknown transfer coding", reply: length("Transfer-Encoding: rot13") },
  { what: "gzip and chunked", reply: joined(`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n21\r\n`, zlib.gzipSync(TEXT), "\r\n0\r\n\r\n") },
  { what: "a field without name", reply: length(": b") },
  { what: "a name with a space", reply: length("My Field: b") },
  { what: "a name that is not ASCII", reply: length("\xdcber: b") },
  { what: "an empty value", reply: length("A:") },
  { what: "a folded value", reply: length("A: b\r\n c\r\n\td") },
  { what: "a fold before all fields", reply: length(" A: b") },
  { what: "a line without colon", reply: length("oops") },
  { what: "NUL in a value", reply: length("A: b\0c") },
  { what: "NUL in the reason phrase", reply: length("A: b").replace("OK", "O\0K") },
  { what: "a CR in a value", reply: length("A: b\rc") },
  { what: "a value of 90 kB", reply: length(`A: ${"b".repeat(90_000)}`) },
  { what: "4,000 fields", reply: length("A: b\r\n".repeat(4000) + "C: d") },
  { what: "a head of 400 kB", reply: length(`${`A: ${"b".repeat(50_000)}\r\n`.repeat(8)}C: d`) },
  { what: "Content-Encoding nobody asked for", reply: joined(`${OK}Content-Encoding: gzip\r\n\r\n`, zlib.gzipSync(TEXT)) },
  { what: "Content-Range nobody asked for, of all", reply: length("Content-Range: bytes 0-12/13") },
];

/** A body with a content coding, whole and framed by its length. */
function coded(coding: string, body: Uint8Array): Uint8Array {
  return joined(`${OK}Content-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`, body);
}

const GZIP = zlib.gzipSync(TEXT), ZLIB = zlib.deflateSync(TEXT);

const RAW = zlib.deflateRawSync(TEXT), BROTLI = zlib.brotliCompressSync(TEXT);

const CODED: Case[] = [
  { what: "gzip", reply: coded("gzip", GZIP) },
  { what: "x-gzip in capitals", reply: coded("X-GZIP", GZIP) },
  { what: "zlib", reply: coded("deflate", ZLIB) },
  { what: "raw deflate", reply: coded("deflate", RAW) },
  { what: "brotli", reply: coded("br", BROTLI) },
  { what: "identity", reply: coded("identity", bytesOf(TEXT)) },
  { what: "none", reply: coded("none", bytesOf(TEXT)) },
  { what: "no coding", reply: length("A: b") },
  { what: "an unknown coding", reply: coded("rot13", bytesOf(TEXT)) },
  { what: "gzip, then brotli", reply: coded("gzip, br", zlib.brotliCompressSync(GZIP)) },
  { what: "gzip twice", reply: coded("gzip, gzip", zlib.gzipSync(GZIP)) },
  {
    what: "two fields",
    reply: coded("deflate\r\nContent-Encoding: gzip", zlib.gzipSync(ZLIB)),
  },
  { what: "gzip of nothing", reply: coded("gzip", zlib.gzipSync("")) },
  { what: "gzip, and no body", reply: coded("gzip", new Uint8Array()) },
  { what: "204 with a coding", reply: "HTTP/1.1 204 None\r\nContent-Encoding: gzip\r\n\r\n" },
  {
    what: "gzip, chunked",
    reply: joined(
      `${OK}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n`,
      ...[GZIP.subarray(0, 5), "\r\n1c\r\n", GZIP.subarray(5), "\r\n0\r\n\r\n"],
    ),
  },
  { what: "gzip, until EOF", reply: joined(`${OK}Content-Encoding: gzip\r\n\r\n`, GZIP) },
  { what: "gzip of two members", reply: coded("gzip", joined(GZIP, GZIP)) },
  { what: "gzip cut short", reply: coded("gzip", GZIP.subarray(0, -9)) },
  { what: "gzip without its last byte", reply: coded("gzip", GZIP.subarray(0, -1)) },
  { what: "zlib cut short", reply: coded("deflate", ZLIB.subarray(0, -1)) },
  { what: "brotli cut short", reply: coded("br", BROTLI.subarray(0, -1)) },
  {
    what: "gzip with a wrong checksum",
    reply: coded("gzip", GZIP.map((b, at) => b ^ +(at === 26))),
  },
  { what: "gzip that is none", reply: coded("gzip", bytesOf(TEXT)) },
  { what: "zlib that is none", reply: coded("deflate", bytesOf("\xff\xff\xff\xff")) },
  { what: "brotli that is none", reply: coded("br", bytesOf("\xff\xff\xff\xff")) },
  { what: "garbage behind gzip", reply: coded("gzip", joined(GZIP, "garbage")) },
  { what: "garbage behind zlib", reply: coded("deflate", joined(ZLIB, "garbage")) },
  { what: "garbage behind brotli", reply: coded("br", joined(BROTLI, "garbage")) },
].map((one) => ({ ...one, compressed: true }));

/** Where they lead answers with the target of the request. */
const REDIRECTS: Case[] = [
  "/a",
  "a",
  "?a=b",
  "./../a/./b/../c",
  "/a b",
  "/\xc3\xa4\xc3\xa0",
  "/%7Ea%2fb",
  "/a#b",
  "#b",
  "//127.0.0.1:PORT/a",
  "http://127.0.0.1:PORT/a?b=c",
  "HTTP://127.0.0.1:PORT/a",
  "http://127.0.0.1:PORT",
  "http://127.0.0.1:PORT?a",
  "http://u:p@127.0.0.1:PORT/a",
  " \t/a \t",
  "",
  "/loop",
  "http://127.0.0.1:99999/",
  "http://[::1/",
  "ftp://127.0.0.1/a",
  "file:///etc/passwd",
].map((location) => ({ what: `Location: ${location}`, reply: redirect(location) }));
REDIRECTS.push(
  ...["301 A", "303 B", "307 C", "308 D"].map((status) => (
    { what: status, reply: redirect("/a", status) }
  )),
  ...["200 A", "201 B", "300 C", "304 D", "305 E", "306 F", "404 G"].map((status) => (
    { what: `${status} does not lead on`, reply: redirect("/a", status) }
  )),
  {
    what: "two Locations",
    reply: "HTTP/1.1 302 A\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
  },
  { what: "302 without Location", reply: "HTTP/1.1 302 A\r\nContent-Length: 5\r\n\r\nhello" },
  { what: "a redirect with a bad body", reply: redirect("/a").replace(": 0", ": 9") },
);

const CASES: Case[] = [
  ...REPLIES.map(([, what, reply]) => ({ what, reply })),
  ...FRAMED,
  ...CODED,
  ...REDIRECTS,
];

const STRICT_GRAMMAR = "what is no size, line end or extension may hide a chunk cut short";

const CUT_CODING = "a coded stream without its end is a body cut short";

const NO_REDIRECT = "RFC 9110 has five statuses that lead on; curl follows all of 3xx";

const UNASKED = "nobody asked whether it was modified: there is nothing to keep";

/** Where the verdict is not curl's: our body, or none where we fail, and why. */
const MEANT: Record<string, [body: string | undefined, reason: string]> = {
  "a size that goes on with letters": [undefined, STRICT_GRAMMAR],
  "two CRs behind the data": [undefined, STRICT_GRAMMAR],
  "a CR in an extension": [undefined, STRICT_GRAMMAR],
  "a size with leading zeros": ["hello", "they change nothing; curl takes 16 digits"],
  "a head cut short": [undefined, "a reply cut short is never complete"],
  "101 to no Upgrade": [undefined, "nobody asked for another protocol"],
  "a head of 300 KiB": ["", "curl takes 300 KiB of head, but 100 of one line"],
  "HTTP/2": [undefined, "RFC 9110 2.5: another major version has another syntax"],
  "unequal lengths": [undefined, "RFC 9112 6.3: which of them is meant?"],
  "unequal lengths in one field": [undefined, "RFC 9112 6.3: which of them is meant?"],
  "a signed length": [undefined, "RFC 9110 8.6: digits only"],
  "a length with something behind it": [undefined, "RFC 9110 8.6: digits only"],
  "the length 2^64": [undefined, "no file is so large; curl reads until EOF"],
  "a length with space before the colon": [undefined, "RFC 9112 5.1; curl reads until EOF"],
  "a folded length": ["hello", "RFC 9112 5.2: folded lines are joined"],
  "chunked in capitals, folded": ["hello", "RFC 9112 5.2: folded lines are joined"],
  "gzip of two members": [TEXT + TEXT, "RFC 1952 2.2: members follow each other"],
  "gzip cut short": [undefined, CUT_CODING],
  "gzip without its last byte": [undefined, CUT_CODING],
  "zlib cut short": [undefined, CUT_CODING],
  "brotli cut short": [undefined, CUT_CODING],
  "Location: /\xc3\xa4\xc3\xa0": ["/%C3%A4%C3%A0", "RFC 3986 2.1: hex digits in upper case"],
  "Location: #b": [undefined, "RFC 3986 5.4: the same document, so for ever; curl asks for /"],
  "300 C does not lead on": ["", NO_REDIRECT],
  "304 D does not lead on": [undefined, UNASKED],
  "304 with a length": [undefined, UNASKED],
  "305 E does not lead on": ["", NO_REDIRECT],
  "306 F does not lead on": ["", NO_REDIRECT],
};

/** Sends the case whose number is the path; the target of any other comes back as body. */
class Replier extends FakeServer {
  constructor() {
    super(async (conn) => {
      const [, target = ""] = (await readHead(conn)).split(" ");
      const { reply, open } = target === "/loop"
        ? { reply: redirect("/loop") }
        : CASES[/^\/\d+$/.test(target) ? Number(target.slice(1)) : -1] ??
          { reply: length("A: b", target) };
      const bytes = typeof reply === "string"
        ? bytesOf(reply.replace("PORT", `${this.port}`))
        : reply;
      await writeAll(conn, bytes);
      if (open) await clientEnds(conn);
    });
  }
  url(one: Case): string {
    return `http://127.0.0.1:${this.port}/${CASES.indexOf(one)}`;
  }
}

/** The body of a good reply. */
type Verdict = string | undefined;

async function content(path: string): Promise<string> {
  return textOf(await Deno.readFile(path).catch(() => new Uint8Array()));
}

/** A case, where it is, and where its body goes. */
interface Job {
  one: Case;
  url: string;
  path: string;
}

function jobsOf(cases: Case[], server: Replier, folder: Folder): Job[] {
  return cases.map((one, n) => ({ one, url: server.url(one), path: folder.file(`${n}`) }));
}

/** The arguments of curl for one of many. */
function curlArgs({ one: { compressed }, url, path }: Job, at: number): string[] {
  return [
    ...[at > 0 ? "--next" : "--disable", "--silent", "--noproxy", "*", "--location"],
    ...["--max-time", "20", "--max-redirs", "20"],
    // another address for each, lest it use a connection twice
    ...["--interface", `127.1.${at >> 8}.${at & 255}`, ...compressed ? ["--compressed"] : []],
    ...["--write-out", "%{exitcode}\n", "--output", path, url],
  ];
}

/** Downloads all in one run of curl, but for some errors after which it does not go on. */
async function byCurl(jobs: Job[]): Promise<Verdict[]> {
  const codes: string[] = [];
  while (codes.length < jobs.length) {
    const rest = jobs.slice(codes.length);
    const { stdout, stderr } = await run("curl", rest.flatMap(curlArgs));
    assert(stdout, stderr);
    codes.push(...stdout.trim().split("\n"));
  }
  assert(!codes.includes("28"), "it took too long");
  return await verdicts(jobs, codes.map((code) => code === "0"));
}

/** What is in the files of those that are good. */
async function verdicts(jobs: Job[], good: boolean[]): Promise<Verdict[]> {
  return await Promise.all(
    jobs.map(({ path }, n) => good[n] ? content(path) : undefined),
  );
}

async function byDownload({ one: { compressed = false }, url, path }: Job): Promise<Verdict> {
  try {
    await download(url, { output: path, compressed, retry: 0, fail: false, maxTime: 20 });
    return await content(path);
  } catch (error) {
    if (!(error instanceof TrioError)) throw error;
    assert(error.code !== 28, error.message);
  }
}

/** Downloads all in one run of fetch.ts. */
async function byScript(jobs: Job[], compressed: boolean): Promise<Verdict[]> {
  const { code, stdout, stderr } = await runScript("fetch.ts", [
    ...["--silent", "--json", "--retry=0", "--no-fail", "--max-time=20"],
    ...[...compressed ? ["--compressed"] : [], ...jobs.map(({ path }) => `--output=${path}`)],
    ...jobs.map(({ url }) => url),
  ]);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const codes: number[] = lines.map(({ error }) => error?.code ?? 0);
  assertEquals(codes.length, jobs.length);
  assert(!codes.includes(28), stderr);
  assertEquals(code, codes.find((code) => code !== 0) ?? 0);
  return await verdicts(jobs, codes.map((code) => code === 0));
}

testPeer(
  `download and curl agree on ${CASES.length} replies, but where a difference is meant`,
  ["curl"],
  async (t) => {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(new Replier());
    const [saved, alsoSaved] = [stack.use(new Folder()), stack.use(new Folder())];
    const [theirs, ours] = await Promise.all([
      byCurl(jobsOf(CASES, server, saved)),
      each(jobsOf(CASES, server, alsoSaved), byDownload),
    ]);
    for (const [at, { what }] of CASES.entries()) {
      await t.step(
        what,
        () => assertEquals(ours[at], what in MEANT ? MEANT[what]![0] : theirs[at]),
      );
    }
    const names = CASES.map(({ what }) => what);
    assertEquals(new Set(names).size, names.length);
    assertEquals(Object.keys(MEANT).filter((what) => !names.includes(what)), []);
  },
);

Deno.test("fetch.ts ends as download does", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(new Replier());
  const [saved, alsoSaved] = [stack.use(new Folder()), stack.use(new Folder())];
  for (const compressed of [false, true]) {
    const some = CASES.filter((one) => (one.compressed ?? false) === compressed)
      .filter((_, at) => at % 9 === 0);
    const ours = await each(jobsOf(some, server, saved), byDownload);
    assertEquals(await byScript(jobsOf(some, server, alsoSaved), compressed), ours);
    assert(ours.some((body) => body !== undefined) && ours.includes(undefined));
  }
});
