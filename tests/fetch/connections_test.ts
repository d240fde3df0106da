/**
 * Several connections for one file, where the others fail: what one of them gets is the file.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { download } from "../../fetch.ts";
import { isSame, noise } from "../support/bytes.ts";
import { Folder } from "../support/folder.ts";
import { type Answer, type Asked, HOLD, Origin } from "../support/origin.ts";
import { redirect, response } from "../support/replies.ts";

/** Enough for two connections, and bytes of nothing. */
const FILE = noise(2_500_000, 1), NOISE = noise(2_500_000, 2);

const ETAG = 'ETag: "1"';

/** The bytes that are asked for; nothing to a question for the whole. */
function rangeOf(asked: Asked): [first: number, last: number] | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(asked.headers.get("range") ?? "") ?? [];
  return first === undefined ? undefined : [Number(first), Number(last || FILE.length - 1)];
}

/** Downloads over two connections, the second of which is answered so, with one try. */
async function twoConnections(answer: (first: number, last: number) => Answer) {
  await using folder = new Folder();
  await using origin = new Origin((asked) => {
    const range = rangeOf(asked);
    return range ? answer(...range) : response("200 OK", FILE, [ETAG]);
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
