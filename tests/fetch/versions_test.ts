/**
 * A resource that changes between two tries, and servers that know less than RFC
 * 9110: two versions are never mixed.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { createHash } from "node:crypto";
import { download, type DownloadOptions, type Progress } from "../../fetch.ts";
import { EXIT, TrioError } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isSame, noise } from "../support/bytes.ts";
import { hurry, runFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import {
  type Asked,
  cutAt,
  DATE,
  MODIFIED,
  Origin,
  type Resource,
  serveResource,
} from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { response } from "../support/replies.ts";

const LATER = "Mon, 07 Nov 1994 08:49:37 GMT";

/** What came before it broke, of the first version. */
const FIRST = noise(1000, 1);

const SECOND = noise(1000, 2);

/** It may change again within the same second (RFC 9110 section 8.8.2.2). */
const FRESH = { lastModified: MODIFIED, date: MODIFIED };

/** What repeats the validator of the record. */
const SAME = [`Date: ${DATE}`, `Last-Modified: ${MODIFIED}`];

/** Downloads from a server whose first answer is cut at 400; later ones are of `later`. */
async function changing(first: Partial<Resource>, later: Partial<Resource>) {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serveResource(
      asked,
      count === 1 ? { body: FIRST, cut: 400, ...first } : { body: SECOND, ...later },
    )
  );
  const sha256 = createHash("sha256").update(later.body ?? SECOND).digest("hex");
  await download(origin.url(), { output: folder.file("f"), sha256 });
  return { bytes: folder.bytes("f"), names: folder.names, ranges: origin.ranges() };
}

for (
  const [what, first, later] of [
    ["another strong ETag", { etag: '"1"' }, { etag: '"2"' }],
    ["another Last-Modified", { lastModified: MODIFIED }, { lastModified: LATER }],
    ["another weak ETag", { etag: 'W/"1"' }, { etag: 'W/"2"' }],
    ["a weak ETag in the place of a strong one", { etag: '"1"' }, { etag: 'W/"1"' }],
    [
      "another weak ETag and the same Last-Modified",
      { etag: 'W/"1"', lastModified: MODIFIED },
      { etag: 'W/"2"', lastModified: MODIFIED },
    ],
    ["no validator, and the same total", {}, {}],
    ["a Last-Modified as old as its Date", FRESH, FRESH],
    ["another total", { etag: '"1"' }, { etag: '"1"', body: SECOND.subarray(0, 999) }],
    ["a larger total", { etag: '"1"' }, { etag: '"1"', body: noise(1001, 2) }],
    ["a total less than what came", { etag: '"1"' }, {
      etag: '"1"',
      body: SECOND.subarray(0, 300),
    }],
    ["a total that is what came", { etag: '"1"' }, { etag: '"1"', body: SECOND.subarray(0, 400) }],
    ["no validator any more", { etag: '"1"' }, {}],
  ] as [string, Partial<Resource>, Partial<Resource>][]
) {
  for (const ifRange of [true, false]) {
    const server = ifRange ? "" : " though the server ignores If-Range";
    Deno.test(`download never mixes versions: ${what}${server}`, async () => {
      const { bytes, names } = await changing(first, { ...later, ifRange });
      assert(isSame(bytes, later.body ?? SECOND), "bytes of two versions are mixed");
      assertEquals(names, ["f"]);
    });
  }
}

/** What an earlier run left: 400 bytes of FIRST, and the record of the version they are of. */
function writePart(folder: Folder, origin: Origin, total = FIRST.length) {
  folder.write("f.part", FIRST.subarray(0, 400));
  writeRecord(folder, "f.part", { url: origin.url(), total });
}

Deno.test("download starts over when a server knows no ranges", async () => {
  const resource = { body: FIRST, etag: '"1"' };
  const { bytes, ranges } = await changing(resource, { ...resource, ranges: false });
  assert(isSame(bytes, FIRST));
  assertEquals(ranges, [undefined, "bytes=400-"]);
});

