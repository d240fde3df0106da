/**
 * The options about what is shown, with good values and with bad ones.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { EXIT, VERSION } from "../../mod.ts";
import { SHA256, testOption } from "../support/options.ts";

testOption("--timing", "shows where the time of each exchange went, as bars", async (run) => {
  const { code, stderr, origin } = await run("--timing", "--silent", "/hop1");
  assertEquals(code, EXIT.ok);
  const lines = stderr.trimEnd().split("\n");
  assertEquals(lines.length, 2 * 6);
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
  const outputs = await run("--json", "-o", "-", "-o", "-", "/404", "/text");
  assertEquals(outputs.stdout, "text");
  assertEquals(outputs.stderr.match(/^\{"version":1,/gm)?.length, 2);
  const { stdout } = await run("--json", "/secret");
  assertEquals(Object.entries(JSON.parse(stdout).headers), [
    ["content-length", ["0"]],
    ["x-odd", ["a\\x1b[31mb\\x9bc"]],
    ["x\\x7f\\x9by", ["z"]],
    ["__proto__", ["p"]],
    ["constructor", ["c"]],
    ["set-cookie", ["a=b"]],
  ]);
  const asked = await run("--json", "--timing", "-I", "/text"), head = JSON.parse(asked.stdout);
  assertEquals([head.version, head.status, head.file], [1, 200, undefined]);
  assertMatch(asked.stderr, /^ {2}first byte +\d+\.\d ms/m);
});

testOption("--silent", "says nothing but errors", async (run) => {
  const { code, stdout, stderr } = await run("-s", "/text", "/404");
  assertEquals([code, stdout], [EXIT.status, ""]);
  assertMatch(stderr, /^fetch: .* answered 404 Whatever.*\n$/);
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
  assertEquals((await run("-s", "/text", "-h")).stdout, stdout);
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.filter((line) => line.length > 79), []);
  assertMatch(stdout, /^Usage: fetch\.ts \[OPTIONS\] \[URL\]\.\.\.$/m);
  const groups = lines.filter((line) => /^[A-Z][^.;]*$/.test(line));
  assertEquals(groups, [
    ...["Output", "URLs", "Request", "Connection", "Messages"],
    "As with curl, and done anyway",
  ]);
});

testOption("--version", "says the version", async (run) => {
  for (const name of ["--version", "-V"]) {
    const { code, stdout, stderr } = await run(name);
    assertEquals([code, stdout, stderr], [EXIT.ok, `fetch.ts ${VERSION}\n`, ""]);
  }
});
