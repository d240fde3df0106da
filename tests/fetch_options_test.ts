/**
 * Every option of --help through the real command line, with good values and with bad ones; the
 * last test looks whether one was forgotten.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { EXIT, VERSION } from "../mod.ts";
import { makeCertificates } from "./compat/certificates.ts";
import { type Asked, fetch, Folder, HOLD, noise, Origin, response, serve } from "./fetch_tools.ts";
import { FakeServer, type RunOptions, runScript } from "./testing.ts";

const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";

/** What a command line did, and what is there after it. */
interface Done {
  code: number;
  stdout: string;
  stderr: string;
  bytes: Uint8Array;
  /** What the server was asked, in its order. */
  asked: Asked[];
  folder: Folder;
  origin: Origin;
}

const tested = new Set<string>();

/** Tests an option: `fn` runs command lines of fetch.ts, in an empty folder and with a server. */
function testOption(
  name: string,
  sentence: string,
  fn: (
    run: (...args: string[]) => Promise<Done>,
    folder: Folder,
    origin: Origin,
  ) => Promise<void>,
) {
  tested.add(name);
  Deno.test(`fetch.ts ${name} ${sentence}`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(answer);
    await fn((...args) => command(folder, origin, args), folder, origin);
  });
}

/** Runs fetch.ts; an argument that starts with a slash is a path of the server. */
async function command(
  folder: Folder,
  origin: Origin,
  args: string[],
  options: RunOptions = {},
): Promise<Done> {
  const before = origin.requests.length;
  const words = args.map((word) => word.startsWith("/") ? origin.url(word) : word);
  const done = await fetch(folder, words, options);
  return { ...done, asked: origin.requests.slice(before), folder, origin };
}

/** What the server answers to each path. */
function answer(asked: Asked): ReturnType<typeof response> {
  const { target } = asked;
  const [, status] = /^\/(\d{3})/.exec(target) ?? [];
  if (target.startsWith("/hop")) {
    const left = Number(target.slice(4));
    return response("302 Found", "moved", [`Location: ${left > 1 ? `/hop${left - 1}` : "/text"}`]);
  }
  if (status) return response(`${status} Whatever`, `body of ${status}`);
  if (target === "/text") return response("200 OK", "text", ["Content-Type: text/plain"]);
  if (target === "/secret") {
    return response("200 OK", "", ["X-Odd: a\x1b[31mb\x9bc", "X\x7f\x9bY: z", "Set-Cookie: a=b"]);
  }
  const size = /^\/size(\d+)/.exec(target)?.[1] ?? 256;
  return serve(asked, { body: noise(Number(size)), lastModified: MODIFIED });
}

/** Fails unless the command line was refused in one line that matches. */
function assertUsage({ code, stdout, stderr }: Done, line: RegExp) {
  assertEquals(code, EXIT.usage, stderr);
  assertEquals(stdout, "");
  assertMatch(stderr, /^fetch: [^\n]*\n$/);
  assertMatch(stderr, line);
}

// --- Output -------------------------------------------------------------------

testOption("--output", "names the file of each URL, the others have their own", async (run) => {
  const { code, folder } = await run("-o", "a", "--output=b", "/text", "/200x", "/200y?query");
  assertEquals([code, folder.names], [EXIT.ok, ["200y", "a", "b"]]);
  assertEquals([folder.text("a"), folder.text("b")], ["text", "body of 200"]);
  assertUsage(await run("-o", "a", "-o", "b", "/text"), /2 --output for 1 URL/);
});