Deno.test("download asks for the rest of its own version only (RFC 9110 13.1.5)", async () => {
  for (const validator of [{ etag: '"1"' }, { lastModified: MODIFIED }]) {
    await using folder = new Folder();
    await using origin = new Origin((asked) =>
      serveResource(asked, { body: FIRST, ...validator, ifRange: false })
    );
    folder.write("f.part", FIRST.subarray(0, 400));
    const record = { url: origin.url(), total: 1000, etag: undefined, ...validator };
    writeRecord(folder, "f.part", record);
    await download(origin.url(), { output: folder.file("f"), resume: true });
    const conditions = origin.requests.map(({ headers }) => headers.get("if-range"));
    assertEquals([conditions, origin.ranges()], [Object.values(validator), ["bytes=400-"]]);
  }
});

Deno.test("download counts from zero when it starts over", async () => {
  await using folder = new Folder();
  const resource = { body: FIRST, lastModified: MODIFIED, ranges: false };
  await using origin = new Origin((asked) => serveResource(asked, resource));
  writePart(folder, origin);
  const progress: Progress = { bytes: 0, resumed: 0 };
  await download(origin.url(), { output: folder.file("f"), resume: true, progress });
  assertEquals(progress, { bytes: 1000, resumed: 0, total: 1000 });
});

Deno.test("download counts what was there when it resumes", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    serveResource(asked, { body: FIRST, lastModified: MODIFIED })
  );
  writePart(folder, origin);
  const progress: Progress = { bytes: 0, resumed: 0 };
  await download(origin.url(), { output: folder.file("f"), resume: true, progress });
  assertEquals(progress, { bytes: 1000, resumed: 400, total: 1000 });
});

/** Downloads with -C, 400 bytes of FIRST and their record being there, from who answers so. */
async function continued(
  answer: (asked: Asked, count: number) => ReturnType<typeof response>,
  { total, ...options }: DownloadOptions & { total?: number } = {},
) {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin(answer);
  writePart(folder, origin, total);
  const pending = download(origin.url(), { output: folder.file("f"), resume: true, ...options });
  const result = await pending.catch((error) => error as TrioError);
  const [name] = folder.names;
  return { result, name, bytes: folder.bytes(name!), ranges: origin.ranges() };
}

for (
  const [what, range] of [
    ["starts too early", "bytes 399-999/1000"],
    ["starts too late", "bytes 401-999/1000"],
    ["is missing", undefined],
    ["has no numbers", "bytes x-y/z"],
    ["has another unit", "lines 400-999/1000"],
  ]
) {
  Deno.test(`download does not resume if Content-Range ${what}`, async () => {
    const headers = [...SAME, ...range ? [`Content-Range: ${range}`] : []];
    const { result, name, bytes, ranges } = await continued(() =>
      response("206 Partial Content", FIRST.subarray(400), headers)
    );
    assert(result instanceof TrioError);
    assertEquals([result.code, name], [EXIT.resume, "f.part"]);
    assertEquals(ranges, ["bytes=400-", undefined], "it starts over, once");
    assert(isSame(bytes, FIRST.subarray(0, 400)), "what came before is lost");
  });
}

Deno.test("download takes a 206 without total, which is allowed", async () => {
  const { result, bytes } = await continued(() =>
    response("206 Partial Content", FIRST.subarray(400), [
      ...SAME,
      "Content-Range: bytes 400-999/*",
    ])
  );
  assert(!(result instanceof Error), String(result));
  assert(isSame(bytes, FIRST));
});

Deno.test("download asks for the rest of a 206 that is shorter than asked", async () => {
  const { result, bytes, ranges } = await continued(({ headers }) => {
    const start = Number(headers.get("range")!.slice(6, -1));
    const end = Math.min(start + 250, 1000);
    const range = `Content-Range: bytes ${start}-${end - 1}/1000`;
    return response("206 Partial Content", FIRST.subarray(start, end), [...SAME, range]);
  });
  assert(!(result instanceof Error), String(result));
  assert(isSame(bytes, FIRST));
  assertEquals(ranges, ["bytes=400-", "bytes=650-", "bytes=900-"]);
});

