/**
 * How a broken download goes on: wherever it broke, with exactly the missing bytes, and never with
 * bytes of another version.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { download, type DownloadOptions, type Progress } from "../fetch.ts";
import { EXIT, TrioError } from "../mod.ts";
import {
  type Asked,
  cutAt,
  failure,
  fetch,
  Folder,
  hurry,
  isSame,
  MODES,
  noise,
  Origin,
  type Resource,
  response,
  serve,
} from "./fetch_tools.ts";

const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER = "Mon, 07 Nov 1994 08:49:37 GMT";

/** A small body: it is cut at each of its bytes. */
const SMALL = noise(256);
/** A body of more than two buffers of the script. */
const LARGE = noise(2_200_000);
/** Cuts at the borders of what the script reads, gathers and writes. */
const BORDERS = [16, 64, 256, 1024, 2048].flatMap((kib) => [-1, 0, 1].map((by) => kib * 1024 + by));

/** Downloads whose first try is cut, one for each path. */
interface Case {
  path: string;
  body: Uint8Array;
  cut: number;
}
const CASES: Case[] = [
  ...Array.from(SMALL, (_, cut) => ({ path: `/small/${cut}`, body: SMALL, cut })),
  ...BORDERS.map((cut) => ({ path: `/large/${cut}`, body: LARGE, cut })),
];
const BY_PATH = new Map(CASES.map((one) => [one.path, one]));

/** A server that cuts the first answer for each path where its case says. */
function cutting(validators: Partial<Resource> = { lastModified: MODIFIED }): Origin {
  return new Origin((asked, count) => {
    const { body, cut } = BY_PATH.get(asked.target)!;
    return serve(asked, { body, ...validators, cut: count === 1 ? cut : body.length });
  });
}

/** The file of a case. */
function output(folder: Folder, { path }: Case): string {
  return folder.file(path.slice(1).replace("/", "-"));
}

/** Fails unless each case's file is right, and asked for once more from where it broke. */
function assertResumed(folder: Folder, origin: Origin, ifRange: string | null) {
  for (const one of CASES) {
    assert(isSame(Deno.readFileSync(output(folder, one)), one.body), `${one.path} is not the same`);
    const range = one.cut > 0 ? `bytes=${one.cut}-` : undefined;
    assertEquals(origin.ranges(one.path), [undefined, range], one.path);
    if (one.cut === 0) continue;
    const again = origin.requests.findLast(({ target }) => target === one.path);
    assertEquals(again!.headers.get("if-range"), ifRange, one.path);
  }
  assertEquals(folder.names.filter((name) => name.endsWith(".part")), []);
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
  ]
) {
  Deno.test(`download with ${name} resumes in one run wherever the body was cut`, async () => {
    await using folder = new Folder();
    using _ = hurry();
    await using origin = cutting(validators);
    await Promise.all(CASES.map(async (one) => {
      const done = await download(origin.url(one.path), { output: output(folder, one) });
      assertEquals([done.bytes, done.attempts], [one.body.length, 2]);
    }));
    assertResumed(folder, origin, ifRange);
  });
}

Deno.test("download resumes in another run wherever the body was cut", async () => {
  await using folder = new Folder();
  await using origin = cutting();
  await Promise.all(CASES.map(async (one) => {
    const options = { output: output(folder, one), retry: 0, resume: true };
    const error = await failure(EXIT.partial, download(origin.url(one.path), options));
    const left = `(${options.output}.part has ${one.cut} of ${one.body.length} bytes, -C goes on)`;
    if (one.cut > 0) assertStringIncludes(error.message, left);
    await download(origin.url(one.path), options);
  }));
  assertResumed(folder, origin, MODIFIED);
});

Deno.test("download resumes a file that FILE.part is missing for, wherever it ends", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    serve(asked, { body: BY_PATH.get(asked.target)!.body, lastModified: MODIFIED })
  );
  await Promise.all(CASES.map(async (one) => {
    const file = output(folder, one);
    Deno.writeFileSync(file, one.body.subarray(0, one.cut));
    Deno.utimeSync(file, new Date(MODIFIED), new Date(MODIFIED));
    await download(origin.url(one.path), { output: file, resume: true });
    assert(isSame(Deno.readFileSync(file), one.body), one.path);
    assertEquals(origin.ranges(one.path), [one.cut > 0 ? `bytes=${one.cut}-` : undefined]);
  }));
});

