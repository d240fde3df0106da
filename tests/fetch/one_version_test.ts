/**
 * A file is one version, or there is an error: servers, and moments, that once made a mixture.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { download, type DownloadOptions } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { valueOf } from "../../protocol/head.ts";
import type { VersionRecord } from "../../protocol/resume.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isPrefix, isSame, joined, noise } from "../support/bytes.ts";
import { hurry, runFetch, startFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { type Answer, type Asked, DATE, HOLD, MODIFIED, Origin } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { startPeer, testPeer } from "../support/peers.ts";
import { pause } from "../support/process.ts";
import { response } from "../support/replies.ts";
import { clientEnds, FakeServer, readHead, urlOf } from "../support/servers.ts";

const FIRST = noise(1000, 1), SECOND = noise(1000, 2);
/** Files that are worth two connections. */
const LARGE = noise(2_200_000, 1), OTHER = noise(2_200_000, 2);

const ONE = 'ETag: "1"', TWO = 'ETag: "2"';

/** A 206 with the bytes of `body` from `start` on. */
function rest(body: Uint8Array, start: number, etag: string, end = body.length) {
  const range = `Content-Range: bytes ${start}-${end - 1}/${body.length}`;
  return response("206 Partial Content", body.subarray(start, end), [range, etag]);
}

/** The range that is asked for, if one is. */
function rangeOf({ headers }: Asked, total: number): [start: number, end: number] | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.get("range") ?? "") ?? [];
  return first === undefined ? undefined : [Number(first), last ? Number(last) + 1 : total];
}

/** Leaves the first 400 bytes of FIRST, as a run that broke does. */
function leavePart(folder: Folder, origin: Origin, more: Partial<VersionRecord> = {}) {
  folder.write("f.part", FIRST.subarray(0, 400));
  writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: 1000, ...more });
}

/** Goes on with `f` in the folder. */
function goOn(folder: Folder, origin: Origin, options: DownloadOptions = {}) {
  return download(origin.url(), { output: folder.file("f"), resume: true, ...options });
}

function assertOnly(folder: Folder, body: Uint8Array) {
  assert(isSame(folder.bytes("f"), body), "it is no version");
  assertEquals(folder.names, ["f"]);
}

for (
  const [what, failure] of [
    ["a 503", response("503 Busy", "busy")],
    ["an empty reply", []],
    ["an end in the head", "HTTP/1.1 200 OK\r\nContent-"],
    ["an end before the body", response("200 OK", SECOND, [TWO])[0]],
  ] as [string, Answer][]
) {
  Deno.test(`download forgets what was there with another version, though ${what} follows`, async () => {
    using _ = hurry();
    await using folder = new Folder();
    await using origin = new Origin((asked, count) => {
      const range = rangeOf(asked, SECOND.length);
      if (range) return rest(SECOND, range[0], TWO);
      return count === 2 ? failure : response("200 OK", SECOND, [TWO]);
    });
    leavePart(folder, origin);
    await goOn(folder, origin);
    assertOnly(folder, SECOND);
    assertEquals(origin.ranges(), ["bytes=400-", undefined, undefined]);
  });
}

Deno.test("download closes the connection before it asks for the whole", async () => {
  await using folder = new Folder();
  let previous = Promise.resolve();
  // it serves one connection at a time
  await using server = new FakeServer(async (conn) => {
    const mine = previous, next = Promise.withResolvers<void>();
    previous = next.promise;
    await mine;
    const head = await readHead(conn), isRest = /^Range:/m.test(head);
    const answer = isRest ? rest(SECOND, 400, TWO) : response("200 OK", SECOND, [TWO]);
    await conn.write(joined(...answer));
    await clientEnds(conn);
    next.resolve();
  });
  folder.write("f.part", FIRST.subarray(0, 400));
  writeRecord(folder, "f.part", { url: urlOf(server, "/file"), etag: '"1"', total: 1000 });
  const options = { output: folder.file("f"), resume: true, stallTimeout: 5, retry: 0 };
  await download(urlOf(server, "/file"), options);
  assertOnly(folder, SECOND);
});