Deno.test("download takes a 206 until EOF for complete only with all its bytes", async () => {
  for (const [cut, code] of [[599, EXIT.partial], [600, EXIT.ok], [601, EXIT.reply]] as const) {
    const { result } = await continued(() => [
      ["HTTP/1.0 206 Partial Content", "Content-Range: bytes 400-999/1000", ...SAME, "", ""]
        .join("\r\n"),
      noise(cut),
    ], { retry: 0 });
    assertEquals(result instanceof TrioError ? result.code : EXIT.ok, code, `${cut} bytes`);
  }
});

Deno.test("download takes no 206 that nobody asked for", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() =>
    response("206 Partial Content", "567", ["Content-Range: bytes 5-7/10"])
  );
  await rejectsWith(EXIT.resume, download(origin.url(), { output: folder.file("f") }));
  assertEquals(folder.names, []);
});

Deno.test("download saves the range that the user asks for, and never adds to it", async () => {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin(({ headers }, count) => {
    assertEquals(headers.get("range"), "Bytes=5-9");
    const [head, body] = response("206 Partial Content", FIRST.subarray(5, 10), [
      "Content-Range: bytes 5-9/1000",
    ]);
    return [head, body.subarray(0, count === 1 ? 2 : 5)];
  });
  const options = { output: folder.file("f"), headers: ["Range: Bytes=5-9"] };
  const { bytes } = await download(origin.url(), options);
  assertEquals([bytes, folder.bytes("f")], [5, FIRST.slice(5, 10)]);
});

Deno.test("download resumes what is stored coded, for it is saved as it comes", async () => {
  using _ = hurry();
  for (const compressed of [false, true]) { // which is for the whole only
    await using folder = new Folder();
    const coding = ["Content-Encoding: x-gzip", 'ETag: "1"'];
    await using origin = new Origin((_, count) => {
      const [head, body] = count === 1
        ? response("200 OK", FIRST, coding)
        : response("206 Partial Content", FIRST.subarray(400), [
          "Content-Range: bytes 400-999/1000",
          ...coding,
        ]);
      return [head, body.subarray(0, count === 1 ? 400 : 600)];
    });
    const output = folder.file("f");
    await rejectsWith(EXIT.partial, download(origin.url(), { output, retry: 0 }));
    await download(origin.url(), { output, resume: true, compressed });
    assert(isSame(folder.bytes("f"), FIRST));
    assertEquals(origin.ranges(), [undefined, "bytes=400-"]);
  }
});

Deno.test("download never mixes codings", async () => {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin(({ headers }, count) => {
    if (count > 1 && !headers.has("range")) return response("200 OK", SECOND);
    if (count > 1) {
      const range = ["Content-Range: bytes 400-999/1000", "Content-Encoding: gzip", ...SAME];
      return response("206 Partial Content", SECOND.subarray(400), range);
    }
    return cutAt(400, response("200 OK", FIRST, SAME));
  });
  await download(origin.url(), { output: folder.file("f") });
  assert(isSame(folder.bytes("f"), SECOND), "bytes of two versions are mixed");
  assertEquals(origin.ranges(), [undefined, "bytes=400-", undefined]);
});

for (const [what, lines] of [["the same total", ["Content-Range: bytes */400"]], ["none", []]]) {
  Deno.test(`download takes a 416 with ${what} for complete, if the record's is that`, async () => {
    const { result, name, bytes } = await continued(
      () => response("416 Range Not Satisfiable", "", lines as string[]),
      { total: 400 },
    );
    assert(!(result instanceof Error), String(result));
    assertEquals([result.bytes, name], [400, "f"]);
    assert(isSame(bytes, FIRST.subarray(0, 400)));
  });
}

Deno.test("download leaves a complete FILE untouched", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    serveResource(asked, { body: FIRST, lastModified: MODIFIED })
  );
  const file = folder.write("f", FIRST, LATER);
  const before = Deno.statSync(file);
  await download(origin.url(), { output: file, resume: true });
  const { ino, mtime } = Deno.statSync(file);
  assertEquals([ino, mtime, folder.names], [before.ino, before.mtime, ["f"]]);
});

