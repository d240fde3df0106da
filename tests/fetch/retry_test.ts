/**
 * What is tried again, how often and when.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "jsr:@std/assert@^1.0.0";
import { download, type DownloadOptions, type Progress, TransientError } from "../../fetch.ts";
import { EXIT, TrioError } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { noise } from "../support/bytes.ts";
import { hurry, runFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { type Answer, type Answering, cutAt, HOLD, Origin } from "../support/origin.ts";
import { denoArgs, Running } from "../support/process.ts";
import { connecting } from "../support/replaced.ts";
import { response } from "../support/replies.ts";
import { closedPort } from "../support/servers.ts";

/** Downloads from a server that answers so; tells the tries and the pauses between them. */
async function tries(answer: Answering, options: DownloadOptions = {}) {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const pauses: number[] = [];
  const pending = download(origin.url(), {
    output: folder.file("f"),
    onRetry: (_error, seconds) => pauses.push(seconds),
    ...options,
  });
  const code = await pending.then(() => EXIT.ok, (error: TrioError) => error.code);
  return { code, pauses, requests: origin.requests.length };
}

Deno.test("download pauses 1, 2, 4 … 60 s between tries", async () => {
  using clock = hurry();
  const { code, pauses } = await tries(() => response("503 Busy"), { retry: 8 });
  assertEquals(code, EXIT.status);
  assertEquals(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
  assertEquals(clock.pauses, pauses);
});

Deno.test("download pauses as long as Retry-After asks for", async () => {
  using clock = hurry();
  const answers = ["5", "0", "100"].map((after) =>
    response("503 Busy", "", [`Retry-After: ${after}`])
  );
  const { code, pauses } = await tries((_, count) => answers[count - 1] ?? response("200 OK"));
  assertEquals([code, pauses], [EXIT.ok, [5, 0, 100]]);
  assertEquals(clock.pauses, [5, 100]);
});

Deno.test("download understands a date as Retry-After", async () => {
  using _ = hurry();
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();
  const answers = [at(30), at(-30)].map((after) =>
    response("503 Busy", "", [`Retry-After: ${after}`])
  );
  const { code, pauses } = await tries((_, count) => answers[count - 1] ?? response("200 OK"));
  const [first, second] = pauses;
  // the date has whole seconds only
  assert(first! > 25 && first! <= 30, `${first} s`);
  assertEquals([code, second, pauses.length], [EXIT.ok, 0, 2]);
});

Deno.test("download pauses as usual if Retry-After makes no sense", async () => {
  using _ = hurry();
  const after = ["soon", "", "1e3"];
  const { pauses } = await tries((_, count) =>
    response("503 Busy", "", [`Retry-After: ${after[count - 1]}`])
  );
  assertEquals(pauses, [1, 2, 4]);
});

Deno.test("download waits for no server that asks for days", async () => {
  for (const after of ["3000000", "9".repeat(400), new Date(Date.now() + 4e10).toUTCString()]) {
    const { code, pauses, requests } = await tries(() =>
      response("503 Busy", "", [`Retry-After: ${after}`])
    );
    assertEquals([code, pauses, requests], [EXIT.status, [], 1], after);
  }
});

Deno.test("download tries again after the statuses that may pass, and no other", async () => {
  const passing = [408, 429, 500, 502, 503, 504];
  const final = [400, 401, 403, 404, 405, 409, 410, 413, 416, 418, 451, 501, 505, 511, 599];
  for (const status of [...passing, ...final]) {
    const { code, requests } = await tries(() =>
      response(`${status} Whatever`, "", ["Retry-After: 0"])
    );
    assertEquals([code, requests], [EXIT.status, passing.includes(status) ? 4 : 1], `${status}`);
  }
});

const HEAD = "HTTP/1.1 200 OK\r\n";

/** What servers answer, what that is, and how often it is asked for with one retry. */
const ANSWERS: [what: string, answer: Answer, code: number, requests: number][] = [
  ["nothing", [], EXIT.empty, 2],
  ["half a head", [HEAD], EXIT.broken, 2],
  ["a body cut short", [...response("200 OK", noise(10))].slice(0, 1), EXIT.partial, 2],
  ["no chunk", [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`], EXIT.partial, 2],
  ["no head in time", [HOLD], EXIT.timeout, 2],
  ["no body in time", [response("200 OK", "body")[0], HOLD], EXIT.timeout, 2],
  ["no HTTP", "SSH-2.0-OpenSSH\r\n", EXIT.reply, 1],
  ["two lengths", `${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, EXIT.reply, 1],
  ["an unknown coding", `${HEAD}Transfer-Encoding: x, chunked\r\n\r\n`, EXIT.encoding, 1],
  ["a refused redirect", "HTTP/1.1 302 Found\r\nLocation: ftp://h/\r\n\r\n", EXIT.redirect, 1],
  ["a redirect to itself", "HTTP/1.1 302 Found\r\nLocation: /file\r\n\r\n", EXIT.redirect, 21],
  ["too much", response("200 OK", noise(101)), EXIT.size, 1],
];

for (const [what, answer, code, requests] of ANSWERS) {
  const again = requests === 2 ? "tries again" : "does not try again";
  Deno.test(`download ${again} after ${what}`, async () => {
    using _ = hurry();
    const options = { retry: 1, stallTimeout: 0.1, maxFilesize: 100 };
    const { code: failed, ...told } = await tries(() => answer, options);
    assertEquals(failed, code);
    assertEquals(told, { requests, pauses: requests === 2 ? [1] : [] });
  });
}

Deno.test("download does not try again when the connection is refused", async () => {
  const retries: Error[] = [];
  const error = await assertRejects(
    () =>
      download(`http://127.0.0.1:${closedPort()}/`, { onRetry: (error) => retries.push(error) }),
    TrioError,
  );
  assertEquals([error.code, retries], [EXIT.connect, []]);
  assert(!(error instanceof TransientError));
});

Deno.test("download sends the cookies of one try with the next", async () => {
  await using folder = new Folder();
  await using origin = new Origin((_, count) =>
    count === 1 ? response("503 Busy", "", ["Set-Cookie: id=7"]) : response("200 OK", "hello")
  );
  using _ = hurry();
  await download(origin.url(), { output: folder.file("f") });
  assertEquals(origin.requests.map(({ headers }) => headers.get("cookie")), [null, "id=7"]);
});

Deno.test("download forgets how far a try was when it asks again", async () => {
  await using folder = new Folder();
  const progress: Progress = { bytes: 0, resumed: 0 }, seen: Progress[] = [];
  await using origin = new Origin((_, count) => {
    seen.push({ ...progress });
    return cutAt(count === 1 ? 400 : 1000, response("200 OK", noise(1000), ['ETag: "1"']));
  });
  using _ = hurry();
  await download(origin.url(), { output: folder.file("f"), progress });
  assertEquals(seen[1], { bytes: 400, resumed: 400, total: undefined });
});

Deno.test("download tries again when the system gave the connection up", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "hello"));
  let tries = 0;
  using _connect = connecting((connect) => (options) =>
    ++tries > 1 ? connect(options) : Promise.reject(new Deno.errors.TimedOut("timed out"))
  );
  using _pauses = hurry();
  const options = { output: folder.file("f") };
  await rejectsWith(28, download(origin.url(), { ...options, retry: 0 }), "cannot connect");
  tries = 0;
  assertEquals((await download(origin.url(), options)).attempts, 2);
});