Deno.test("download resumes a chunked body wherever its framing was cut", async () => {
  using _ = hurry();
  await using folder = new Folder();
  const chunks = [1, 20, 100, 135].map((size, at, all) => {
    const start = all.slice(0, at).reduce((sum, n) => sum + n, 0);
    return SMALL.subarray(start, start + size);
  });
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
    if (count > 1) return serve(asked, { body: SMALL, etag: '"v1"' });
    return [head, Uint8Array.from(framed.slice(0, Number(asked.target.slice(1))))];
  });
  assert(framed.length > 256);
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
    serve(asked, { body: SMALL, lastModified: MODIFIED, cut: 100 })
  );
  const file = folder.file("f");
  const { attempts } = await download(origin.url(), { output: file });
  assert(isSame(Deno.readFileSync(file), SMALL));
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
    const cases = CASES.filter(({ body }) => body === SMALL);
    await Promise.all(
      cases.map(({ path, cut }) => download(origin.url(path), { output: `${folder}/${cut}` })),
    );
    const all = await new Deno.Command("sh", {
      args: ["-c", `cd ${folder} && cat $(seq 0 255) && ls | wc -l`],
    }).output();
    const expected = new Uint8Array([...cases.flatMap(() => [...SMALL]), ...text("256\n")]);
    assert(isSame(all.stdout, expected));
    for (const { path, cut } of cases) {
      assertEquals(origin.ranges(path), [undefined, cut > 0 ? `bytes=${cut}-` : undefined]);
    }
  },
});

function text(of: string): Uint8Array {
  return new TextEncoder().encode(of);
}

for (const [mode, permissions] of Object.entries(MODES)) {
  Deno.test(`fetch.ts -C with a partial ${mode} asks for the rest and checks the whole`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) =>
      serve(asked, { body: SMALL, lastModified: MODIFIED })
    );
    folder.write(mode === "FILE.part" ? "f.part" : "f", SMALL.subarray(0, 100), MODIFIED);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(SMALL)));
    const check = mode === "FILE.part" ? [`--sha256=${digest.toHex()}`] : [];
    const args = ["-C", "-o", "f", ...check, origin.url()];
    const { code, stdout, stderr } = await fetch(folder, args, { permissions: [...permissions] });
    assertEquals(code, EXIT.ok, stderr);
    assertStringIncludes(stdout, "Content-Range: bytes 100-255/256\n");
    assert(isSame(folder.bytes("f"), SMALL));
    assertEquals([folder.names, origin.ranges()], [["f"], ["bytes=100-"]]);
  });
}

// --- The resource changes, and servers that know less than RFC 9110 -----------

/** What came before it broke, of the first version. */
const FIRST = noise(1000, 1);
const SECOND = noise(1000, 2);

/** Downloads from a server whose first answer is cut at 400; later ones are of `later`. */
async function changing(first: Partial<Resource>, later: Partial<Resource>) {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serve(asked, count === 1 ? { body: FIRST, cut: 400, ...first } : { body: SECOND, ...later })
  );
  await download(origin.url(), { output: folder.file("f") });
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
    ["another total", {}, { body: SECOND.subarray(0, 999) }],
    ["a larger total", {}, { body: noise(1001, 2) }],
    ["a total that is less than what came", {}, { body: SECOND.subarray(0, 300) }],
    ["a total that is what came", {}, { body: SECOND.subarray(0, 400) }],
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

Deno.test("download starts over when a server knows no ranges", async () => {
  const { bytes, ranges } = await changing({}, { body: FIRST, ranges: false });
  assert(isSame(bytes, FIRST));
  assertEquals(ranges, [undefined, "bytes=400-"]);
});

Deno.test("download counts from zero when it starts over", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: FIRST, ranges: false }));
  folder.write("f.part", FIRST.subarray(0, 400));
  const progress: Progress = { bytes: 0, resumed: 0 };
  await download(origin.url(), { output: folder.file("f"), resume: true, progress });
  assertEquals(progress, { bytes: 1000, resumed: 0, total: 1000 });
});