for (
  const [what, size] of [["goes on with a part", 400], ["is done with the whole", 1000]] as const
) {
  for (const name of ["f", "f.part"]) {
    Deno.test(`download ${what} that another program saved later in ${name}`, async () => {
      await using folder = new Folder();
      const resource = { body: FIRST, etag: '"1"', lastModified: MODIFIED };
      await using origin = new Origin((asked) => serveResource(asked, resource));
      folder.write(name, FIRST.subarray(0, size)); // its time is now
      await download(origin.url(), { output: folder.file("f"), resume: true });
      assert(isSame(folder.bytes("f"), FIRST));
      assertEquals(origin.ranges(), [undefined, ...size < 1000 ? [`bytes=${size}-`] : []]);
      if (size < 1000) assertEquals(origin.requests[1]!.headers.get("if-range"), '"1"');
      assertEquals(folder.names, ["f"]);
    });
  }
}

for (const ifRange of [true, false]) {
  const server = ifRange ? "" : ", though the server ignores If-Range";
  Deno.test(`download starts over when the resource is newer than the file${server}`, async () => {
    await using folder = new Folder();
    const resource = { body: SECOND, lastModified: LATER, ifRange };
    await using origin = new Origin((asked) => serveResource(asked, resource));
    for (const name of ["f", "f.part"]) {
      folder.write(name, FIRST.subarray(0, 400));
      const early = new Date(Date.parse(MODIFIED) + 500); // in the middle of a second
      Deno.utimeSync(folder.file(name), early, early);
      await download(origin.url(), { output: folder.file("f"), resume: true });
      assert(isSame(folder.bytes("f"), SECOND), "bytes of two versions are mixed");
    }
  });
}

Deno.test("download starts over after a 416 with another total", async () => {
  const { result, bytes, ranges } = await continued((_, count) =>
    count === 1
      ? response("416 Range Not Satisfiable", "", ["Content-Range: bytes */300"])
      : response("200 OK", SECOND.subarray(0, 300))
  );
  assert(!(result instanceof Error), String(result));
  assert(isSame(bytes, SECOND.subarray(0, 300)));
  assertEquals(ranges, ["bytes=400-", undefined]);
});

Deno.test("download starts over after a 416 that says no total, with a part that is none", async () => {
  const { result, bytes, ranges } = await continued((_, count) =>
    count === 1 ? response("416 Range Not Satisfiable") : response("200 OK", SECOND)
  );
  assert(!(result instanceof Error), String(result));
  assert(isSame(bytes, SECOND));
  assertEquals(ranges, ["bytes=400-", undefined]);
});

Deno.test("download keeps FILE.part when the resource is gone", async () => {
  const { result, name, bytes } = await continued(() => response("404 Not Found"));
  assert(result instanceof TrioError);
  assertEquals([result.code, name, bytes.length], [EXIT.status, "f.part", 400]);
});

Deno.test("download leaves alone what another program wrote when the resource is gone", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("404 Not Found"));
  const file = folder.write("f", "01234");
  const options = { output: file, resume: true };
  const error = await rejectsWith(EXIT.status, download(origin.url(), options));
  assertEquals(error.message, `${origin.url()} answered 404 Not Found`);
  assertEquals([folder.names, folder.text("f")], [["f"], "01234"]);
});

for (
  const [what, validator, code, asked] of [
    ["another version came", { etag: '"1"' }, EXIT.resume, 2],
    ["none can tell which version it was", {}, EXIT.partial, 1],
  ] as const
) {
  Deno.test(`download to stdout does not start over what it has shown: ${what}`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked, count) =>
      serveResource(
        asked,
        count === 1 ? { body: FIRST, ...validator, cut: 400 } : { body: SECOND, etag: '"2"' },
      )
    );
    const done = await runFetch(folder, ["-o", "-", origin.url()]);
    assertEquals([done.code, origin.requests.length], [code, asked], done.stderr);
    assert(!/\bhas \d/.test(done.stderr), "nobody can look how much that is");
    assert(isSame(done.bytes, FIRST.subarray(0, 400)));
  });
}

Deno.test("download to stdout resumes in one run", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serveResource(asked, { body: FIRST, etag: '"1"', cut: count === 1 ? 400 : 1000 })
  );
  const { code, bytes, stderr } = await runFetch(folder, ["-o", "-", origin.url()]);
  assertEquals(code, EXIT.ok, stderr);
  assert(isSame(bytes, FIRST));
});
