/**
 * Secrets are not shown, and no line is injected.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import type { RequestOptions } from "../../fetch.ts";
import { rejectsWith } from "../support/assertions.ts";
import { get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { each, runScript } from "../support/process.ts";
import { HELLO, redirect } from "../support/replies.ts";
import { clientEnds, closedPort, FakeServer, replying, urlOf } from "../support/servers.ts";

/** URLs with secrets in them, and what asking for them comes to. */
// deno-fmt-ignore
const URLS: [what: string, code: number, url: string][] = [
  ["a good answer", 0, "http://ann:secret@HOST/"],
  ["a redirect", 0, "http://ann:secret@HOST/redirect"],
  ["a status of 400 or more", 22, "http://ann:secret@HOST/404"],
  ["a refused redirect", 47, "http://ann:secret@HOST/refused"],
  ["a loop", 47, "http://ann:secret@HOST/loop"],
  ["a bad reply", 8, "http://ann:secret@HOST/bad"],
  ["nobody there", 7, "http://ann:secret@CLOSED/closed"],
  ["a host that is not known", 6, `http://ann:secret@${"a".repeat(64)}.example/host`],
  ["a port that is none", 3, "http://ann:secret@HOST:x/"],
  ["a scheme that is none", 1, "ftp://ann:secret@HOST/"],
  ["a password with a slash", 3, "http://ann:p/secret@HOST/"],
];

/** Options with secrets in them, and the exit code. */
// deno-fmt-ignore
const OPTIONS: [what: string, code: number, ...args: string[]][] = [
  ["the dialogue", 0, "-v", "-u", "ann:secret", "-H", "Cookie: secret", "http://ann:secret@HOST/"],
  ["the dialogue with a header", 0, "-v", "-H", "Authorization: secret", "http://ann:secret@HOST/"],
  ["HEAD of a redirect", 0, "-I", "--no-location", "http://ann:secret@HOST/redirect"],
  ["a proxy", 0, "-v", "-x", "http://ann:secret@HOST", "http://bob:secret@a.example/"],
  ["a proxy that is not there", 7, "-x", "http://ann:secret@CLOSED", "http://bob:secret@HOST/"],
  ["a proxy that is none", 3, "-x", "http://ann:secret@HOST:x", "http://HOST/"],
  ["a proxy of another kind", 1, "-x", "socks4://ann:secret@HOST", "http://HOST/"],
  ["a SOCKS5 proxy that is not there", 7, "-v", "-x", "socks5://ann:secret@CLOSED", "http://HOST/"],
  ["a user without password", 2, "-u", "secret", "http://HOST/"],
  ["a header without colon", 2, "-H", "Authorization Bearer secret", "http://HOST/"],
  ["a header with a line end", 2, "-H", "Authorization: secret\r\nA: b", "http://HOST/"],
];

/** All URLs in each form of output, and the options one by one. */
// deno-fmt-ignore
const WITH_SECRETS: typeof OPTIONS = [
  ...[[], ["-v"], ["--json", "--timing"], ["-I"]].map((form): typeof OPTIONS[number] =>
    [`all URLs, ${form}`, 22, ...form, ...URLS.map(([, , url]) => url)]),
  ...OPTIONS,
];

Deno.test("fetch.ts never shows a secret", async (t) => {
  const heads: string[] = [];
  await using folder = new Folder();
  await using server = new FakeServer(replying((head) => {
    const at = `http://eve:secret@127.0.0.1:${server.port}`;
    const replies: Record<string, string> = {
      "/redirect": redirect(`${at}/`),
      "/loop": redirect(`${at}/loop`),
      "/refused": redirect("ftp://ann:secret@a.example/"),
      "/404": "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
      "/bad": "HTTP/1.1 abc\r\n\r\n",
    };
    return replies[head.split(" ")[1]!] ?? HELLO;
  }, heads));
  const hosts = { HOST: `127.0.0.1:${server.port}`, CLOSED: `127.0.0.1:${closedPort()}` };
  const results = await each([...WITH_SECRETS.entries()], ([at, [, , ...words]]) => {
    const args = words.map((word) => word.replace(/HOST|CLOSED/, (name) => hosts[name as "HOST"]));
    const output = `--output-dir=${folder.file(`${at}`)}`;
    return runScript("fetch.ts", ["--retry=0", output, ...args]);
  });
  for (const [at, { code, stdout, stderr }] of results.entries()) {
    const [what, expected, form] = WITH_SECRETS[at]!;
    await t.step(what, () => {
      const shown = stdout + stderr;
      assertEquals(code, expected, shown);
      assert(!/secret|c2VjcmV0|OnNlY3JldA|zZWNyZX/.test(shown), shown);
    });
    if (form !== "--json") continue;
    const codes = stdout.trimEnd().split("\n").map((line) => JSON.parse(line).error?.code ?? 0);
    assertEquals(codes, URLS.map(([, code]) => code));
  }
  // they were sent where they belong
  assert(heads.some((head) => head.includes(`\nAuthorization: Basic ${btoa("ann:secret")}`)));
  assert(heads.some((head) => head.includes(`\nProxy-Authorization: Basic ${btoa("ann:secret")}`)));
});

Deno.test("request refuses CR, LF and NUL in all that it sends, before it connects", async (t) => {
  let connections = 0;
  await using server = new FakeServer(async (conn) => {
    connections++;
    await clientEnds(conn);
  });
  const url = urlOf(server), proxy = url;
  for (
    const end of ["\r\nX: y", "\nX: y", "\rX: y", "\0X", "\r\n\r\nGET / HTTP/1.1", "\r\n", "\n"]
  ) {
    const tries: [what: string, url: string, options: RequestOptions][] = [
      ["the URL", `${url}${end}`, {}],
      ["the host", `http://127.0.0.1${end}:${server.port}/`, {}],
      ["a header", url, { headers: [`A: b${end}`] }],
      ["the begin of a header", url, { headers: [`A:${end}`] }],
      ["a header's name", url, { headers: [`A${end}: b`] }],
      ["the user agent", url, { userAgent: `a${end}` }],
      ["the validator", url, { range: "1-", ifRange: `"a${end}"` }],
      ["the user agent for a proxy", "https://a.example/", { userAgent: `a${end}`, proxy }],
      ["the URL for a proxy", `http://a.example/${end}`, { proxy }],
      ["the URL of a proxy", "http://a.example/", { proxy: `${proxy}${end}` }],
    ];
    for (const [what, url, options] of tries) {
      await t.step(`${what}: ${JSON.stringify(end)}`, async () => {
        await rejectsWith(2, get(url, { ...options, connectTimeout: 1, stallTimeout: 1 }));
      });
    }
  }
  assertEquals(connections, 0);
});

Deno.test("request encodes what a user or a password has, and sends it in one line", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying(HELLO, heads));
  await get(urlOf(server), { user: "ann:a\r\nX: y\0" });
  await get(`http://ann:a%0d%0aX:%20y%00@127.0.0.1:${server.port}/`);
  for (const head of heads) {
    assert(head.includes(`Authorization: Basic ${btoa("ann:a\r\nX: y\0")}\r\n`), head);
  }
});

Deno.test("request lets no Location inject a line", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying((head) => {
    return head.includes(" /a ") ? redirect("/b%0d%0aX: y\rZ: z\tq") : HELLO;
  }, heads));
  await get(urlOf(server, "/a"));
  assertMatch(heads[1]!, /^GET \/b%0d%0aX:%20y%20Z:%20z\S* HTTP\/1.1\r\n/);
  assert(!/^(X|Z):/m.test(heads[1]!), heads[1]);
});
