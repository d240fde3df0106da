/**
 * Content codings and transfer codings.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { promisify } from "node:util";
import zlib from "node:zlib";
import { download, request } from "../../fetch.ts";
import { TrioError } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf, joined, textOf } from "../support/bytes.ts";
import { get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { each } from "../support/process.ts";
import { CODED, OK, response, TEXT } from "../support/replies.ts";
import { FakeServer, replying, urlOf } from "../support/servers.ts";

/** What is read into; also what stands behind the end of a coding. */
const BUFFER = new Uint8Array(1024 * 1024);

/** 96 MiB of zeros. */
const BOMB_SIZE = 96 * 1024 * 1024;

/** What this test has, in bytes: other files' tests have threads of the same process. */
function memory(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** Bombs of each coding, some hundred bytes to some hundred kilobytes. */
async function bombs(): Promise<Record<string, Uint8Array>> {
  const zeros = new Uint8Array(BOMB_SIZE);
  const few = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } };
  const [gzip, deflate, br] = await Promise.all([
    promisify(zlib.gzip)(zeros, { level: 1 }),
    promisify(zlib.deflate)(zeros, { level: 1 }),
    promisify(zlib.brotliCompress)(zeros, few),
  ]);
  return { gzip, deflate, br };
}

Deno.test("request undoes codings in flat memory, and --max-filesize counts what is written", async (t) => {
  for (const [coding, bomb] of Object.entries(await bombs())) {
    await t.step(`${coding}, ${bomb.length} bytes`, async () => {
      await using folder = new Folder();
      const head = `${OK}Content-Encoding: ${coding}\r\nContent-Length: ${bomb.length}\r\n\r\n`;
      await using server = new FakeServer(replying(joined(head, bomb)));
      const before = memory();
      using response = await request(urlOf(server), { compressed: true });
      let size = 0, peak = 0;
      for (let n: number | null; (n = await response.read(BUFFER)) !== null; size += n) {
        peak = Math.max(peak, memory());
      }
      assertEquals(size, BOMB_SIZE);
      assert(peak - before < BOMB_SIZE / 2, `${(peak - before) >> 20} MiB more`);

      const options = { output: folder.file("f"), compressed: true, maxFilesize: 1e6 };
      await rejectsWith(63, download(urlOf(server), options));
      for (const name of folder.names) assert(Deno.statSync(folder.file(name)).size <= 1e6);
    });
  }
});

/** Undone by `compressed`; or the exit code. */
// deno-fmt-ignore
const CODINGS: [section: string, what: string, coding: string, body: Uint8Array, expected: string | number][] = [
  ["9110 8.4.1.3", "gzip", "gzip", CODED["gzip"]!, TEXT],
  ["9110 8.4.1.3", "x-gzip is gzip", "x-gzip", CODED["gzip"]!, TEXT],
  ["9110 8.4.1", "names have any case", "GZip", CODED["gzip"]!, TEXT],
  ["1952 2.2", "gzip of two members", "gzip", joined(CODED["gzip"]!, CODED["gzip"]!), TEXT + TEXT],
  ["9110 8.4.1.2", "deflate is zlib", "deflate", CODED["deflate"]!, TEXT],
  ["9110 8.4.1.2", "deflate without zlib, as some servers have it", "deflate", zlib.deflateRawSync(TEXT), TEXT],
  ["7932", "br", "br", CODED["br"]!, TEXT],
  ["9110 8.4", "codings are undone in reverse order", "deflate, gzip, br", zlib.brotliCompressSync(zlib.gzipSync(CODED["deflate"]!)), TEXT],
  ["9110 8.4", "five codings", "gzip,gzip,gzip,gzip,gzip", [1, 2, 3, 4, 5].reduce<Uint8Array>((body) => zlib.gzipSync(body), bytesOf(TEXT)), TEXT],
  ["9110 8.4", "six are too many", "gzip,gzip,gzip,gzip,gzip,gzip", CODED["gzip"]!, 61],
  ["9110 12.5.3", "identity is none", "identity", bytesOf(TEXT), TEXT],
  ["9110 8.4.1", "an unknown one", "zstd", bytesOf(TEXT), 61],
  ["9110 8.4", "no body has none", "gzip", new Uint8Array(), ""],
  ["1952 2.3", "gzip with a wrong checksum", "gzip", CODED["gzip"]!.map((byte, at) => byte ^ +(at === 26)), 61],
  ["1952 2.3", "gzip with a wrong length", "gzip", CODED["gzip"]!.map((byte, at) => byte ^ +(at === 29)), 61],
  ["1952 2.3", "gzip that is none", "gzip", bytesOf(TEXT), 61],
  ["1950 2.2", "zlib with a wrong checksum", "deflate", CODED["deflate"]!.map((byte, at, all) => byte ^ +(at === all.length - 1)), 61],
  ["1951 3.2", "deflate that is none", "deflate", bytesOf("\xff\xff\xff"), 61],
  ["7932 9", "br that is none", "br", bytesOf("\xff\xff\xff"), 61],
];