testOption("--output", "- gives the bytes alone, and the head to stderr", async (run) => {
  const { code, bytes, stderr, folder } = await run("-o", "-", "/size300000");
  assertEquals([code, bytes, folder.names], [EXIT.ok, noise(300_000), []]);
  assertMatch(stderr, /^HTTP\/1\.1 200 OK\n[^]*\nsaved to stdout \(300,000 bytes in \d/);
});

testOption("--continue", "goes on where a partial file ends", async (run, folder) => {
  folder.write("f.part", noise(256).subarray(0, 100), MODIFIED);
  const { code, asked } = await run("-C", "--output", "f", "/file");
  assertEquals([code, folder.bytes("f")], [EXIT.ok, noise(256)]);
  assertEquals(asked[0]!.headers.get("range"), "bytes=100-");
});

testOption("--no-clobber", "fails rather than replace a file", async (run, folder) => {
  folder.write("text", "old");
  const { code, stderr } = await run("--no-clobber", "/text");
  assertEquals([code, folder.text("text")], [EXIT.write, "old"]);
  assertStringIncludes(stderr, "fetch: cannot write text: it is there already");
  assertEquals((await run("--no-clobber", "-o", "new", "/text")).code, EXIT.ok);
  assertUsage(await run("--no-clobber", "-C", "/text"), /--no-clobber/);
});

testOption("--max-filesize", "takes bytes, K, M or G", async (run) => {
  for (const [size, limit] of [["999", 999], ["2K", 2048], ["1m", 1024 * 1024]] as const) {
    assertEquals((await run("--max-filesize", size, `/size${limit}`)).code, EXIT.ok);
    const { code, stderr } = await run("--max-filesize", size, `/size${limit + 1}`);
    assertEquals(code, EXIT.size);
    assertMatch(stderr, /^fetch: larger than --max-filesize .*\n$/);
  }
  assertEquals((await run("--max-filesize=2G", "/text")).code, EXIT.ok);
  for (const bad of ["1.5K", "-1", "5T", "many", "1e3"]) {
    assertUsage(await run("--max-filesize", bad, "/text"), /--max-filesize takes .*K, M or G/);
  }
});

/** The SHA-256 of "text". */
const SHA256 = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";

testOption("--sha256", "checks the file, in small or capital digits", async (run, folder) => {
  for (const digest of [SHA256, SHA256.toUpperCase()]) {
    assertEquals((await run("--sha256", digest, "/text")).code, EXIT.ok);
  }
  folder.write("text", "old");
  const { code, stderr } = await run("--sha256", SHA256.replace("9", "8"), "/text");
  assertEquals([code, folder.text("text")], [EXIT.checksum, "old"]);
  assertStringIncludes(stderr, `fetch: the SHA-256 is ${SHA256}, not 882d9e3e`);
  for (const bad of ["abc", `${SHA256}0`, SHA256.replace("9", "g")]) {
    assertUsage(await run("--sha256", bad, "/text"), /--sha256 takes 64 hex digits/);
  }
});

testOption("--sha256", "checks what was there before, and what goes to stdout", async (run) => {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(noise(256))));
  const { code, folder } = await run("-o", "-", "--sha256", digest.toHex(), "/file");
  assertEquals(code, EXIT.ok);
  folder.write("f.part", noise(256).subarray(0, 100), MODIFIED);
  const args = ["-C", "--sha256", digest.toHex(), "-o", "f", "/file"];
  const { code: continued, asked } = await run(...args);
  assertEquals([continued, asked[0]!.headers.get("range")], [EXIT.ok, "bytes=100-"]);
});

testOption("--remote-time", "gives the file the time of Last-Modified", async (run, folder) => {
  await run("-R", "-o", "remote", "/file");
  await run("-o", "local", "/file");
  await run("--remote-time", "-o", "none", "/text");
  assertEquals(Deno.statSync(folder.file("remote")).mtime, new Date(MODIFIED));
  for (const name of ["local", "none"]) {
    const { mtime } = Deno.statSync(folder.file(name));
    assert(mtime!.getFullYear() > 2000, name);
  }
});

// --- Request ------------------------------------------------------------------

