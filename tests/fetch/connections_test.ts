/**
 * Several connections for one file, where some fail, or the disk does: what they get is the file,
 * and what is noted of it is there.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
import { download, type Progress } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { RateLimit } from "../../protocol/rate.ts";
import type { VersionRecord } from "../../protocol/resume.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isSame, noise } from "../support/bytes.ts";
import { hurry } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { type Answer, type Asked, cutAt, HOLD, Origin } from "../support/origin.ts";
import { pause } from "../support/process.ts";
import { diskFull, writing } from "../support/replaced.ts";
import { redirect, response } from "../support/replies.ts";
import { soon } from "../support/servers.ts";

/** Enough for three connections, and bytes of nothing. */
const FILE = noise(3_300_000, 1), NOISE = noise(3_300_000, 2);

const ETAG = 'ETag: "1"';

/** The bytes that are asked for; nothing to a question for the whole. */
function rangeOf(asked: Asked): [first: number, last: number] | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(asked.headers.get("range") ?? "") ?? [];
  return first === undefined ? undefined : [Number(first), Number(last || FILE.length - 1)];
}

/** Answers a question for a range of FILE. */
function part(first: number, last: number) {
  const range = `Content-Range: bytes ${first}-${last}/${FILE.length}`;
  return response("206 Partial Content", FILE.subarray(first, last + 1), [range, ETAG]);
}

/** Answers any question for FILE. */
function serveFile(asked: Asked): [string, Uint8Array] {
  const range = rangeOf(asked);
  return range ? part(...range) : response("200 OK", FILE, [ETAG]);
}

/** How many bytes are in FILE.part, as its record says; all of them have to be the file's. */
function noted(folder: Folder): number {
  const { ranges = [] } = JSON.parse(folder.text("f.part.json")) as VersionRecord;
  const bytes = folder.bytes("f.part");
  for (const [start, end] of ranges) {
    assert(isSame(bytes.subarray(start, end), FILE.subarray(start, end)), `${start} to ${end}`);
  }
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** Downloads over two connections, the second of which is answered so, with one try. */
async function twoConnections(answer: (first: number, last: number) => Answer) {
  await using folder = new Folder();
  await using origin = new Origin((asked) => {
    const range = rangeOf(asked);
    return range ? answer(...range) : serveFile(asked);
  });
  const options = { output: folder.file("f"), connections: 2, retry: 0 };
  const { attempts } = await download(origin.url(), options);
  return { attempts, isFile: isSame(folder.bytes("f"), FILE), ranges: origin.ranges().length };
}

for (
  const [what, answer] of [
    ["is without ranges", () => response("200 OK", FILE, [ETAG])],
    ["is busy", () => response("503 Busy")],
    ["answers with a page", () => response("204 None")],
    ["says no HTTP", () => "garbage\r\n\r\n"],
    ["leads elsewhere", () => redirect("ftp://127.0.0.1/")],
    ["says nothing", () => ""],
    ["sends more than it announces", (first) => [
      `HTTP/1.1 206 X\r\nContent-Range: bytes ${first}-${
        first + 9
      }/${FILE.length}\r\n${ETAG}\r\n\r\n`,
      FILE.subarray(first, first + 10),
      NOISE,
    ]],
  ] as [string, (first: number) => Answer][]
) {
  Deno.test(`download goes on with its first connection if the second ${what}`, async () => {
    assertEquals(await twoConnections(answer), { attempts: 1, isFile: true, ranges: 2 });
  });
}

Deno.test("download ends all connections when one is told of another version", async () => {
  await using folder = new Folder();
  await using origin = new Origin((_, count) => {
    const [head, body] = response("200 OK", count === 1 ? FILE : NOISE, [`ETag: "${count}"`]);
    return count === 1 ? [head, body.subarray(0, 1000), HOLD] : [head, body];
  });
  const options = { connections: 2, stallTimeout: 10, retry: 0 };
  await download(origin.url(), { output: folder.file("f"), ...options });
  assertEquals(isSame(folder.bytes("f"), NOISE), true);
});

Deno.test("download over several connections asks anew for a piece that another left", async () => {
  await using folder = new Folder();
  const failed = Promise.withResolvers<void>(), more = Promise.withResolvers<void>();
  let asked = 0, less = 0;
  // the first has its piece to the end, the second is done when the third has failed
  await using origin = new Origin((request) => {
    const range = rangeOf(request), [head, body] = serveFile(request);
    if (range && ++asked === 2) return response("503 Busy");
    if (asked > 2) more.resolve();
    if (asked > 2) return [head, body];
    return [head, body.subarray(0, 9), range ? failed.promise : more.promise, body.subarray(9)];
  });
  const onDialogue = (line: string) => {
    if (!line.startsWith("* One connection less")) return;
    (++less === 1 ? failed : more).resolve();
  };
  const options = { output: folder.file("f"), connections: 3, retry: 0, onDialogue };
  await download(origin.url(), options);
  assertEquals([less, isSame(folder.bytes("f"), FILE)], [1, true]);
});

Deno.test("download over several connections that all fail notes all that came", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => cutAt(400_000, serveFile(asked)));
  const progress: Progress = { bytes: 0, resumed: 0 };
  const options = { output: folder.file("f"), connections: 2, retry: 0, progress };
  await rejectsWith(EXIT.partial, download(origin.url(), options));
  assertEquals([noted(folder), progress.bytes], [800_000, 800_000]);
});