Deno.test("request undoes content codings, if it asked for them", async (t) => {
  for (const [section, what, coding, body, expected] of CODINGS) {
    await t.step(`RFC ${section}: ${what}`, async () => {
      const head = `${OK}Content-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`;
      await using server = new FakeServer(replying(joined(head, body)));
      const getting = get(urlOf(server), { compressed: true });
      if (typeof expected === "number") await rejectsWith(expected, getting);
      else assertEquals(await getting, expected);
      assertEquals(await get(urlOf(server)), textOf(body)); // it did not ask
    });
  }
});

Deno.test("request knows the length of a body as it came, not of one it decodes", async () => {
  const head = `${OK}Content-Encoding: gzip\r\nContent-Length: ${CODED.gzip!.length}\r\n\r\n`;
  await using server = new FakeServer(replying(joined(head, CODED.gzip!)));
  for (const [compressed, length] of [[false, CODED.gzip!.length], [true, undefined]] as const) {
    using response = await request(urlOf(server), { compressed });
    assertEquals(response.length, length);
  }
});

Deno.test("request undoes transfer codings, asked for or not", async () => {
  const chunk = (body: Uint8Array) =>
    joined(`${body.length.toString(16)}\r\n`, body, "\r\n0\r\n\r\n");
  for (const compressed of [false, true]) {
    for (const coding of ["gzip", "x-gzip", "deflate"]) {
      const body = CODED[coding.replace("x-", "")]!;
      for (
        const reply of [
          joined(`${OK}Transfer-Encoding: ${coding}\r\n\r\n`, body),
          joined(`${OK}Transfer-Encoding: ${coding}, chunked\r\n\r\n`, chunk(body)),
        ]
      ) {
        await using server = new FakeServer(replying(reply));
        assertEquals(await get(urlOf(server), { compressed }), TEXT);
      }
    }
  }
});

Deno.test("request undoes transfer codings before those of the content", async () => {
  const fields = "Content-Encoding: deflate\r\nTransfer-Encoding: gzip\r\n\r\n";
  const reply = joined(OK, fields, zlib.gzipSync(CODED.deflate!));
  await using server = new FakeServer(replying(reply));
  assertEquals(await get(urlOf(server), { compressed: true }), TEXT);
});

Deno.test("download decodes a coded whole that it asked for as a range", async () => {
  await using folder = new Folder();
  const body = CODED.gzip!, last = body.length - 1;
  const range = [`Content-Range: bytes 0-${last}/${body.length}`, "Content-Encoding: gzip"];
  await using server = new FakeServer(
    replying(joined(...response("206 Partial Content", body, range))),
  );
  const options = { output: folder.file("f"), range: "0-", compressed: true };
  assertEquals((await download(urlOf(server), options)).bytes, TEXT.length);
  assertEquals(folder.text("f"), TEXT);
});

Deno.test("request minds no coding of an answer without body", async () => {
  await using server = new FakeServer(replying(`${OK}Content-Encoding: odd\r\n\r\n`));
  assertEquals(await get(urlOf(server), { compressed: true, method: "HEAD" }), "");
});

Deno.test("request refuses megabytes behind the end of a coding", async (t) => {
  for (const coding of ["gzip", "deflate", "br"]) {
    await t.step(coding, async () => {
      const reply = joined(
        `${OK}Content-Encoding: ${coding}\r\n\r\n`,
        CODED[coding]!,
        BUFFER,
        BUFFER,
      );
      await using server = new FakeServer(replying(reply));
      await rejectsWith(61, get(urlOf(server), { compressed: true }));
    });
  }
});

Deno.test("request survives mutated coded bodies", async () => {
  const places = ["gzip", "deflate", "br"].flatMap((coding) => {
    return Array.from(CODED[coding]!, (_, at) => ({ coding, at }));
  });
  await using server = new FakeServer(replying((head) => {
    const { coding, at } = places[Number(head.split(" ")[1]!.slice(1))]!;
    const body = CODED[coding]!.map((byte, n) => n === at ? byte ^ 1 << at % 8 : byte);
    return joined(`${OK}Content-Encoding: ${coding}\r\n\r\n`, body);
  }));
  const results = await each([...places.keys()], async (n) => {
    try {
      await get(urlOf(server, `/${n}`), { compressed: true });
      return 0;
    } catch (error) {
      return error instanceof TrioError ? error.code : error;
    }
  });
  assertEquals(new Set(results), new Set([0, 61])); // not all bits of a head matter
});