testOption("--header", "adds, replaces, empties and removes header lines", async (run) => {
  const lines = ["X-One: 1", "X-One: 2", "User-Agent: mine", "Accept:", "X-Empty;"];
  const { code, asked } = await run(...lines.flatMap((line) => ["-H", line]), "/text");
  assertEquals(code, EXIT.ok);
  const { headers, lines: sent } = asked[0]!;
  assertEquals(headers.get("x-one"), "1, 2");
  assertEquals([headers.get("user-agent"), headers.get("accept")], ["mine", null]);
  assert(sent.includes("X-Empty:"));
  for (const bad of ["no colon", ": no name", "in name: x", "A: b\r\nC: d"]) {
    assertUsage(await run("--header", bad, "/text"), /header/);
  }
});

testOption("--head", "prints the head and writes no file", async (run) => {
  const { code, stdout, stderr, asked, folder } = await run("-I", "/text");
  assertEquals([code, stderr, folder.names], [EXIT.ok, "", []]);
  assertEquals(stdout, "HTTP/1.1 200 OK\nContent-Length: 4\nContent-Type: text/plain\n");
  assertEquals(asked.map(({ method }) => method), ["HEAD"]);
  const missing = await run("--head", "/404");
  assertEquals(missing.code, EXIT.status);
  assertStringIncludes(missing.stdout, "HTTP/1.1 404 Whatever\n");
});

testOption("--user", "sends Basic authentication, as a URL can", async (run, _, origin) => {
  const basic = `Basic ${btoa("joe:pass:word")}`;
  const { asked } = await run("-u", "joe:pass:word", "/text");
  assertEquals(asked[0]!.headers.get("authorization"), basic);
  const byUrl = await run(origin.url("/text").replace("//", "//joe:pass%3Aword@"));
  assertEquals(byUrl.asked[0]!.headers.get("authorization"), basic);
  const refused = await run("--user", "secret-without-colon", "/text");
  assertUsage(refused, /--user takes USER:PASS/);
  assert(!refused.stderr.includes("secret"));
});

testOption("--user-agent", "names the program", async (run) => {
  const { asked } = await run("-A", "curl/8", "/text");
  assertEquals(asked[0]!.headers.get("user-agent"), "curl/8");
  const usual = await run("/text");
  assertEquals(usual.asked[0]!.headers.get("user-agent"), `tcp-trio/${VERSION}`);
  assertUsage(await run("--user-agent", "a\nb", "/text"), /CR, LF or NUL/);
});

testOption("--compressed", "asks for a coding and decodes it", async (_run, folder) => {
  const text = "so much text ".repeat(1000);
  const gzip = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  const coded = new Uint8Array(await new Response(gzip).arrayBuffer());
  await using origin = new Origin(({ headers }) =>
    headers.get("accept-encoding")?.includes("gzip")
      ? response("200 OK", coded, ["Content-Encoding: gzip"])
      : response("200 OK", text)
  );
  for (const options of [["--compressed"], []]) {
    const { code, asked } = await command(folder, origin, [...options, "-o", "f", "/"]);
    assertEquals([code, folder.text("f")], [EXIT.ok, text]);
    assertEquals(asked[0]!.headers.has("accept-encoding"), options.length > 0);
  }
});

testOption("--max-redirs", "limits the redirects that are followed", async (run) => {
  assertEquals((await run("--max-redirs", "2", "/hop2")).code, EXIT.ok);
  for (const [limit, url] of [["1", "/hop2"], ["0", "/hop1"]] as const) {
    const { code, stderr, folder } = await run("--max-redirs", limit, "-o", "f", url);
    assertEquals([code, folder.names], [EXIT.redirect, ["hop2"]]);
    assertEquals(stderr, `fetch: more than ${limit} redirects (--max-redirs)\n`);
  }
  for (const bad of ["-1", "x", "1.5"]) {
    assertUsage(await run("--max-redirs", bad, "/text"), /--max-redirs takes a whole number/);
  }
});

