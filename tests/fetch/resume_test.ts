/**
 * Resuming, wherever the body was cut.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { download } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isSame, joined, noise } from "../support/bytes.ts";
import { hurry, MODES, runFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { MODIFIED, Origin, type Resource, serveResource } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { response } from "../support/replies.ts";
import { rounds, THOROUGH } from "../support/thorough.ts";

/** A small body: it is cut at each of its bytes. */
const SMALL = noise(rounds(64));

/** Another, which is cut where a test says. */
const BODY = noise(256);

/** A body of more than two buffers of the script. */
const LARGE = noise(2_200_000);

/** Cuts at the borders of what the script reads, gathers and writes. */
const BORDERS = (THOROUGH ? [16, 64, 256, 1024, 2048] : [64, 1024])
  .flatMap((kib) => [-1, 0, 1].map((by) => kib * 1024 + by));

/** Downloads whose first try is cut, one for each path. */
interface Case {
  path: string;
  body: Uint8Array;
  cut: number;
}

const SMALL_CASES: Case[] = Array.from(
  SMALL,
  (_, cut) => ({ path: `/small/${cut}`, body: SMALL, cut }),
);

const CASES: Case[] = [
  ...SMALL_CASES,
  ...BORDERS.map((cut) => ({ path: `/large/${cut}`, body: LARGE, cut })),
];

const BY_PATH = new Map(CASES.map((one) => [one.path, one]));

/** A server that cuts the first answer for each path where its case says. */
function cutting(validators: Partial<Resource> = { lastModified: MODIFIED }): Origin {
  return new Origin((asked, count) => {
    const { body, cut } = BY_PATH.get(asked.target)!;
    return serveResource(asked, { body, ...validators, cut: count === 1 ? cut : body.length });
  });
}

/** The file of a case. */
function output(folder: Folder, { path }: Case): string {
  return folder.file(path.slice(1).replace("/", "-"));
}

/**
 * Fails unless each case's file is right, and asked for once more from where it broke; without
 * validator from the beginning.
 */
function assertResumed(folder: Folder, origin: Origin, cases: Case[], ifRange: string | null) {
  for (const one of cases) {
    assert(isSame(Deno.readFileSync(output(folder, one)), one.body), `${one.path} is not the same`);
    const range = one.cut > 0 && ifRange !== null ? `bytes=${one.cut}-` : undefined;
    assertEquals(origin.ranges(one.path), [undefined, range], one.path);
    if (range === undefined) continue;
    const again = origin.requests.findLast(({ target }) => target === one.path);
    assertEquals(again!.headers.get("if-range"), ifRange, one.path);
  }
  assertEquals(folder.names.filter((name) => name.includes(".part")), []);
}

for (
  const { name, validators, ifRange } of [
    { name: "a Last-Modified", validators: { lastModified: MODIFIED }, ifRange: MODIFIED },
    {
      name: "a strong ETag",
      validators: { etag: '"v1"', lastModified: MODIFIED },
      ifRange: '"v1"',
    },
    { name: "a weak ETag", validators: { etag: 'W/"v1"' }, ifRange: null },
    {
      name: "a Last-Modified as old as its Date",
      validators: { lastModified: MODIFIED, date: MODIFIED },
      ifRange: null,
    },
  ]
) {
  const does = ifRange === null ? "starts over" : "goes on";
  Deno.test(`download with ${name} ${does} in one run wherever the body was cut`, async () => {
    await using folder = new Folder();
    using _ = hurry();
    await using origin = cutting(validators);
    const cases = THOROUGH || ifRange === MODIFIED ? CASES : SMALL_CASES;
    await Promise.all(cases.map(async (one) => {
      const done = await download(origin.url(one.path), { output: output(folder, one) });
      assertEquals([done.bytes, done.attempts], [one.body.length, 2]);
    }));
    assertResumed(folder, origin, cases, ifRange);
  });
}

Deno.test("download resumes in another run wherever the body was cut", async () => {
  await using folder = new Folder();
  await using origin = cutting();
  await Promise.all(CASES.map(async (one) => {
    const options = { output: output(folder, one), retry: 0, resume: true };
    const error = await rejectsWith(EXIT.partial, download(origin.url(one.path), options));
    const left = `(${options.output}.part has ${one.cut} of ${one.body.length} bytes)`;
    if (one.cut > 0) assertStringIncludes(error.message, left);
    await download(origin.url(one.path), options);
  }));
  assertResumed(folder, origin, CASES, MODIFIED);
});

Deno.test("download resumes a file that FILE.part is missing for, wherever it ends", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    serveResource(asked, { body: BY_PATH.get(asked.target)!.body, lastModified: MODIFIED })
  );
  await Promise.all(CASES.map(async (one) => {
    const file = output(folder, one);
    Deno.writeFileSync(file, one.body.subarray(0, one.cut));
    await download(origin.url(one.path), { output: file, resume: true });
    assert(isSame(Deno.readFileSync(file), one.body), one.path);
    // the head of the whole says which version it is a part of
    assertEquals(origin.ranges(one.path), [undefined, ...one.cut ? [`bytes=${one.cut}-`] : []]);
  }));
});

