/**
 * The options about many URLs, parts of files and credentials, with good values and with bad ones,
 * and those that fingers used to curl type.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { createHash } from "node:crypto";
import { download } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isSame, joined, noise } from "../support/bytes.ts";
import { runFetch, startFetch } from "../support/fetch.ts";
import { assertUsage, command, type Done, SHA256, testOption } from "../support/options.ts";
import { HOLD, MODIFIED, Origin, serveResource } from "../support/origin.ts";
import { response } from "../support/replies.ts";
import { some } from "../support/thorough.ts";

/** The SHA-512 of "text". */
const SHA512 = createHash("sha512").update("text").digest("hex");

// As with curl

/** Downloads a redirect, and no error, with these options, which change nothing. */
async function testSame(run: (...args: string[]) => Promise<Done>, ...options: string[]) {
  const { code, folder, stderr } = await run(...options, "-sfSLO", "/hop1", "/404");
  assertEquals([code, folder.names, folder.text("hop1")], [EXIT.status, ["hop1"], "text"]);
  assertMatch(stderr, /^fetch: .* answered 404 Whatever .*\n$/);
}

testOption("--location", "is what it does anyway", (run) => testSame(run, "--location", "-L"));

testOption("--remote-name-all", "is what it does anyway", async (run) => {
  await testSame(run, "--remote-name-all", "-O");
});

testOption("--fail", "is what it does anyway", (run) => testSame(run, "--fail", "-f"));

testOption(
  "--show-error",
  "is what it does anyway",
  (run) => testSame(run, "--show-error", "-S"),
);

testOption("--insecure", "is refused, with what to do instead", async (run) => {
  const done = await run("-sk", "/text");
  assertUsage(done, /--cacert FILE .*--unsafely-ignore-certificate-errors=HOST/);
  assertEquals(done.asked, []);
});

testOption("--quiet", "is --silent", async (run) => {
  const { code, stdout, stderr } = await run("--quiet", "-q", "/text", "/404");
  assertEquals([code, stdout], [EXIT.status, ""]);
  assertMatch(stderr, /^fetch: .* answered 404 .*\n$/);
});

// Names and folders

testOption("--output-dir", "puts the files into a folder, made if missing", async (
  run,
  _folder,
  origin,
) => {
  const { code, folder, stderr } = await run("--output-dir", "a/b", "-o", "c", "/text", "/200x");
  assertEquals(code, EXIT.ok, stderr);
  assertEquals([folder.names, folder.text("a/b/c")], [["a"], "text"]);
  assertEquals(folder.text("a/b/200x"), "body of 200");
  await download(origin.url("/text"), { outputDir: folder.file("a"), output: "d/e" });
  assertEquals(folder.text("a/d/e"), "text");
  await download(origin.url("/text"), { outputDir: folder.file("a/b/"), remoteName: true });
  assertEquals(folder.text("a/b/text"), "text");
  const outputDir = folder.file("a/b/c");
  await rejectsWith(EXIT.write, download(origin.url("/text"), { outputDir }), outputDir);
});

testOption("--remote-name", "takes the server's name, made safe", async (_run, folder) => {
  const names: [disposition: string | undefined, name: string][] = [
    ['attachment; filename="a b.txt"', "a b.txt"],
    ["attachment; filename=x; filename*=UTF-8''%e4%bd%a0%e5%a5%bd", "你好"],
    ['attachment; filename="../../etc/passwd"', "passwd"],
    ['attachment; filename="/abs/olute"', "olute"],
    ["inline", "file4"],
    [undefined, "file5"],
  ];
  await using origin = new Origin(({ target }) => {
    const disposition = names[Number(target.slice("/file".length))]?.[0];
    return response("200 OK", "body", disposition ? [`Content-Disposition: ${disposition}`] : []);
  });
  const urls = names.map((_, at) => `/file${at}`);
  const { code, stderr } = await command(folder, origin, ["-J", ...urls]);
  assertEquals([code, folder.names], [EXIT.ok, names.map(([, name]) => name).sort()], stderr);
  for (const [, name] of names) assertStringIncludes(stderr, `saved ${name} (4 bytes `);
  assertUsage(await command(folder, origin, ["-J", "-o", "x", "/"]), /--output and --remote-name/);
});