/** An nginx that serves a folder and is busy when it is asked twice in a second. */
function startNginx(site: Folder) {
  return startPeer((folder, port) => {
    const temporary = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`);
    const configuration = `daemon off; master_process off; pid ${folder}/pid; events {}
http {
  access_log off; ${temporary.join(" ")}
  limit_req_zone $server_port zone=all:1m rate=1r/s;
  server { listen 127.0.0.1:${port}; root ${site.path}; location = /busy { limit_req zone=all; } }
}`;
    const path = `${folder}/configuration`;
    Deno.writeTextFileSync(path, configuration);
    return { command: ["nginx", "-e", "stderr", "-p", folder, "-c", path] };
  });
}

for (const name of ["file", "busy"]) {
  testPeer(
    `download with nginx sees that /${name} was replaced by as many bytes`,
    ["nginx"],
    async () => {
      await using site = new Folder("site"), folder = new Folder();
      Deno.chmodSync(site.path, 0o755);
      await using nginx = await startNginx(site);
      const url = urlOf(nginx, `/${name}`), output = folder.file("f");
      site.write(name, FIRST, MODIFIED);
      const { response: { head } } = await download(url, { output });
      const etag = valueOf(head, "etag")!, lastModified = valueOf(head, "last-modified")!;
      site.write(name, SECOND, DATE);
      // all bytes of the first are there, but FILE has not got its name
      Deno.renameSync(output, folder.file("f.part"));
      writeRecord(folder, "f.part", { url, etag, lastModified, total: 1000 });
      const retries: number[] = [];
      await download(url, { output, resume: true, onRetry: (error) => retries.push(error.code) });
      assertOnly(folder, SECOND);
      assertEquals(retries, name === "busy" ? [EXIT.status] : []);
    },
  );
}

Deno.test("download writes nothing when what is there is more than maxFilesize", async () => {
  await using folder = new Folder();
  const range = "Content-Range: bytes 400-999/*";
  await using origin = new Origin(() => [
    `HTTP/1.1 206 Partial Content\r\n${range}\r\n${ONE}\r\n\r\n`,
    FIRST.subarray(400),
  ]);
  leavePart(folder, origin);
  await rejectsWith(EXIT.size, goOn(folder, origin, { maxFilesize: 300 }));
  assertEquals(folder.bytes("f.part"), FIRST.slice(0, 400));
});

Deno.test("download keeps no byte behind those that Content-Range announces", async () => {
  await using folder = new Folder();
  // the answer ends with the connection, and has more than it says
  await using origin = new Origin((_, count) =>
    count === 1
      ? [
        `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 400-499/1000\r\n${ONE}\r\n\r\n`,
        SECOND.subarray(400, 700),
      ]
      : rest(FIRST, 400, ONE)
  );
  leavePart(folder, origin);
  await rejectsWith(EXIT.reply, goOn(folder, origin));
  assert(isPrefix(folder.bytes("f.part"), FIRST), "it has bytes of nothing");
  await goOn(folder, origin);
  assertOnly(folder, FIRST);
});

for (
  const [what, answer] of [
    ["a range", ["HTTP/1.1 206 X\r\nContent-Range: bytes 0-9/1000\r\n\r\n", FIRST.subarray(0, 5)]],
    ["a range that is the whole", [
      "HTTP/1.1 206 X\r\nContent-Range: bytes 0-9/10\r\n\r\n",
      FIRST.subarray(0, 5),
    ]],
  ] as [string, Answer][]
) {
  Deno.test(`download takes no ${what} with fewer bytes than announced`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(() => answer);
    const options = { output: folder.file("f"), range: "0-9", retry: 0 };
    await rejectsWith(EXIT.partial, download(origin.url(), options));
    assertEquals(folder.names, ["f.part", "f.part.json"]);
  });
}

Deno.test("download takes a 304 that was asked for, with a part beside FILE, too", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => "HTTP/1.1 304 Not Modified\r\n\r\n");
  folder.write("f", FIRST);
  leavePart(folder, origin);
  for (const line of ['If-None-Match: "1"', `if-modified-since: ${MODIFIED}`]) {
    const { response } = await goOn(folder, origin, { headers: [line] });
    assertEquals(response.status, 304);
    assert(isSame(folder.bytes("f"), FIRST));
  }
});

Deno.test("download takes no 304 for a success that nobody asked for, nor a wrong checksum", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => "HTTP/1.1 304 Not Modified\r\n\r\n");
  const output = folder.file("f");
  await rejectsWith(EXIT.reply, download(origin.url(), { output }));
  const headers = ['If-None-Match: "1"'];
  await rejectsWith(EXIT.reply, download(origin.url(), { output, headers })); // there is no FILE
  folder.write("f", FIRST);
  const sha256 = await sumOf(FIRST);
  assertEquals((await download(origin.url(), { output, headers, sha256 })).bytes, 1000);
  const wrong = { output, headers, sha256: await sumOf(SECOND) };
  await rejectsWith(EXIT.checksum, download(origin.url(), wrong));
  assertOnly(folder, FIRST);
});

async function sumOf(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toHex();
}

Deno.test("download never continues what was decoded", async () => {
  await using folder = new Folder();
  const gzip = new Blob([FIRST as BlobPart]).stream().pipeThrough(new CompressionStream("gzip"));
  const coded = new Uint8Array(await new Response(gzip).arrayBuffer());
  await using origin = new Origin((asked) => {
    const range = rangeOf(asked, coded.length);
    if (range) return rest(coded, range[0], `${ONE}\r\nContent-Encoding: gzip`);
    const [head, body] = response("200 OK", coded, [ONE, "Content-Encoding: gzip"]);
    return asked.headers.has("accept-encoding")
      ? [head, body.subarray(0, 500)]
      : response("200 OK", FIRST, [ONE]);
  });
  const options = { output: folder.file("f"), compressed: true, retry: 0 };
  await rejectsWith(EXIT.partial, download(origin.url(), options));
  await goOn(folder, origin);
  assertOnly(folder, FIRST);
  assertEquals(origin.ranges(), [undefined, undefined]);
});

for (
  const [what, end] of [
    ["a 416 without Content-Range", response("416 Range Not Satisfiable")],
    ["a 206 without bytes", response("206 Partial Content", "", [ONE])],
    ["a 416 with the total", response("416 X", "", ["Content-Range: bytes */1000"])],
  ] as [string, Answer][]
) {
  Deno.test(`download is done with all bytes after ${what}, and checks them`, async () => {
    for (const [there, sum] of [[FIRST, FIRST], [SECOND, FIRST]] as const) {
      await using folder = new Folder();
      await using origin = new Origin((asked) =>
        rangeOf(asked, 0) ? end : response("200 OK", FIRST, [ONE])
      );
      leavePart(folder, origin);
      folder.write("f.part", there);
      await goOn(folder, origin, { sha256: await sumOf(sum) });
      assertOnly(folder, FIRST);
    }
  });
}

for (
  const [what, record, options] of [
    ["-C", { etag: '"1"' }, { resume: true }],
    ["a retry that goes on", { etag: '"1"' }, {}],
    ["a retry that starts over", {}, {}],
    ["-C that was told of another version", { etag: '"0"' }, { resume: true }],
    ["a retry that was told of another version", { etag: '"0"' }, {}],
  ] as [string, { etag?: string }, DownloadOptions][]
) {
  Deno.test(`download takes no login page for the file: ${what}`, async () => {
    using _ = hurry();
    await using folder = new Folder();
    const validators = record.etag ? [`ETag: ${record.etag}`] : [];
    await using origin = new Origin((asked, count) => {
      const page = ["Content-Type: text/html; charset=utf-8"];
      if (record.etag === '"0"' && rangeOf(asked, 0)) return rest(SECOND, 400, 'ETag: "2"');
      if (options.resume || count > 1) return response("200 OK", "<form>", page);
      const [head, body] = response("200 OK", FIRST, ["Content-Type: image/png", ...validators]);
      return [head, body.subarray(0, 400)];
    });
    if (options.resume) leavePart(folder, origin, { type: "image/png" });
    const pending = download(origin.url(), { output: folder.file("f"), ...options });
    await rejectsWith(EXIT.resume, pending, "text/html, not image/png");
    assertEquals(folder.bytes("f.part"), FIRST.slice(0, 400));
  });
}

Deno.test("download asks with GET, whatever its options say", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", FIRST));
  await download(origin.url(), { output: folder.file("f"), method: "HEAD" });
  assertOnly(folder, FIRST);
  assertEquals(origin.requests[0]!.method, "GET");
});

// --- FILE of an earlier run --------------------------------------------------

Deno.test("download gives FILE the time of the question: what comes later is newer", async () => {
  await using folder = new Folder();
  let asked = 0;
  await using origin = new Origin(() => {
    asked = Date.now();
    while (Date.now() < asked + 5); // the answer comes later, by the clock of files, too
    return response("200 OK", FIRST, [ONE]);
  });
  await download(origin.url(), { output: folder.file("f") });
  assert(Deno.statSync(folder.file("f")).mtime!.getTime() <= asked);
});

Deno.test("download replaces a FILE of the same length that is older than the resource", async () => {
  await using folder = new Folder();
  const dates = [`Last-Modified: ${DATE}`, `Date: ${new Date().toUTCString()}`];
  await using origin = new Origin((asked) =>
    rangeOf(asked, 0) // as nginx says it, without Last-Modified
      ? response("416 X", "", ["Content-Range: bytes */1000"])
      : response("200 OK", SECOND, [...dates, TWO])
  );
  folder.write("f", FIRST, MODIFIED);
  await goOn(folder, origin);
  assertOnly(folder, SECOND);
});

Deno.test("download starts over with a FILE of another program that has a wrong checksum", async () => {
  await using folder = new Folder();
  const dates = [`Last-Modified: ${MODIFIED}`, `Date: ${DATE}`];
  await using origin = new Origin(() => response("200 OK", FIRST, dates));
  folder.write("f", SECOND);
  await goOn(folder, origin, { sha256: await sumOf(FIRST) });
  assertOnly(folder, FIRST);
});

// --- Several connections -----------------------------------------------------

Deno.test("fetch.ts --connections killed while there are gaps knows of them", async () => {
  await using folder = new Folder();
  let alive = true;
  await using origin = new Origin((asked) => {
    const range = rangeOf(asked, LARGE.length), [start, end] = range ?? [0, LARGE.length];
    const [head, body] = range ? rest(LARGE, start, ONE, end) : response("200 OK", LARGE, [ONE]);
    // of the first piece hardly anything comes
    return alive ? [head, body.subarray(0, range ? 400_000 : 10), HOLD] : [head, body];
  });
  {
    const args = ["--connections=2", "-o", "f", origin.url()];
    await using child = startFetch(folder, ["--allow-all"], args);
    await folder.grown("f.part", 1_300_000);
    await child.stop("SIGKILL");
  }
  alive = false;
  await goOn(folder, origin);
  assertOnly(folder, LARGE);
});

Deno.test("download over several connections takes one if they get different versions", async () => {
  await using folder = new Folder();
  let count = 0;
  await using origin = new Origin((asked) => {
    const [body, etag] = count++ % 2 ? [OTHER, TWO] as const : [LARGE, ONE] as const;
    const range = rangeOf(asked, body.length);
    return range ? rest(body, range[0], etag, range[1]) : response("200 OK", body, [etag]);
  });
  await download(origin.url(), { output: folder.file("f"), connections: 2 });
  const body = folder.bytes("f");
  assert(isSame(body, LARGE) || isSame(body, OTHER), "it is no version");
  assertEquals(origin.requests.length, 3);
});

for (
  const [what, answer] of [
    ["without ranges", () => response("200 OK", LARGE, [ONE])],
    ["that is busy", (asked: Asked, count: number) => {
      const range = rangeOf(asked, LARGE.length);
      if (range && count % 2) return response("503 Busy");
      return range ? rest(LARGE, range[0], ONE, range[1]) : response("200 OK", LARGE, [ONE]);
    }],
    ["that sends less than it is asked for", (asked: Asked) => {
      const [start, end] = rangeOf(asked, LARGE.length) ?? [0, 0];
      if (end === 0) return response("200 OK", LARGE, [ONE]);
      return rest(LARGE, start, ONE, Math.min(end, start + 900_000));
    }],
  ] as [string, (asked: Asked, count: number) => Answer][]
) {
  Deno.test(`download over several connections comes to an end with a server ${what}`, async () => {
    using _ = hurry();
    await using folder = new Folder();
    await using origin = new Origin(answer);
    await download(origin.url(), { output: folder.file("f"), connections: 3 });
    assertOnly(folder, LARGE);
  });
}

Deno.test("download over several connections does without one that fails", async () => {
  await using folder = new Folder();
  let busy = 1;
  await using origin = new Origin((asked) => {
    const range = rangeOf(asked, LARGE.length);
    if (range && busy-- > 0) return response("503 Busy");
    return range ? rest(LARGE, range[0], ONE, range[1]) : response("200 OK", LARGE, [ONE]);
  });
  await download(origin.url(), { output: folder.file("f"), connections: 3, retry: 0 });
  assertOnly(folder, LARGE);
});

Deno.test("download over several connections notes within moments what is there", async () => {
  await using folder = new Folder();
  const noted = Promise.withResolvers<void>();
  await using origin = new Origin((asked) => {
    const range = rangeOf(asked, LARGE.length), [start, end] = range ?? [0, LARGE.length];
    const [head, body] = range ? rest(LARGE, start, ONE, end) : response("200 OK", LARGE, [ONE]);
    const later = pause(1100);
    const parts = [body.subarray(0, 100_000), body.subarray(100_000, 200_000)];
    return [head, parts[0]!, later, parts[1]!, noted.promise, body.subarray(200_000)];
  });
  const ended: string[] = [];
  const options = { output: folder.file("f"), connections: 2, stallTimeout: 9, retry: 0 };
  using watcher = Deno.watchFs(folder.path);
  const downloading = download(origin.url(), options).finally(() => ended.push("ended"));
  for await (const { kind } of watcher) {
    if (kind !== "rename" && kind !== "modify" || !folder.names.includes("f.part.json")) continue;
    const { ranges = [] } = JSON.parse(folder.text("f.part.json")) as VersionRecord;
    if (ranges.some(([start, end]) => end - start >= 100_000)) break;
  }
  assertEquals(ended, []);
  noted.resolve();
  await downloading;
  assertOnly(folder, LARGE);
});

Deno.test("download goes on with gaps over another number of connections", async () => {
  for (const connections of [1, 2, 5]) {
    await using folder = new Folder();
    await using origin = new Origin((asked) => {
      const [start, end] = rangeOf(asked, LARGE.length)!;
      return rest(LARGE, start, ONE, end);
    });
    const holed = LARGE.slice();
    const ranges: [number, number][] = [[0, 1000], [5000, 2_000_000]];
    holed.fill(0, 1000, 5000).fill(0, 2_000_000);
    folder.write("f.part", holed);
    const record = { url: origin.url(), etag: '"1"', total: LARGE.length, ranges };
    writeRecord(folder, "f.part", record);
    await goOn(folder, origin, { connections, sha256: await sumOf(LARGE) });
    assertOnly(folder, LARGE);
    assertMatch(origin.ranges().join(), /^bytes=1000-4999,bytes=2000000-2199999$/);
  }
});

Deno.test("download checks a part whose gaps were all filled before it got its name", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    rangeOf(asked, 0) ? response("416 X") : response("200 OK", LARGE, [ONE])
  );
  folder.write("f.part", OTHER);
  const record = { url: origin.url(), etag: '"1"', total: LARGE.length };
  writeRecord(folder, "f.part", { ...record, ranges: [[0, 5], [5, LARGE.length]] });
  await goOn(folder, origin, { sha256: await sumOf(LARGE) });
  assertOnly(folder, LARGE);
  assertEquals(origin.ranges(), [`bytes=${LARGE.length}-`, undefined]);
});

// --- What lies beside FILE ---------------------------------------------------

for (
  const [what, size, record] of [
    ["is of another URL", 400, { url: "http://127.0.0.1/other" }],
    ["has a total below what is there", 400, { total: 300 }],
    ["has spans behind what is there", 400, { ranges: [[0, 100], [300, 500]] }],
    ["has no validator", 400, { etag: undefined, lastModified: undefined }],
    ["is of nothing", 0, {}],
  ] as [string, number, Partial<VersionRecord>][]
) {
  Deno.test(`download starts over if the record ${what}`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(() => response("200 OK", SECOND, [TWO]));
    leavePart(folder, origin, record);
    folder.write("f.part", FIRST.subarray(0, size));
    await goOn(folder, origin);
    assertOnly(folder, SECOND);
    assertEquals(origin.ranges(), [undefined]);
  });
}

for (const text of ["", "{", "null", "[]", '{"url":1}']) {
  Deno.test(`download starts over if the record is ${text || "empty"}`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(() => response("200 OK", SECOND, [TWO]));
    folder.write("f.part", FIRST.subarray(0, 400));
    folder.write("f.part.json", text);
    await goOn(folder, origin);
    assertOnly(folder, SECOND);
  });
}

Deno.test("download leaves no record that has no part", async () => {
  await using folder = new Folder();
  const dates = [`Last-Modified: ${MODIFIED}`, `Date: ${DATE}`];
  await using origin = new Origin(() => response("200 OK", FIRST, dates));
  folder.write("f", FIRST);
  writeRecord(folder, "f.part", { url: origin.url() });
  await goOn(folder, origin);
  assertOnly(folder, FIRST);
});

for (const size of [0, 1]) {
  Deno.test(`download goes on with files of ${size} bytes`, async () => {
    await using folder = new Folder();
    const body = FIRST.subarray(0, size);
    await using origin = new Origin(() => response("200 OK", body, [ONE]));
    await goOn(folder, origin);
    await goOn(folder, origin, { connections: 4 });
    folder.write("f.part", "");
    writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: size });
    await goOn(folder, origin);
    assertOnly(folder, body);
  });
}

Deno.test("fetch.ts -o - gives a pipe one version or an error", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) => {
    if (rangeOf(asked, 1000)) return rest(SECOND, 400, TWO);
    const [head, body] = response("200 OK", FIRST, [ONE]);
    return [head, body.subarray(0, count === 1 ? 400 : 1000)];
  });
  const { code, bytes } = await runFetch(folder, ["-o", "-", origin.url()]);
  assertEquals(code, EXIT.resume);
  assert(isPrefix(bytes, FIRST), "bytes of two versions are mixed");
  assertEquals(folder.names, []);
});

Deno.test("download takes no rest from another URL, though its ETag is the same one", async () => {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin((asked, count) => {
    if (asked.target === "/file") {
      return response("302 Found", "", [`Location: ${count === 1 ? "/a" : "/b"}`]);
    }
    const body = asked.target === "/a" ? FIRST : SECOND, range = rangeOf(asked, 1000);
    if (range) return rest(body, range[0], ONE);
    const [head, bytes] = response("200 OK", body, [ONE]);
    return [head, asked.target === "/a" ? bytes.subarray(0, 400) : bytes];
  });
  const { attempts } = await download(origin.url(), { output: folder.file("f") });
  assertEquals(attempts, 2);
  assertOnly(folder, SECOND);
});