Deno.test("download resumes a chunked body wherever its framing was cut", async () => {
  using _ = hurry();
  await using folder = new Folder();
  const chunks = [[0, 1], [1, 10], [10, SMALL.length]].map((span) => SMALL.subarray(...span));
  const text = new TextEncoder();
  const framed = [
    ...chunks.flatMap((chunk) => [
      ...text.encode(`${chunk.length.toString(16)};extension\r\n`),
      ...chunk,
      ...text.encode("\r\n"),
    ]),
    ...text.encode("0\r\nTrailer: field\r\n\r\n"),
  ];
  const head = `HTTP/1.1 200 OK\r\nETag: "v1"\r\nTransfer-Encoding: chunked\r\n\r\n`;
  await using origin = new Origin((asked, count) => {
    if (count > 1) return serveResource(asked, { body: SMALL, etag: '"v1"' });
    return [head, Uint8Array.from(framed.slice(0, Number(asked.target.slice(1))))];
  });
  await Promise.all(framed.map(async (_, cut) => {
    const file = folder.file(`${cut}`);
    const done = await download(origin.url(`/${cut}`), { output: file });
    assert(isSame(Deno.readFileSync(file), SMALL), `cut at ${cut}`);
    assertEquals(done.attempts, 2);
  }));
});

Deno.test("download resumes again and again, each time with what is missing", async () => {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    serveResource(asked, { body: BODY, lastModified: MODIFIED, cut: 100 })
  );
  const file = folder.file("f");
  const { attempts } = await download(origin.url(), { output: file });
  assert(isSame(Deno.readFileSync(file), BODY));
  assertEquals(attempts, 3);
  assertEquals(origin.ranges(), [undefined, "bytes=100-", "bytes=200-"]);
});

Deno.test({
  name: "download without read access resumes in one run wherever the body was cut",
  permissions: { net: true, write: true, run: true, env: true },
  async fn() {
    // what it may not read, another program does
    const { stdout } = await new Deno.Command("mktemp", { args: ["-d"] }).output();
    const folder = new TextDecoder().decode(stdout).trim();
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    await using origin = cutting();
    await Promise.all(
      SMALL_CASES.map(({ path, cut }) =>
        download(origin.url(path), { output: `${folder}/${cut}` })
      ),
    );
    const all = await new Deno.Command("sh", {
      args: ["-c", `cd ${folder} && cat $(seq 0 ${SMALL.length - 1}) && ls | wc -l`],
    }).output();
    const expected = joined(...SMALL_CASES.map(({ body }) => body), `${SMALL.length}\n`);
    assert(isSame(all.stdout, expected));
    for (const { path, cut } of SMALL_CASES) {
      assertEquals(origin.ranges(path), [undefined, cut > 0 ? `bytes=${cut}-` : undefined]);
    }
  },
});

Deno.test("fetch.ts without read access leaves nothing of a version that was replaced", async () => {
  await using folder = new Folder();
  await using origin = new Origin((_, count) => {
    const [head, body] = response("200 OK", count === 1 ? BODY : "", [`ETag: "${count}"`]);
    return [head, body.subarray(0, 100)];
  });
  const args = ["-o", "f", origin.url()], permissions = [...MODES.FILE];
  const { code, stderr } = await runFetch(folder, args, { permissions });
  assertEquals([code, folder.text("f")], [EXIT.ok, ""], stderr);
});

Deno.test("fetch.ts -C with a partial FILE.part asks for the rest and checks the whole", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    serveResource(asked, { body: BODY, lastModified: MODIFIED })
  );
  folder.write("f.part", BODY.subarray(0, 100));
  writeRecord(folder, "f.part", { url: origin.url(), total: BODY.length });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(BODY)));
  const args = ["-C", "-o", "f", `--sha256=${digest.toHex()}`, origin.url()];
  const { code, stdout, stderr } = await runFetch(folder, args);
  assertEquals(code, EXIT.ok, stderr);
  assertStringIncludes(stdout, "Content-Range: bytes 100-255/256\n");
  assert(isSame(folder.bytes("f"), BODY));
  assertEquals([folder.names, origin.ranges()], [["f"], ["bytes=100-"]]);
});

Deno.test("fetch.ts -C that may not look says which access it needs, and asks nobody", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  folder.write("f", BODY.subarray(0, 100));
  const permissions = [...MODES.FILE];
  const { code, stderr } = await runFetch(folder, ["-C", "-o", "f", origin.url()], { permissions });
  assertEquals([code, origin.requests.length], [EXIT.permission, 0], stderr);
  assertStringIncludes(stderr, " --allow-read=f,f.part,f.part.json ");
  assert(isSame(folder.bytes("f"), BODY.subarray(0, 100)));
});

Deno.test("download takes a part of another URL for no part of this one", async () => {
  await using folder = new Folder();
  const fields = ['ETag: "1"', "Content-Type: text/plain"];
  await using origin = new Origin(() => response("200 OK", BODY, fields));
  folder.write("f.part", BODY.subarray(0, 100));
  writeRecord(folder, "f.part", { url: origin.url("/other"), etag: '"1"', type: "text/html" });
  await download(origin.url(), { output: folder.file("f"), resume: true });
  assertEquals([origin.ranges(), isSame(folder.bytes("f"), BODY)], [[undefined], true]);
});

Deno.test("download starts over once when the checksum of what was there is wrong", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    count > 2 ? response("404 Gone") : serveResource(asked, { body: BODY, etag: '"1"' })
  );
  folder.write("f.part", BODY.subarray(0, 100));
  writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: BODY.length });
  const options = { output: folder.file("f"), resume: true, sha256: "0".repeat(64) };
  await rejectsWith(EXIT.checksum, download(origin.url(), options));
  assertEquals(origin.ranges(), ["bytes=100-", undefined]);
});