testOption("--remote-name", "replaces nothing with --no-clobber", async (_run, folder) => {
  await using origin = new Origin(() =>
    response("200 OK", "new", ["Content-Disposition: attachment; filename=there"])
  );
  folder.write("there", "old");
  const options = { remoteName: true, clobber: false, outputDir: folder.path };
  await rejectsWith(EXIT.write, download(origin.url(), options));
  assertEquals(folder.text("there"), "old");
});

// Parts of files

/** A server of 1,000 bytes that knows the ranges `A-B`, `A-` and `-N`. */
function ranged(body: Uint8Array, other = false): Origin {
  return new Origin(({ headers }) => {
    const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(headers.get("range") ?? "") ?? [];
    if (first === "" && last === "" || other) return response("200 OK", body);
    const start = first === "" ? Math.max(0, body.length - +last) : +first;
    if (start >= body.length) {
      return response("416 No", "", [`Content-Range: bytes */${body.length}`]);
    }
    const end = first === "" || last === "" ? body.length : Math.min(+last + 1, body.length);
    const range = `Content-Range: bytes ${start}-${end - 1}/${body.length}`;
    return response("206 Partial Content", body.subarray(start, end), [range]);
  });
}

testOption("--range", "saves these bytes only", async (run, folder) => {
  const body = noise(1000);
  await using origin = ranged(body);
  const ranges: [range: string, start: number, end: number][] = [
    ["0-99", 0, 100],
    ["900-", 900, 1000],
    ["-5", 995, 1000],
    ["990-2000", 990, 1000],
    ["-5000", 0, 1000],
  ];
  for (const [range, start, end] of ranges) {
    await download(origin.url("/"), { range, output: folder.file("f") });
    assertEquals(folder.bytes("f"), body.slice(start, end));
    assertEquals(origin.requests.at(-1)!.headers.get("range"), `bytes=${range}`);
  }
  const { code, stderr } = await command(folder, origin, ["-r", "-7", "-o", "f", "/"]);
  assertEquals([code, folder.bytes("f")], [EXIT.ok, body.slice(993)], stderr);
  const behind = { range: "1000-1000", output: folder.file("g") };
  await rejectsWith(EXIT.resume, download(origin.url("/"), behind));
  assertEquals(folder.names, ["f"]);
  for (const bad of some(["9-5", "0-1,3-4", "5", "-", "-0", "a-b", "0x1-2", ""])) {
    assertUsage(await run(`--range=${bad}`, "/text"), /--range takes one range of bytes/);
  }
});

testOption("--range", "is 33 if the answer is not those bytes, and saves nothing", async (
  _run,
  folder,
) => {
  await using whole = ranged(noise(1000), true);
  const range = "5-9", output = folder.file("f");
  await rejectsWith(EXIT.resume, download(whole.url("/"), { range, output }));
  await using others = new Origin(() =>
    response("206 Partial Content", "01234", ["Content-Range: bytes 0-4/1000"])
  );
  await rejectsWith(EXIT.resume, download(others.url("/"), { range, output }));
  assertEquals(folder.names, []);
});

testOption("--range", "is kept on a redirect to another origin", async (_run, folder) => {
  await using target = ranged(noise(1000));
  await using origin = new Origin(() => response("302 Found", "", [`Location: ${target.url()}`]));
  await download(origin.url("/"), { range: "3-3", output: folder.file("f") });
  assertEquals([folder.bytes("f"), target.ranges()], [noise(4).slice(3), ["bytes=3-3"]]);
});

// Checksums

