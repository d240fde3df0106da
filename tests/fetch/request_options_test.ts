/**
 * The options about request and connection, with good values and with bad ones.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { download } from "../../fetch.ts";
import { EXIT, VERSION } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { makeCertificates } from "../support/certificates.ts";
import { runFetch } from "../support/fetch.ts";
import { assertUsage, command, testOption, testSeconds } from "../support/options.ts";
import { HOLD, Origin } from "../support/origin.ts";
import { response } from "../support/replies.ts";
import { FakeServer } from "../support/servers.ts";
import { some } from "../support/thorough.ts";

testOption("--header", "adds, replaces, empties and removes header lines", async (run) => {
  const lines = ["X-One: 1", "X-One: 2", "User-Agent: mine", "Accept:", "X-Empty;"];
  const { code, asked } = await run(...lines.flatMap((line) => ["-H", line]), "/text");
  assertEquals(code, EXIT.ok);
  const { headers, lines: sent } = asked[0]!;
  assertEquals(headers.get("x-one"), "1, 2");
  assertEquals([headers.get("user-agent"), headers.get("accept")], ["mine", null]);
  assert(sent.includes("X-Empty:"));
  for (const bad of some([": no name", "in name: x", "no colon", "A: b\r\nC: d"])) {
    assertUsage(await run("--header", bad, "/text"), /header/);
  }
});

testOption("--head", "prints the head and writes no file", async (run) => {
  const { code, stdout, stderr, asked, folder } = await run("-I", "/text", "/400");
  assertEquals([code, folder.names], [EXIT.status, []]);
  assertMatch(stderr, /^fetch: \S+\/400 answered 400 Whatever\b.*\n$/);
  assertEquals(asked[0]!.headers.get("user-agent"), `tcp-trio/${VERSION}`);
  const found = "HTTP/1.1 200 OK\nContent-Length: 4\nContent-Type: text/plain\n";
  assertEquals(stdout.slice(0, found.length), found);
  assertMatch(stdout.slice(found.length), /^\n?HTTP\/1\.1 400 Whatever\n/);
  assertEquals(asked.map(({ method }) => method), ["HEAD", "HEAD"]);
});

testOption("--user", "sends Basic authentication, as a URL can", async (run, folder, origin) => {
  const basic = `Basic ${btoa("joe:pass:word")}`;
  const { asked } = await run("-u", "joe:pass:word", "/text");
  assertEquals(asked[0]!.headers.get("authorization"), basic);
  const byUrl = origin.url("/text").replace("//", "//joe:pass%3Aword@");
  await download(byUrl, { output: folder.file("text") });
  assertEquals(origin.requests[1]!.headers.get("authorization"), basic);
  // on a terminal it would ask
  const refused = await run("--user", "secret-without-colon", "/text");
  assertUsage(refused, /^fetch: there is no terminal to ask for the password of --user\n$/);
});

testOption("--user-agent", "names the program", async (run) => {
  const { asked } = await run("-A", "curl/8", "/text");
  assertEquals(asked[0]!.headers.get("user-agent"), "curl/8");
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
  const { code } = await command(folder, origin, ["--compressed", "-o", "f", "/"]);
  assertEquals([code, folder.text("f")], [EXIT.ok, text]);
  await download(origin.url("/"), { output: folder.file("g") });
  assertEquals(folder.text("g"), text);
  const [asked, unasked] = origin.requests.map(({ headers }) => headers.has("accept-encoding"));
  assertEquals([asked, unasked], [true, false]);
});

testOption("--max-redirs", "limits the redirects that are followed", async (run) => {
  const { code, stderr, folder, origin } = await run("--max-redirs", "0", "-o", "f", "/hop1");
  assertEquals([code, stderr], [EXIT.redirect, "fetch: more than 0 redirects (--max-redirs)\n"]);
  const hops = (maxRedirects: number) =>
    download(origin.url("/hop2"), { maxRedirects, output: folder.file("f") });
  await rejectsWith(EXIT.redirect, hops(1), "more than 1 redirects");
  assertEquals(folder.names, []);
  await hops(2);
  assertEquals(folder.text("f"), "text");
  for (const bad of some(["-1", "x", "1.5"])) {
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
  const { code, asked } = await run("--no-fail", "/404", "/503");
  assertEquals([code, asked.length], [EXIT.ok, 2]);
  assertEquals(["404", "503"].map((name) => folder.text(name)), ["body of 404", "body of 503"]);
  const failed = await run("-o", "none", "/404");
  assertEquals([failed.code, folder.names], [EXIT.status, ["404", "503"]]);
  assertMatch(
    failed.stderr,
    /^fetch: http:.*\/404 answered 404 Whatever \(--no-fail saves its body\)\n$/,
  );
});

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
    const socks = await run("--proxy", "socks4://127.0.0.1:1", "/text");
    assertEquals(socks.code, EXIT.unexpected);
    assertMatch(socks.stderr, /^fetch: .*only http.*\n$/);
  },
);

testOption(
  "--proxy",
  "is taken from the environment, where that may be read",
  async (_, folder, proxy) => {
    const permissions = ["--allow-net", "--allow-read=.", "--allow-write=.", "--allow-env"];
    const options = { permissions, env: { http_proxy: proxy.url("") } };
    const { asked } = await command(folder, proxy, ["http://a.invalid/text"], options);
    assertEquals(asked[0]?.target, "http://a.invalid/text");
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
  const trusted = await runFetch(folder, ["--cacert", ca, url], { permissions });
  assertEquals([trusted.code, folder.text("f")], [EXIT.ok, "secret"]);
  const untrusted = await runFetch(folder, [url], { permissions });
  assertEquals(untrusted.code, EXIT.certificate);
  assertMatch(untrusted.stderr, /is not trusted: unknown issuer \(--cacert FILE trusts it\)/);
  const missing = await runFetch(folder, ["--cacert", "missing.pem", url], { permissions });
  assertEquals(missing.code, EXIT.usage);
  assertMatch(missing.stderr, /^fetch: cannot read --cacert missing\.pem: No such file/);
});

testOption("--connect-timeout", "limits lookup, connection and handshake", async (run) => {
  const silent = Promise.withResolvers<void>();
  await using server = new FakeServer(() => silent.promise);
  const url = `https://127.0.0.1:${server.port}/`;
  const { code, stderr } = await run("--connect-timeout", "0.1", "--retry=0", url);
  silent.resolve();
  assertEquals(code, EXIT.timeout);
  assertMatch(stderr, /^fetch: timed out: .* within 0\.1 s \(--connect-timeout allows more\)\n$/);
  await testSeconds("--connect-timeout", run);
});

testOption("--stall-timeout", "limits how long no byte comes", async (run, folder) => {
  await using silent = new Origin(({ target }) =>
    target === "/head" ? [HOLD] : [response("200 OK", "body")[0], "bo", HOLD]
  );
  const files = ["-o", "none", "/head", "-o", "f", "/body"];
  const args = ["--stall-timeout", "0.1", "--retry=0", "-s", ...files];
  const { code, stderr } = await command(folder, silent, args);
  assertEquals(code, EXIT.timeout);
  const line = "fetch: timed out: .* within 0\\.1 s .*\\(--stall-timeout allows more\\).*\n";
  assertMatch(stderr, new RegExp(`^${line}${line}$`));
  assertEquals(folder.text("f.part"), "bo");
  await testSeconds("--stall-timeout", run);
});

testOption("--max-time", "limits everything", async (run, folder) => {
  const limits = ["--connect-timeout", "--stall-timeout", "--max-time"];
  const patient = await run(...limits.flatMap((name) => [name, "30"]), "-o", "f", "/text");
  assertEquals(patient.code, EXIT.ok, patient.stderr);
  await using silent = new Origin(() => [HOLD]);
  const { code, stderr } = await command(folder, silent, ["--max-time", "0.1", "/"]);
  assertEquals(code, EXIT.timeout);
  assertMatch(stderr, /^fetch: timed out: .*--max-time\b.*\n$/);
  await testSeconds("--max-time", run);
});

testOption("--retry", "says how often what may pass is tried again", async (run, folder) => {
  await using busy = new Origin(() => response("503 Busy", "", ["Retry-After: 0"]));
  const { code, asked } = await command(folder, busy, ["--retry", "2", "/"]);
  assertEquals([code, asked.length], [EXIT.status, 3]);
  await rejectsWith(EXIT.status, download(busy.url("/"), { output: folder.file("f") }));
  assertEquals(busy.requests.length, 3 + 4);
  for (const bad of some(["-1", "x", "1.5"])) {
    assertUsage(await run("--retry", bad, "/text"), /--retry takes a whole number/);
  }
});