Deno.test("download counts what was there when it resumes", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: FIRST, lastModified: MODIFIED }));
  folder.write("f.part", FIRST.subarray(0, 400), MODIFIED);
  const progress: Progress = { bytes: 0, resumed: 0 };
  await download(origin.url(), { output: folder.file("f"), resume: true, progress });
  assertEquals(progress, { bytes: 1000, resumed: 400, total: 1000 });
});

/** Downloads with -C, 400 bytes of FIRST being there, from a server that answers so. */
async function continued(
  answer: (asked: Asked, count: number) => ReturnType<typeof response>,
  options: DownloadOptions = {},
) {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin(answer);
  folder.write("f.part", FIRST.subarray(0, 400), MODIFIED);
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
    const headers = range ? [`Content-Range: ${range}`] : [];
    const { result, name, bytes } = await continued(() =>
      response("206 Partial Content", FIRST.subarray(400), headers)
    );
    assert(result instanceof TrioError);
    assertEquals([result.code, name], [EXIT.resume, "f.part"]);
    assert(isSame(bytes, FIRST.subarray(0, 400)), "what came before is lost");
  });
}

Deno.test("download takes a 206 without total, which is allowed", async () => {
  const { result, bytes } = await continued(() =>
    response("206 Partial Content", FIRST.subarray(400), ["Content-Range: bytes 400-999/*"])
  );
  assert(!(result instanceof Error), String(result));
  assert(isSame(bytes, FIRST));
});

Deno.test("download asks for the rest of a 206 that is shorter than asked", async () => {
  const { result, bytes, ranges } = await continued(({ headers }) => {
    const start = Number(headers.get("range")!.slice(6, -1));
    const end = Math.min(start + 250, 1000);
    const range = `Content-Range: bytes ${start}-${end - 1}/1000`;
    return response("206 Partial Content", FIRST.subarray(start, end), [range]);
  });
  assert(!(result instanceof Error), String(result));
  assert(isSame(bytes, FIRST));
  assertEquals(ranges, ["bytes=400-", "bytes=650-", "bytes=900-"]);
});

Deno.test("download takes a 206 until EOF for complete only with all its bytes", async () => {
  for (const [cut, code] of [[599, EXIT.partial], [600, EXIT.ok], [601, EXIT.reply]] as const) {
    const { result } = await continued(() => [
      "HTTP/1.0 206 Partial Content\r\nContent-Range: bytes 400-999/1000\r\n\r\n",
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
  await failure(EXIT.resume, download(origin.url(), { output: folder.file("f") }));
  assertEquals(folder.names, []);
});

Deno.test("download saves the range that the user asks for, and never adds to it", async () => {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin(({ headers }, count) => {
    assertEquals(headers.get("range"), "bytes=5-9");
    const [head, body] = response("206 Partial Content", FIRST.subarray(5, 10), [
      "Content-Range: bytes 5-9/1000",
    ]);
    return [head, body.subarray(0, count === 1 ? 2 : 5)];
  });
  const options = { output: folder.file("f"), headers: ["Range: bytes=5-9"] };
  const { bytes } = await download(origin.url(), options);
  assertEquals([bytes, folder.bytes("f")], [5, FIRST.slice(5, 10)]);
});

Deno.test("download resumes what is stored coded, for it is saved as it comes", async () => {
  using _ = hurry();
  await using folder = new Folder();
  const coding = "Content-Encoding: x-gzip";
  await using origin = new Origin((_, count) => {
    const [head, body] = count === 1
      ? response("200 OK", FIRST, [coding])
      : response("206 Partial Content", FIRST.subarray(400), [
        "Content-Range: bytes 400-999/1000",
        coding,
      ]);
    return [head, body.subarray(0, count === 1 ? 400 : 600)];
  });
  await download(origin.url(), { output: folder.file("f") });
  assert(isSame(folder.bytes("f"), FIRST));
  assertEquals(origin.ranges(), [undefined, "bytes=400-"]);
});

Deno.test("download never mixes codings", async () => {
  using _ = hurry();
  await using folder = new Folder();
  await using origin = new Origin(({ headers }, count) => {
    if (count > 1 && !headers.has("range")) return response("200 OK", SECOND);
    if (count > 1) {
      const range = ["Content-Range: bytes 400-999/1000", "Content-Encoding: gzip"];
      return response("206 Partial Content", SECOND.subarray(400), range);
    }
    return cutAt(400, response("200 OK", FIRST));
  });
  await download(origin.url(), { output: folder.file("f") });
  assert(isSame(folder.bytes("f"), SECOND), "bytes of two versions are mixed");
});

Deno.test("download takes a 416 with the same total for complete", async () => {
  const { result, name, bytes } = await continued(() =>
    response("416 Range Not Satisfiable", "", ["Content-Range: bytes */400"])
  );
  assert(!(result instanceof Error), String(result));
  assertEquals([result.bytes, name], [400, "f"]);
  assert(isSame(bytes, FIRST.subarray(0, 400)));
});

Deno.test("download leaves a complete FILE untouched", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: FIRST, lastModified: MODIFIED }));
  const file = folder.write("f", FIRST, MODIFIED);
  const before = Deno.statSync(file);
  await download(origin.url(), { output: file, resume: true });
  const { ino, mtime } = Deno.statSync(file);
  assertEquals([ino, mtime, folder.names], [before.ino, before.mtime, ["f"]]);
});