testOption("--checksum", "checks by a list, a file or a URL", async (run, folder, origin) => {
  await using lists = new Origin((_, count) =>
    count === 1
      ? response("503 Busy", "", ["Retry-After: 0"])
      : response("200 OK", `${SHA256}  text\n`)
  );
  // as sha256sum and sha512sum print it, and in BSD form; one by the name in the URL
  folder.write(
    "list",
    `${"0".repeat(64)}  other\n${SHA256}  text\n${SHA512} *b\nSHA256 (c) = ${SHA256}\n`,
  );
  const names = ["a", "b", "c"].flatMap((name) => ["-o", name]);
  const good = await run("--checksum", "list", ...names, "/text", "/text", "/text");
  assertEquals(good.code, EXIT.ok, good.stderr);
  const byUrl = await run("--checksum", lists.url("/SHA256SUMS"), "-u", "joe:secret", "/text");
  assertEquals(byUrl.code, EXIT.ok, byUrl.stderr);
  assertEquals(lists.requests[0]!.headers.get("authorization"), null);
  folder.write("text", "old");
  folder.write("list", `${"0".repeat(64)}  text\n`);
  const wrong = await run("--checksum=list", "/text", "/200x");
  assertEquals([wrong.code, folder.text("text")], [EXIT.checksum, "old"]);
  assertMatch(wrong.stderr, /the SHA-256 is 982d9e3e.*, not 0{64}.*\nfetch: no sum for 200x is/);
  assertEquals(origin.requests.map(({ target }) => target), Array(5).fill("/text"));
  assertUsage(await run("--checksum", "missing", "/text"), /--checksum missing: No such file/);
  assertUsage(await run("--checksum=x", `--sha256=${SHA256}`, "/text"), /--sha256 and --checksum/);
});

// Many URLs

testOption("--input-file", "has more URLs, one a line", async (run, folder, origin) => {
  folder.write("urls", `# two\n${origin.url("/text")}\r\n\n  ${origin.url("/200x")}  \n`);
  folder.write("more", origin.url("/200w"));
  const { code, stderr } = await run("-i", "urls", "-i", "more", "/200y");
  assertEquals(code, EXIT.ok, stderr);
  assertEquals(folder.names, ["200w", "200x", "200y", "more", "text", "urls"]);
  const args = ["--input-file", "-", "-q"];
  const byStdin = await runFetch(folder, args, { stdin: `${origin.url("/200z")}\n` });
  assertEquals([byStdin.code, folder.text("200z")], [EXIT.ok, "body of 200"]);
  assertUsage(await run("-i", "missing"), /cannot read --input-file missing: No such file/);
});

testOption("--parallel", "asks for so many at a time", async (_run, folder) => {
  const three = Promise.withResolvers<void>();
  let open = 0, most = 0;
  await using origin = new Origin(async ({ target }) => {
    most = Math.max(most, ++open);
    if (open === 3) three.resolve();
    await three.promise;
    open--;
    return response(target < "/d" ? "404 Gone" : "200 OK", target);
  });
  const paths = ["/a", "/b", "/c", "/d", "/e"];
  const { code, stdout, stderr } = await command(folder, origin, ["--json", "-j", "3", ...paths]);
  assertEquals([code, most, folder.names], [EXIT.status, 3, ["d", "e"]], stderr);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ file }) => file).sort(), ["a", "b", "c", "d", "e"]);
  const failed = lines.filter(({ error }) => error).map(({ file }) => file);
  assertEquals(failed.sort(), ["a", "b", "c"]);
  for (const bad of some(["65", "0", "x"])) {
    assertUsage(await command(folder, origin, ["-j", bad, "/a"]), /--parallel takes a whole/);
  }
});

testOption("--parallel", "mixes nothing on stdout", async (run) => {
  const outputs = ["-o", "-", "-o/dev/stdout"];
  assertUsage(await run("-j2", ...outputs, "/text", "/200"), /--parallel would mix/);
  assertEquals((await run(...outputs, "/text", "/200")).stdout, "textbody of 200");
  assertEquals((await run("-j2", "-q", "-o-", "-ob", "/text", "/200")).stdout, "text");
});

testOption("--parallel", "ends all on a signal", async (_run, folder) => {
  const asked = Promise.withResolvers<void>();
  await using origin = new Origin(() => {
    if (origin.requests.length === 2) asked.resolve();
    return [HOLD];
  });
  const urls = ["/a", "/b", "/c"].map((path) => origin.url(path));
  const permissions = ["--allow-net", "--allow-read=.", "--allow-write=."];
  await using child = startFetch(folder, permissions, ["-j", "2", ...urls]);
  await asked.promise;
  assertEquals((await child.stop("SIGTERM")).code, 143);
  assertEquals(child.stderr, "fetch: interrupted\nfetch: interrupted\n");
  assertEquals([origin.requests.length, folder.names], [2, []]);
});