Deno.test("download tries again when a server is away for a moment after bytes have come", async () => {
  using _ = hurry();
  await using folder = new Folder();
  const origin = new Origin(() => [response("200 OK", "body")[0], "bo"]), { port } = origin;
  const codes: number[] = [];
  let again: Deno.HttpServer | undefined;
  await download(origin.url(), {
    output: folder.file("f"),
    onRetry: ({ code }) => {
      codes.push(code);
      if (code === EXIT.partial) return origin[Symbol.asyncDispose]();
      again = Deno.serve(
        { hostname: "127.0.0.1", port, onListen() {} },
        () => new Response("body"),
      );
    },
  });
  await again?.shutdown();
  assertEquals([codes, folder.text("f")], [[EXIT.partial, EXIT.connect], "body"]);
});

Deno.test("download does not try again when the checksum is wrong", async () => {
  const options = { sha256: "0".repeat(64) };
  const { code, requests } = await tries(() => response("200 OK", "body"), options);
  assertEquals([code, requests], [EXIT.checksum, 1]);
});

Deno.test("download does not begin a pause that --max-time would end", async () => {
  const answer = () => response("503 Busy", "", ["Retry-After: 100"]);
  const { code, pauses, requests } = await tries(answer, { maxTime: 99.9 });
  assertEquals([code, pauses, requests], [EXIT.status, [], 1]);
});