testOption("--no-location", "shows and saves a redirect, and does not follow", async (run) => {
  const { code, stdout, asked, folder } = await run("--no-location", "-o", "f", "/hop1");
  assertEquals([code, folder.text("f")], [EXIT.ok, "moved"]);
  assertMatch(stdout, /^HTTP\/1\.1 302 Found\n[^]*^Location: \/text\n/m);
  assertEquals(asked.map(({ target }) => target), ["/hop1"]);
});

testOption("--no-fail", "saves the body of an error", async (run, folder) => {
  for (const status of ["404", "503"]) {
    const { code, asked } = await run("--no-fail", `/${status}`);
    assertEquals([code, asked.length, folder.text(status)], [EXIT.ok, 1, `body of ${status}`]);
  }
  const failed = await run("-o", "none", "/404");
  assertEquals([failed.code, folder.names], [EXIT.status, ["404", "503"]]);
  assertMatch(
    failed.stderr,
    /^fetch: http:.*\/404 answered 404 Whatever \(--no-fail saves its body\)\n$/,
  );
});

// --- Connection ---------------------------------------------------------------

testOption(
  "--proxy",
  "asks a proxy, in absolute form and with its password",
  async (run, _, proxy) => {
    const url = proxy.url("").replace("//", "//joe:word@");
    const { code, asked, folder } = await run("-x", url, "http://a.invalid/text");
    assertEquals([code, folder.names], [EXIT.ok, ["text"]]);
    assertEquals(asked[0]!.target, "http://a.invalid/text");
    assertEquals(asked[0]!.headers.get("host"), "a.invalid");
    assertEquals(asked[0]!.headers.get("proxy-authorization"), `Basic ${btoa("joe:word")}`);
    const socks = await run("--proxy", "socks5://127.0.0.1:1", "/text");
    assertEquals(socks.code, EXIT.unexpected);
    assertMatch(socks.stderr, /^fetch: unsupported .*only http.*\n$/);
  },
);

testOption(
  "--proxy",
  "is taken from the environment, where that may be read",
  async (_, folder, proxy) => {
    const permissions = ["--allow-net", "--allow-read=.", "--allow-write=.", "--allow-env"];
    for (const name of ["http_proxy", "all_proxy"]) {
      const options = { permissions, env: { [name]: proxy.url("") } };
      const { asked } = await command(folder, proxy, ["http://a.invalid/text"], options);
      assertEquals(asked[0]?.target, "http://a.invalid/text");
    }
    const env = { http_proxy: "http://127.0.0.1:1", no_proxy: "example.com,127.0.0.1" };
    const { code } = await command(folder, proxy, ["/text"], { permissions, env });
    assertEquals(code, EXIT.ok);
  },
);

testOption("--cacert", "trusts a certificate", async (_run, folder) => {
  await using certificates = await makeCertificates();
  const { good, ca } = certificates;
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: await Deno.readTextFile(good.certificate),
    key: await Deno.readTextFile(good.key),
    onListen() {},
  }, () => new Response("secret"));
  const url = `https://127.0.0.1:${server.addr.port}/f`;
  const permissions = ["--allow-net", `--allow-read=.,${ca}`, "--allow-write=."];
  const trusted = await fetch(folder, ["--cacert", ca, url], { permissions });
  assertEquals([trusted.code, folder.text("f")], [EXIT.ok, "secret"]);
  const untrusted = await fetch(folder, [url], { permissions });
  assertEquals(untrusted.code, EXIT.certificate);
  assertMatch(untrusted.stderr, /is not trusted: unknown issuer \(--cacert FILE trusts it\)/);
  const missing = await fetch(folder, ["--cacert", "missing.pem", url], { permissions });
  assertEquals(missing.code, EXIT.usage);
  assertMatch(missing.stderr, /^fetch: cannot read --cacert missing\.pem: No such file/);
});