/** No limit, for reads that each have room for something. */
class RoomyReads extends RateLimit {
  override take(bytes: number, now: number): number {
    assert(bytes > 0, "a read without room gives nothing, for ever");
    return super.take(bytes, now);
  }
}

Deno.test("download over seven connections waits for a slow disk when its buffers are full", async () => {
  await using folder = new Folder();
  await using origin = new Origin(serveFile);
  using _ = writing(async (write, p) => {
    await pause(100);
    return await write(p);
  });
  const limitRate = new RoomyReads(Infinity);
  await download(origin.url(), { output: folder.file("f"), connections: 7, limitRate, retry: 0 });
  assert(isSame(folder.bytes("f"), FILE));
});

Deno.test("download over several connections notes no byte that the disk did not take", async () => {
  await using folder = new Folder();
  await using origin = new Origin(serveFile);
  let left = 500_000;
  using _ = writing(async (write, p) => {
    if (left === 0) throw diskFull();
    const n = await write(p.subarray(0, Math.min(left, 70_000)));
    left -= n;
    return n;
  });
  const options = { output: folder.file("f"), connections: 2, retry: 0 };
  const pending = download(origin.url(), options);
  const { message } = await rejectsWith(EXIT.write, pending, "No space left on device");
  const there = noted(folder);
  assertEquals(Number(/has (\d+) of/.exec(message)![1]), there);
  assert(there > 0 && there <= 500_000, `${there} bytes are noted`);
});

Deno.test("download uses one connection only where the server says that it has no ranges", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", FILE, [ETAG, "Accept-Ranges: None"]));
  await download(origin.url(), { output: folder.file("f"), connections: 3 });
  assertEquals(origin.ranges(), [undefined]);
});

for (
  const [what, first, second] of [
    ["is told to", ["cut", 1], ["busy", 2]],
    ["breaks", ["cut", 2], ["a page", 1]],
  ] as const
) {
  Deno.test(`download over several connections tries again when the last of them ${what}`, async () => {
    using _ = hurry();
    await using folder = new Folder();
    const failed = Promise.withResolvers<void>();
    let asked = 0;
    await using origin = new Origin((request) => {
      const [head, body] = serveFile(request);
      if (++asked > 2) return [head, body];
      const [how, turn] = asked === 1 ? first : second;
      const answer = how === "cut"
        ? [head, body.subarray(0, 1000)]
        : response(how === "busy" ? "503 Busy" : "204 None");
      // the second failure comes when the first is known
      const [start, ...more] = answer;
      if (turn === 1) return answer;
      return how === "cut" ? [start!, failed.promise, ...more] : [failed.promise, ...answer];
    });
    const onDialogue = (line: string) => {
      if (line.startsWith("* One connection less")) failed.resolve();
    };
    const options = { output: folder.file("f"), connections: 2, retry: 1, onDialogue };
    assertEquals((await download(origin.url(), options)).attempts, 2);
    assert(isSame(folder.bytes("f"), FILE));
  });
}

Deno.test("download reads no more at a time than its limit of speed says, over any connections", async () => {
  for (const connections of [1, 2]) {
    await using folder = new Folder();
    await using origin = new Origin(serveFile);
    const taken: number[] = [], limitRate = new RateLimit(Infinity);
    const slow = Object.assign(limitRate, {
      most: 50_000,
      take: (n: number) => (taken.push(n), 0),
    });
    await download(origin.url(), { output: folder.file("f"), connections, limitRate: slow });
    assertEquals(Math.max(...taken) <= 50_000, true, `${Math.max(...taken)} bytes at once`);
  }
});

/** While others wait: the answer to the second connection, and how long a pause is. */
// deno-fmt-ignore
const WAITING: [what: string, answer: (first: number, last: number) => Answer, pause: number][] = [
  ["for an answer", () => [HOLD], 0],
  ["for bytes", (first, last) => [part(first, last)[0], FILE.subarray(first, first + 1000), HOLD], 0],
  ["for their turn", part, 900_000],
];

for (const [what, answer, pause] of WAITING) {
  Deno.test(`download ends all connections with its signal while they wait ${what}`, async () => {
    await using folder = new Folder();
    const asked = Promise.withResolvers<void>(), abort = new AbortController();
    await using origin = new Origin((request) => {
      const range = rangeOf(request), [head, body] = serveFile(request);
      if (range) asked.resolve();
      return range ? answer(...range) : [head, body.subarray(0, 1000), HOLD];
    });
    const reason = new Error("enough");
    asked.promise.then(() => setTimeout(() => abort.abort(reason), 50));
    const slow = Object.assign(new RateLimit(Infinity), { take: () => pause });
    const options = { output: folder.file("f"), connections: 2, limitRate: slow, retry: 0 };
    const pending = download(origin.url(), { ...options, signal: abort.signal });
    const ended = assertRejects(() => pending, Error);
    await soon(ended.then((error) => assert(error === reason, `${error}`)));
  });
}

Deno.test("download ends all connections when the disk fails while another waits for an answer", async () => {
  await using folder = new Folder();
  const asked = Promise.withResolvers<void>();
  await using origin = new Origin((request) => {
    if (rangeOf(request)) return asked.resolve(), [HOLD];
    const [head, body] = serveFile(request);
    return [head, asked.promise, body];
  });
  using _ = writing(() => Promise.reject(diskFull()));
  const options = { output: folder.file("f"), connections: 2, retry: 0 };
  const failed = rejectsWith(EXIT.write, download(origin.url(), options), "No space left");
  await soon(failed.then(() => {}));
});