testOption("--connections", "fetches one file over several", async (_run, folder) => {
  const body = noise(6_000_000), four = Promise.withResolvers<void>();
  let atOnce = 0;
  const lines = ['ETag: "1"', "Accept-Ranges: bytes"];
  await using origin = new Origin(({ headers }) => {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.get("range") ?? "") ?? [];
    const [start, end] = first ? [+first, last ? +last + 1 : body.length] : [0, body.length];
    const part = body.subarray(start, end);
    if (origin.requests.length === 4) {
      setTimeout(() => (atOnce = origin.requests.length, four.resolve()), 50); // no fifth one
    }
    const range = `Content-Range: bytes ${start}-${end - 1}/${body.length}`;
    const [head] = first
      ? response("206 Partial Content", part, [range, ...lines])
      : response("200 OK", part, lines);
    // nobody gets all before four have asked
    return [head, part.subarray(0, 1000), four.promise, part.subarray(1000)];
  });
  const sum = createHash("sha256").update(body).digest("hex");
  const args = ["--connections", "4", `--sha256=${sum}`, "-o", "f", "/"];
  const { code, stderr } = await command(folder, origin, args);
  assertEquals([code, folder.names, atOnce], [EXIT.ok, ["f"], 4], stderr);
  assertEquals(new Set(origin.ranges("/")).size, origin.requests.length, "a piece came twice");
  const conditions = origin.requests.slice(1).map(({ headers }) => headers.get("if-range"));
  assertEquals(new Set(conditions), new Set(['"1"']));
  await using plain = new Origin(() => response("200 OK", body));
  const names = ["-o", "f", "-o", "-"], urls = [plain.url("/"), origin.url("/")];
  const one = await runFetch(folder, ["-v", "--connections=4", ...names, ...urls]);
  assertEquals([one.code, plain.requests.length, isSame(one.bytes.subarray(-body.length), body)], [
    EXIT.ok,
    1,
    true,
  ]);
  assertMatch(one.stderr, /^\* One connection only: the server /m);
  assertMatch(one.stderr, /^\* One connection only: more need a file /m);
  assertUsage(
    await command(folder, plain, ["--connections=0", "/"]),
    /--connections takes a whole/,
  );
});

testOption("--limit-rate", "takes no more a second than it may", async (run, _folder, origin) => {
  const started = performance.now();
  const { code, bytes } = await run("--limit-rate", "400K", "-o", "-", "/size600000");
  const seconds = (performance.now() - started) / 1000;
  assertEquals([code, bytes.length], [EXIT.ok, 600_000]);
  // bytes that came at once may count to the next second, but not all of them
  assert(seconds > 0.4, `600,000 bytes took ${seconds} s`);
  assertEquals(origin.requests.length, 1);
  assertEquals((await run("--limit-rate=0", "-o", "-", "/text")).stdout, "text"); // no limit
  for (const bad of some(["1.5K", "fast", "-1"])) {
    assertUsage(await run("--limit-rate", bad, "/text"), /--limit-rate takes a number of bytes/);
  }
});

// Headers and credentials

testOption("--header", "@FILE reads lines from a file", async (run, folder) => {
  folder.write("lines", "X-One: 1\r\nAccept: text/x\n\nX-Two: ä\n");
  const { code, asked, stderr } = await run("-H", "@lines", "-H", "X-Three: 3", "/text");
  assertEquals(code, EXIT.ok, stderr);
  const { headers } = asked[0]!;
  assertEquals(["x-one", "accept", "x-three"].map((name) => headers.get(name)), [
    "1",
    "text/x",
    "3",
  ]);
  assertUsage(await run("-H", "@missing", "/text"), /cannot read --header missing: No such file/);
  folder.write("lines", "no colon secret\n");
  const bad = await run("-H", "@lines", "/text");
  assertUsage(bad, /header/);
  assert(!bad.stderr.includes("secret"), bad.stderr);
});