/** Seconds, good and bad, of the options that take them. */
async function testSeconds(name: string, run: (...args: string[]) => Promise<Done>) {
  assertEquals((await run(name, "30", "/text")).code, EXIT.ok);
  for (const bad of ["0", "-1", "soon", "1e3", "1h"]) {
    const pattern = new RegExp(`${name} takes .*, not "${bad}"`);
    assertUsage(await run(name, bad, "/text"), pattern);
  }
}

testOption("--connect-timeout", "limits lookup, connection and handshake", async (run) => {
  const silent = Promise.withResolvers<void>();
  await using server = new FakeServer(() => silent.promise);
  const url = `https://127.0.0.1:${server.port}/`;
  const { code, stderr } = await run("--connect-timeout", "0.1", "--retry=0", url);
  silent.resolve();
  assertEquals(code, EXIT.timeout);
  assertMatch(stderr, /^fetch: timed out: .*--connect-timeout 0\.1\n$/);
  await testSeconds("--connect-timeout", run);
});

testOption("--stall-timeout", "limits how long no byte comes", async (run, folder) => {
  await using silent = new Origin(({ target }) =>
    target === "/head" ? [HOLD] : [response("200 OK", "body")[0], "bo", HOLD]
  );
  for (const path of ["/head", "/body"]) {
    const args = ["--stall-timeout", "0.1", "--retry=0", "-o", "f", path];
    const { code, stderr } = await command(folder, silent, args);
    assertEquals(code, EXIT.timeout);
    assertMatch(stderr, /^fetch: timed out: .*--stall-timeout 0\.1\b.*\n$/);
  }
  assertEquals(folder.text("f.part"), "bo");
  await testSeconds("--stall-timeout", run);
});

testOption("--max-time", "limits everything", async (run, folder) => {
  await using silent = new Origin(() => [HOLD]);
  const { code, stderr } = await command(folder, silent, ["--max-time", "0.1", "/"]);
  assertEquals(code, EXIT.timeout);
  assertMatch(stderr, /^fetch: timed out: .*--max-time\b.*\n$/);
  await testSeconds("--max-time", run);
});

testOption("--retry", "says how often what may pass is tried again", async (run, folder) => {
  await using busy = new Origin(() => response("503 Busy", "", ["Retry-After: 0"]));
  for (const [args, tries] of [[["--retry=2"], 3], [["--retry", "0"], 1], [[], 4]] as const) {
    const { code, asked } = await command(folder, busy, [...args, "/"]);
    assertEquals([code, asked.length], [EXIT.status, tries]);
  }
  for (const bad of ["-1", "x", "1.5"]) {
    assertUsage(await run("--retry", bad, "/text"), /--retry takes a whole number/);
  }
});

// --- Messages -----------------------------------------------------------------