for (
  const [what, size] of [["goes on with a part", 400], ["is done with the whole", 1000]] as const
) {
  Deno.test(`download ${what} that another program saved after it was modified`, async () => {
    await using folder = new Folder();
    const resource = { body: FIRST, etag: '"1"', lastModified: MODIFIED };
    await using origin = new Origin((asked) => serve(asked, resource));
    const file = folder.write("f", FIRST.subarray(0, size)); // its time is now
    await download(origin.url(), { output: file, resume: true });
    assert(isSame(folder.bytes("f"), FIRST));
    assertEquals(origin.ranges(), [`bytes=${size}-`]);
    assertEquals(origin.requests[0]!.headers.get("if-range"), null);
  });
}

for (const ifRange of [true, false]) {
  const server = ifRange ? "" : ", though the server ignores If-Range";
  Deno.test(`download starts over when the resource is newer than the file${server}`, async () => {
    await using folder = new Folder();
    const resource = { body: SECOND, lastModified: LATER, ifRange };
    await using origin = new Origin((asked) => serve(asked, resource));
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

Deno.test("download does not resume after a 416 that says no total", async () => {
  const { result, name, bytes } = await continued(() => response("416 Range Not Satisfiable"));
  assert(result instanceof TrioError);
  assertEquals([result.code, name, bytes.length], [EXIT.resume, "f.part", 400]);
});

Deno.test("download keeps FILE.part when the resource is gone", async () => {
  const { result, name, bytes } = await continued(() => response("404 Not Found"));
  assert(result instanceof TrioError);
  assertEquals([result.code, name, bytes.length], [EXIT.status, "f.part", 400]);
});

Deno.test("download names the file that has the bytes, FILE or FILE.part", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("404 Not Found"));
  const file = folder.write("f", "01234");
  const options = { output: file, resume: true };
  const error = await failure(EXIT.status, download(origin.url(), options));
  assertStringIncludes(error.message, `(${file} has 5 bytes`);
  assertEquals([folder.names, folder.text("f")], [["f"], "01234"]);
});

Deno.test("download to stdout does not start over what it has shown", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serve(asked, { body: FIRST, ranges: false, cut: count === 1 ? 400 : 1000 })
  );
  const { code, bytes, stderr } = await fetch(folder, ["-o", "-", origin.url()]);
  assertEquals(code, EXIT.resume, stderr);
  assert(isSame(bytes, FIRST.subarray(0, 400)));
});

Deno.test("download to stdout resumes in one run", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serve(asked, { body: FIRST, etag: '"1"', cut: count === 1 ? 400 : 1000 })
  );
  const { code, bytes, stderr } = await fetch(folder, ["-o", "-", origin.url()]);
  assertEquals(code, EXIT.ok, stderr);
  assert(isSame(bytes, FIRST));
});