testOption("--netrc-file", "has credentials by host", async (run, folder, origin) => {
  folder.write(
    "netrc",
    "machine a.example login x password y\nmachine 127.0.0.1 login ann password s\n",
  );
  const basic = `Basic ${btoa("ann:s")}`;
  const own = origin.url("/200x").replace("//", "//bob:word@");
  const { code, asked, stderr } = await run("--netrc-file", "netrc", "-v", "/text", own);
  const sent = asked.map(({ headers }) => headers.get("authorization"));
  assertEquals([code, ...sent], [EXIT.ok, basic, `Basic ${btoa("bob:word")}`], stderr);
  assertMatch(stderr, /^> Authorization: \*\*\*$/m);
  await using other = new Origin(() => response("200 OK", "text"));
  folder.write("netrc", "machine a.example login x password secret\n");
  const { asked: none } = await command(folder, other, ["--netrc-file", "netrc", "/text"]);
  assertEquals(none[0]!.headers.get("authorization"), null);
  assertUsage(await run("--netrc-file", "missing", "/text"), /--netrc-file missing: No such file/);
  folder.write("netrc", "default login ann\n");
  const alone = await run("--netrc-file", "netrc", "/text");
  assertEquals(alone.asked[0]!.headers.get("authorization"), `Basic ${btoa("ann:")}`);
  folder.write("netrc", "default login a:b password s\n");
  assertUsage(await run("--netrc-file", "netrc", "/text"), /the login of 127.0.0.1 has a colon/);
});

testOption("--compressed", "asks for zstd too, and decodes it", async (_run, folder) => {
  const { zstdCompressSync } = await import("node:zlib");
  const body = joined(noise(300_000), "text ".repeat(50_000));
  await using origin = new Origin(({ headers }) =>
    headers.get("accept-encoding")?.includes("zstd")
      ? response("200 OK", zstdCompressSync(body), ["Content-Encoding: zstd"])
      : response("200 OK", body)
  );
  await download(origin.url("/"), { compressed: true, output: folder.file("f") });
  assert(isSame(folder.bytes("f"), body));
});

// Cookies

testOption("--location", "takes cookies along, within a run and a host", async (_run, folder) => {
  await using origin = new Origin(({ target, headers }) => {
    const cookie = headers.get("cookie") ?? "";
    if (target === "/login") {
      return response("302 Found", "", ["Set-Cookie: id=5; Path=/", "Location: /file"]);
    }
    if (target === "/loop") {
      return response("302 Found", "", ["Set-Cookie: n=1; Secure", "Location: /loop"]);
    }
    return cookie.includes("id=5")
      ? response("200 OK", "inside")
      : response("302 Found", "", ["Location: /login"]);
  });
  const urls = ["-o", "f", "-o", "g", "/file", "/file", "/loop"];
  const { code, asked, stderr } = await command(folder, origin, ["-L", "--max-redirs=3", ...urls]);
  assertEquals([code, folder.text("f"), folder.text("g")], [EXIT.redirect, "inside", "inside"]);
  const targets = ["/file", "/login", "/file", "/file"];
  assertEquals(asked.map(({ target }) => target).slice(0, 5), [...targets, "/loop"]);
  assertMatch(stderr, /^fetch: more than 3 redirects; they go in a circle, and .* cookie/m);
  // another run knows nothing of it
  assertEquals((await command(folder, origin, ["--no-location", "/file"])).asked.length, 1);
  assertEquals(origin.requests.at(-1)!.headers.get("cookie"), null);
});

testOption("--continue", "- goes on with it, and is no URL", async (run, folder) => {
  await using origin = new Origin((asked) =>
    serveResource(asked, { body: noise(256), lastModified: MODIFIED })
  );
  folder.write("file", noise(256).subarray(0, 100));
  const { code, asked } = await command(folder, origin, ["-C", "-", "/file"]);
  assertEquals([code, folder.bytes("file"), asked.length], [EXIT.ok, noise(256), 2]);
  assertUsage(await run("-", "/text"), /^fetch: - is no URL \(-i - reads URLs from stdin\)\n$/);
});