testOption("--timing", "shows where the time of each exchange went, as bars", async (run) => {
  const { code, stderr, origin } = await run("--timing", "/hop1");
  assertEquals(code, EXIT.ok);
  const lines = stderr.trimEnd().split("\n");
  assertEquals(lines.length, 2 * 6 + 1);
  const names = ["name lookup", "TCP", "TLS", "first byte", "transfer"];
  for (const [start, path] of [[0, "/hop1"], [6, "/text"]] as const) {
    assertEquals(lines[start], origin.url(path));
    const bars = lines.slice(start + 1, start + 6);
    assertEquals(bars.map((line) => line.slice(2, 13).trim()), names);
    for (const line of bars) assertMatch(line, /^ {2}.{11} +(\d+\.\d|\?) ms( #{1,40})?$/);
    assertEquals(new Set(bars.map((line) => line.indexOf(" ms"))).size, 1, "not aligned");
  }
  assert(lines.some((line) => line.endsWith("#".repeat(40))), "no bar is full");
});

testOption("--json", "prints one object for each URL in the place of the head", async (run) => {
  const { code, stdout, origin } = await run("--json", `--sha256=${SHA256}`, "-o", "f", "/hop1");
  assertEquals(code, EXIT.ok);
  assertEquals(stdout.split("\n").length, 2);
  assert(!/\.\d{4}/.test(stdout), "there is nothing shorter than a microsecond");
  const { timing, ...rest } = JSON.parse(stdout);
  assertEquals(rest, {
    version: 1,
    url: origin.url("/hop1"),
    finalUrl: origin.url("/text"),
    file: "f",
    bytes: 4,
    sha256: SHA256,
    attempts: 1,
    status: 200,
    statusText: "OK",
    headers: { "content-length": ["4"], "content-type": ["text/plain"] },
    redirects: [{ status: 302, from: origin.url("/hop1"), to: origin.url("/text") }],
  });
  const exchanges = timing as Record<string, unknown>[];
  assertEquals(exchanges.map(({ url }) => url), [origin.url("/hop1"), origin.url("/text")]);
  for (const { url: _, ...phases } of exchanges) {
    assertEquals(Object.keys(phases), ["lookup", "tcp", "tls", "wait", "transfer"]);
    for (const [phase, ms] of Object.entries(phases)) {
      assert(typeof ms === "number" && ms >= 0 && ms < 60_000, `${phase} is ${ms}`);
    }
  }
});

testOption("--json", "gives an error as an object too", async (run) => {
  const { code, stdout, stderr, origin } = await run("--json", "/404", "/text", "ftp://x/");
  assertEquals(code, EXIT.status);
  const [missing, found, ftp, ...more] = stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(more, []);
  assertEquals([missing.version, missing.url, missing.file], [1, origin.url("/404"), "404"]);
  assertEquals(missing.error.code, EXIT.status);
  assertStringIncludes(stderr, `fetch: ${missing.error.message}\n`);
  assertEquals([found.status, found.sha256, found.file], [200, undefined, "text"]);
  assertEquals([ftp.version, ftp.error.code], [1, EXIT.unexpected]);
});

testOption("--json", "keeps out of the body and of the terminal's way", async (run) => {
  for (const [path, what] of [["/text", "text"], ["/404", ""]] as const) {
    const { stdout, stderr } = await run("--json", "-o", "-", path);
    assertEquals(stdout, what);
    assertEquals(stderr.split("\n").filter((line) => line.startsWith('{"version":1,')).length, 1);
  }
  const { stdout } = await run("--json", "/secret");
  assertEquals(JSON.parse(stdout).headers, {
    "content-length": ["0"],
    "x-odd": ["a\\x1b[31mb\\x9bc"],
    "x\\x7f\\x9by": ["z"],
    "set-cookie": ["a=b"],
  });
  const head = JSON.parse((await run("--json", "-I", "/text")).stdout);
  assertEquals([head.version, head.status, head.file], [1, 200, undefined]);
});

testOption("--silent", "says nothing but errors", async (run) => {
  const { code, stdout, stderr } = await run("-s", "/text");
  assertEquals([code, stdout, stderr], [EXIT.ok, "", ""]);
  const failed = await run("--silent", "/404");
  assertMatch(failed.stderr, /^fetch: .* answered 404 Whatever.*\n$/);
});

testOption("--verbose", "shows the dialogue as curl does, without secrets", async (run) => {
  const header = ["-H", "Cookie: secret", "-u", "joe:secret"];
  const { stderr, origin } = await run("-v", ...header, "-o", "f", "/hop1");
  const host = `127.0.0.1:${origin.port}`;
  const request = (path: string) => [
    `> GET ${path} HTTP/1.1`,
    `> Host: ${host}`,
    `> User-Agent: tcp-trio/${VERSION}`,
    "> Accept: */*",
    "> Connection: close",
    "> Authorization: ***",
    "> Cookie: ***",
    ">",
  ];
  const lines = stderr.split("\n").map((line) => line.trimEnd());
  const dialogue = lines.filter((line) => /^[<>]/.test(line));
  assertEquals(dialogue, [
    ...request("/hop1"),
    "< HTTP/1.1 302 Found",
    "< Content-Length: 5",
    "< Location: /text",
    "<",
    ...request("/text"),
    "< HTTP/1.1 200 OK",
    "< Content-Length: 4",
    "< Content-Type: text/plain",
    "<",
  ]);
  assert(lines.some((line) => line.startsWith(`* Connected to ${host}`)));
  assert(!stderr.includes("secret"), "a secret is shown");
});

testOption("--help", "fits 80 columns, in groups, on stdout", async (run) => {
  const { code, stdout, stderr } = await run("--help");
  assertEquals([code, stderr], [EXIT.ok, ""]);
  assertEquals((await run("-h")).stdout, stdout);
  assertEquals((await run("-s", "/text", "--help")).stdout, stdout);
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.filter((line) => line.length > 79), []);
  assert(lines.length <= 40, "more than a screen");
  assertMatch(stdout, /^Usage: fetch\.ts \[OPTIONS\] \[URL\]\.\.\.$/m);
  const groups = lines.filter((line) => /^[A-Z][a-z]+$/.test(line));
  assertEquals(groups, ["Output", "Request", "Connection", "Messages"]);
});

testOption("--version", "says the version", async (run) => {
  for (const name of ["--version", "-V"]) {
    const { code, stdout, stderr } = await run(name);
    assertEquals([code, stdout, stderr], [EXIT.ok, `fetch.ts ${VERSION}\n`, ""]);
  }
});

// --- All together -------------------------------------------------------------

/** The options of --help: the letter if there is one, the name, what it takes. */
async function helped(): Promise<{ letter?: string; name: string; takes: boolean }[]> {
  const { stdout } = await runScript("fetch.ts", ["--help"]);
  const options = stdout.matchAll(/^ +(?:(-\w), )?(--[\w-]+)( [A-Z]\S*)?| {2}(-V), (--version)$/gm);
  return [...options].map(([, letter, name, takes, letter2, name2]) => ({
    letter: letter ?? letter2!,
    name: name ?? name2!,
    takes: takes !== undefined,
  }));
}

Deno.test("fetch.ts --help has all options that are tested here, and no other", async () => {
  const names = (await helped()).map(({ name }) => name);
  assertEquals(names.toSorted(), [...tested].toSorted());
});

Deno.test("fetch.ts takes each option of --help as it is shown there", async () => {
  await using folder = new Folder();
  for (const { letter, name, takes } of await helped()) {
    for (const option of letter ? [letter, name] : [name]) {
      const value = takes ? ["x"] : [];
      const { code, stdout } = await fetch(folder, [option, ...value, "--help"]);
      assertEquals([code, stdout.length > 0], [EXIT.ok, true], `${option} ${value}`);
      const bad = takes ? [option] : [`${name}=x`];
      const { code: failed, stderr } = await fetch(folder, bad);
      assertEquals(failed, EXIT.usage, `${bad} ${stderr}`);
      assertMatch(stderr, takes ? / takes / : /takes no value/);
      assertStringIncludes(stderr, `fetch: ${takes ? option : name} `);
    }
  }
});

Deno.test("fetch.ts refuses what is no option", async () => {
  await using folder = new Folder();
  for (const bad of ["--nothing", "-z", "--output-file=x", "-sz", "--HELP"]) {
    const { code, stdout, stderr } = await fetch(folder, [bad]);
    assertEquals([code, stdout], [EXIT.usage, ""]);
    assertMatch(stderr, /^fetch: unknown option -\S+ \(--help lists them\)\n$/);
  }
});

Deno.test("fetch.ts takes letters together, values joined on, and -- before URLs", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const { code, stdout } = await command(folder, origin, ["-sRof", "-HX-A: b", "--", "/file"]);
  assertEquals([code, stdout, folder.names], [EXIT.ok, "", ["f"]]);
  assertEquals(origin.requests[0]!.headers.get("x-a"), "b");
  assertEquals(Deno.statSync(folder.file("f")).mtime, new Date(MODIFIED));
});