Deno.test("download counts all tries for --max-time", async () => {
  const options = { maxTime: 0.3 };
  const answer: Answering = (_, count) =>
    count === 1 ? response("503 Busy", "", ["Retry-After: 0"]) : [HEAD, HOLD];
  const { code, pauses } = await tries(answer, options);
  assertEquals([code, pauses], [EXIT.timeout, [0]]);
});

Deno.test("fetch.ts says why and when it tries again", async () => {
  await using folder = new Folder();
  await using origin = new Origin((_, count) =>
    [
      response("429 Too Many Requests", "", ["Retry-After: 0"]),
      response("200 OK", "body").toSpliced(1),
      response("200 OK", "body"),
    ][count - 1]!
  );
  const { code, stdout, stderr } = await runFetch(folder, ["-o", "f", origin.url()]);
  assertEquals([code, folder.text("f")], [EXIT.ok, "body"]);
  const [first, second, third] = stderr.split("\n");
  assertMatch(first!, /^fetch: .*\b429 Too Many Requests\b.*; trying again in 0 s$/);
  assertMatch(second!, /^fetch: .*received 0 bytes, expected 4\b.*; trying again in 2 s$/);
  assertMatch(third!, /^saved f \(4 bytes in \d+\.\d\d s\)$/);
  assertEquals(stdout.match(/^HTTP\/1\.1 200 OK$/gm)?.length, 2);
});

Deno.test("fetch.ts --retry 0 tries once, and --silent says nothing of tries", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("503 Busy", "", ["Retry-After: 0"]));
  const once = await runFetch(folder, ["--retry", "0", origin.url()]);
  assertEquals([once.code, origin.requests.length], [EXIT.status, 1]);
  assertEquals(once.stderr.split("\n").length, 2);
  const silent = await runFetch(folder, ["--silent", "--retry=2", origin.url()]);
  assertEquals([silent.code, origin.requests.length], [EXIT.status, 4]);
  assertMatch(silent.stderr, /^fetch: .*\b503 Busy\b.*\n$/);
});

Deno.test("fetch.ts --head tries again, within --max-time", async () => {
  await using folder = new Folder();
  await using origin = new Origin((_, count) =>
    count === 1 ? response("503 Busy", "", ["Retry-After: 0"]) : response("200 OK")
  );
  const args = ["-I", "--json", origin.url()];
  const { code, stdout, stderr } = await runFetch(folder, args);
  assertEquals([code, origin.requests.length], [EXIT.ok, 2]);
  assertEquals(JSON.parse(stdout).status, 200);
  assertMatch(stderr, /^fetch: .*\b503 Busy\b.*; trying again in 0 s\n$/);
  await using busy = new Origin((_, count) =>
    count === 1 ? response("503 Busy", "", ["Retry-After: 0"]) : [HOLD]
  );
  const late = await runFetch(folder, ["-I", "--max-time=0.5", busy.url()]);
  assertEquals([late.code, busy.requests.length], [EXIT.timeout, 2]);
  assertMatch(late.stderr, /\nfetch: timed out: not done within 0\.5 s \(--max-time\b.*\)\n$/);
});

Deno.test("fetch.ts waits as long as it is told, not a moment less", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("503 Busy", "", ["Retry-After: 3000"]));
  const args = denoArgs("fetch.ts", [origin.url()]);
  await using child = new Running(Deno.execPath(), args, { cwd: folder.path });
  await child.heard("stderr", /; trying again in 3000 s\n/);
  // another one comes and goes, while it still waits
  await runFetch(folder, ["--retry=0", origin.url("/other")]);
  assertEquals(origin.ranges("/file").length, 1);
  await child.stop("SIGINT");
});