Deno.test("fetch.ts saves each URL to its own file, and goes on after a failure", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const urls = ["/404", "http://", "/text", "/503", "/200/"];
  const { code, stderr } = await command(folder, origin, ["--retry=0", ...urls]);
  assertEquals(code, EXIT.status, "the first failure counts");
  assertEquals(folder.names, ["index.html", "text"]);
  const errors = stderr.match(/^fetch: .*$/gm) ?? [];
  assertEquals(errors.length, 3, stderr);
  assertMatch(errors[0]!, /\/404 answered 404/);
  assertMatch(errors[1]!, /malformed URL/);
  assertMatch(errors[2]!, /\/503 answered 503/);
});

Deno.test("fetch.ts saves no two URLs to the same file", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const { code, stderr } = await command(folder, origin, ["/text", "/200/text"]);
  assertEquals([code, folder.text("text")], [EXIT.usage, "text"]);
  assertMatch(stderr, /^fetch: text is the file of another URL \(-o gives names\)$/m);
  assertEquals(origin.requests.length, 1);
});

Deno.test("fetch.ts checks no two files against the same checksum", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const args = ["--sha256", SHA256, "/text", "/200/other"];
  const { code, stderr } = await command(folder, origin, args);
  assertEquals(code, EXIT.usage);
  assertStringIncludes(stderr, "--sha256");
});

Deno.test("fetch.ts names files after URLs, but never after stdout or a folder", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "text"));
  const names = [
    ["/a/%E4%BD%A0%E5%A5%BD.txt", "你好.txt"],
    ["/a/b?c=d#e", "b"],
    ["/", "index.html"],
    ["/a/..%2f..%2fetc%2fpasswd", ".._.._etc_passwd"],
    ["/%1b%5b31m", "_[31m"],
  ] as const;
  for (const [path, name] of names) {
    const { code, stderr } = await command(folder, origin, [path]);
    assertEquals([code, folder.names], [EXIT.ok, [name]], stderr);
    Deno.removeSync(folder.file(name));
  }
  const { stdout } = await command(folder, origin, ["-s", "/-"]);
  assertEquals([stdout, folder.names.length], ["", 1]);
});

Deno.test("fetch.ts without URL saves the tutorial's page to sina.html", async () => {
  await using folder = new Folder();
  await using proxy = new Origin(() => response("200 OK", "the page"));
  const { code, asked } = await command(folder, proxy, ["-x", proxy.url("")]);
  assertEquals([code, folder.names, folder.text("sina.html")], [
    EXIT.ok,
    ["sina.html"],
    "the page",
  ]);
  assertEquals(asked[0]!.target, "http://www.sina.com.cn/");
});

Deno.test("fetch.ts shows heads so that no terminal obeys them", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const { stdout, stderr } = await command(folder, origin, ["-v", "/secret"]);
  assertStringIncludes(stdout, "X-Odd: a\\x1b[31mb\\x9bc\n");
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(stdout + stderr), "a control character is shown");
});

Deno.test("fetch.ts without permissions says how to grant them, without secrets", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const url = origin.url("/text").replace("//", "//joe:secret@");
  const args = [
    "-u",
    "joe:secret",
    "-H",
    "Cookie: secret",
    "--proxy=http://a:secret@127.0.0.1:1",
    url,
  ];
  for (const permissions of [[], ["--allow-net"], ["--allow-read=."]]) {
    const { code, stdout, stderr } = await fetch(
      folder,
      args.toSpliced(4, permissions.length ? 1 : 0),
      {
        permissions,
      },
    );
    assertEquals([code, stdout], [EXIT.permission, stdout], stderr);
    assertMatch(
      stderr,
      /fetch: .* is not granted \(run: deno run --allow-net=127\.0\.0\.1:\d+ .*\)\n$/,
    );
    assert(!stderr.includes("secret"), stderr);
  }
});
