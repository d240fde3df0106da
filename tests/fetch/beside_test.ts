/**
 * What lies beside FILE, and what others do to it while it is downloaded.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
import { download, type HttpResponse } from "../../fetch.ts";
import { EXIT, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf, isSame, noise } from "../support/bytes.ts";
import { hurry } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { type Answering, cutAt, DATE, MODIFIED, Origin, serveResource } from "../support/origin.ts";
import { coming, writeRecord } from "../support/output.ts";
import { pause } from "../support/process.ts";
import { diskFull, replaced, writing } from "../support/replaced.ts";
import { response } from "../support/replies.ts";
import { clientEnds, FakeServer, readHead, soon, urlOf } from "../support/servers.ts";

const BODY = noise(1000, 1), OTHER = noise(2000, 2);

/** Another program's bytes are a part of this: it is older than they. */
const RESOURCE = { body: BODY, etag: '"1"', lastModified: MODIFIED };

/** While it lasts, what is `denied` is not granted. */
function denying(denied: (asked: Deno.PermissionDescriptor) => boolean): Disposable {
  return replaced(
    Deno.permissions,
    "querySync",
    (own) => (asked) =>
      denied(asked)
        ? { state: "prompt" } as Deno.PermissionStatus
        : own.call(Deno.permissions, asked),
  );
}

/** Goes on with `f`, whose server answers so. */
async function goOn(folder: Folder, answer: Answering): Promise<string[]> {
  await using origin = new Origin(answer);
  await download(origin.url(), { output: folder.file("f"), resume: true, retry: 0 });
  return origin.ranges().map((range) => range ?? "all");
}

for (const name of ["f", "f.part"]) {
  Deno.test(`download takes of ${name} what was there when it looked, though it grows`, async () => {
    await using folder = new Folder();
    const file = folder.write(name, BODY.subarray(0, 400));
    const ranges = await goOn(folder, (asked, count) => {
      if (count === 1) Deno.writeFileSync(file, OTHER, { append: true });
      return serveResource(asked, RESOURCE);
    });
    assertEquals([ranges, folder.names], [["all", "bytes=400-"], ["f"]]);
    assert(isSame(folder.bytes("f"), BODY), "these are not the bytes of the resource");
  });

  Deno.test(`download writes down which version the bytes of ${name} are of`, async () => {
    await using folder = new Folder();
    folder.write(name, BODY.subarray(0, 400));
    await using origin = new Origin((asked, count) =>
      count === 2 ? response("503 Busy") : serveResource(asked, RESOURCE)
    );
    const options = { output: folder.file("f"), resume: true, retry: 0 };
    await rejectsWith(EXIT.status, download(origin.url(), options));
    const { etag, total } = JSON.parse(folder.text("f.part.json"));
    assertEquals([etag, total], ['"1"', 1000]);
    await download(origin.url(), options);
    assertEquals(origin.ranges(), [undefined, "bytes=400-", "bytes=400-"]);
    assert(isSame(folder.bytes("f"), BODY));
  });
}

Deno.test("download fills no gaps where it could not keep up with them", async () => {
  await using folder = new Folder();
  folder.write("f.part", BODY.map((byte, at) => at < 400 || at >= 600 ? byte : 0));
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  const ranges: [number, number][] = [[0, 400], [600, 1000]];
  writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: 1000, ranges });
  using _ = denying((asked) => "path" in asked && `${asked.path}`.endsWith(".new"));
  await download(origin.url(), { output: folder.file("f"), resume: true });
  assertEquals(origin.ranges(), [undefined]);
  assert(isSame(folder.bytes("f"), BODY));
});

Deno.test("download that starts over gives FILE the time of the last question", async () => {
  await using folder = new Folder();
  let first = 0;
  await using origin = new Origin(async (asked, count) => {
    if (count > 1) return serveResource(asked, { ...RESOURCE, etag: '"2"' });
    await pause(50); // that the clock goes on
    first = Date.now();
    return serveResource(asked, { ...RESOURCE, etag: '"2"', ifRange: false });
  });
  folder.write("f.part", BODY.subarray(0, 400));
  writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: 1000 });
  await download(origin.url(), { output: folder.file("f"), resume: true });
  assertEquals(origin.ranges(), ["bytes=400-", undefined]);
  assert(Deno.statSync(folder.file("f")).mtime!.getTime() >= first);
});

Deno.test("download keeps its record from others: the URL may be a secret", async () => {
  await using folder = new Folder();
  await rejectsWith(
    EXIT.partial,
    goOn(folder, (asked) => serveResource(asked, { ...RESOURCE, cut: 400 })),
  );
  assertEquals(Deno.statSync(folder.file("f.part.json")).mode! & 0o777, 0o600);
});

Deno.test("download with --no-clobber leaves nothing beside FILE", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  await download(origin.url(), { output: folder.file("f"), clobber: false });
  assertEquals([folder.names, Deno.statSync(folder.file("f")).nlink], [["f"], 1]);
});

Deno.test("download makes what a link to nothing names, in the folder of the link", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  Deno.mkdirSync(folder.file("of-this-test"));
  Deno.symlinkSync("of-this-test/f", folder.file("link"));
  await download(origin.url(), { output: folder.file("link") });
  assert(isSame(folder.bytes("of-this-test/f"), BODY));
});

Deno.test("download to a folder fails before it asks", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  const pending = download(origin.url(), { output: folder.path });
  await rejectsWith(EXIT.write, pending, "it is a folder");
  assertEquals(origin.requests.length, 0);
});

Deno.test("download to a device leaves nothing open, and another one may go there", async () => {
  await using origin = new Origin(() => response("200 OK", "hello"));
  const options = { output: "/dev/null", taken: new Set<string>() };
  for (let turn = 0; turn < 2; turn++) {
    assertEquals((await download(origin.url(), options)).file, "/dev/null");
  }
});

Deno.test("download that may not look sees its signal before the last act, too", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", BODY));
  using _ = denying(({ name }) => name === "read");
  const abort = new AbortController(), reason = new Error("enough");
  const { progress, came } = coming(BODY.length);
  came.then(() => abort.abort(reason));
  const options = { output: folder.file("f"), signal: abort.signal, progress };
  const error = await assertRejects(() => download(origin.url(), options), Error);
  assert(error === reason, `${error}`);
});

Deno.test("download that may not look counts the bytes of its last try only", async () => {
  await using folder = new Folder();
  await using origin = new Origin((_, count) =>
    cutAt(count === 1 ? 400 : 1000, response("200 OK", BODY))
  );
  using _denied = denying(({ name }) => name === "read"), _pauses = hurry();
  assertEquals((await download(origin.url(), { output: folder.file("f") })).bytes, 1000);
  assert(isSame(folder.bytes("f"), BODY));
});

Deno.test("download replaces a newer FILE of the same size, unless it is to go on", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  folder.write("f", OTHER.subarray(0, 1000));
  await download(origin.url(), { output: folder.file("f") });
  assert(isSame(folder.bytes("f"), BODY));
});

Deno.test("download tells the head that says that all was there", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  folder.write("f.part", BODY);
  writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: 1000 });
  const told: number[] = [];
  const onHead = ({ status }: HttpResponse) => void told.push(status);
  await download(origin.url(), { output: folder.file("f"), resume: true, onHead });
  assertEquals([told, folder.names], [[416], ["f"]]);
});

Deno.test("download closes the connection before it looks through what is there", async () => {
  await using folder = new Folder();
  folder.write("f", BODY);
  const ended = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    const fields = [`Last-Modified: ${MODIFIED}`, `Date: ${DATE}`];
    await writeAll(conn, bytesOf(response("200 OK", BODY, fields)[0]));
    await clientEnds(conn);
    ended.resolve();
  });
  const onHead = () => soon(ended.promise);
  await download(urlOf(server), { output: folder.file("f"), resume: true, onHead });
  assert(isSame(folder.bytes("f"), BODY));
});

Deno.test("download asks for codings again when another program's bytes were none of it", async () => {
  await using folder = new Folder();
  folder.write("f", OTHER);
  await using origin = new Origin((_, count) =>
    cutAt(count === 1 ? 400 : 1000, response("200 OK", BODY))
  );
  using _ = hurry();
  const options = { output: folder.file("f"), resume: true, compressed: true };
  await download(origin.url(), options);
  const asked = origin.requests.map(({ headers }) => headers.has("accept-encoding"));
  assertEquals([asked, isSame(folder.bytes("f"), BODY)], [[false, true], true]);
});

for (const came of [false, true]) {
  const what = came ? "spares a file that came meanwhile" : "saves the file";
  Deno.test(`download with --no-clobber ${what}, where there are no hard links`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
    using _ = replaced(Deno, "linkSync", () => () => {
      if (came) folder.write("f", OTHER);
      throw new Deno.errors.NotSupported("Operation not supported");
    });
    const pending = download(origin.url(), { output: folder.file("f"), clobber: false });
    if (came) await rejectsWith(EXIT.write, pending, "File exists");
    else await pending;
    assert(isSame(folder.bytes("f"), came ? OTHER : BODY));
  });
}

Deno.test("download whose part cannot become FILE leaves both as they are", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  folder.write("f", OTHER);
  using _ = replaced(Deno, "renameSync", (rename) => (from, to) => {
    if (to !== Deno.realPathSync(folder.file("f"))) return rename(from, to);
    throw Object.assign(new Deno.errors.PermissionDenied("Permission denied"), { code: "EACCES" });
  });
  const pending = download(origin.url(), { output: folder.file("f") });
  await rejectsWith(EXIT.write, pending, "Permission denied");
  assert(isSame(folder.bytes("f"), OTHER) && isSame(folder.bytes("f.part"), BODY));
});

Deno.test("download whose disk fails while it waits for more says so, and nothing else", async () => {
  await using folder = new Folder();
  const failed = Promise.withResolvers<void>();
  await using origin = new Origin(() => {
    const [head, body] = response("200 OK", noise(600_000));
    return [head, body.subarray(0, 300_000), failed.promise, body.subarray(300_000)];
  });
  using _ = writing(() => {
    setTimeout(failed.resolve); // by then nobody has taken the failure, if nobody will
    return Promise.reject(diskFull());
  });
  const pending = download(origin.url(), { output: folder.file("f"), retry: 0 });
  await rejectsWith(EXIT.write, pending, "No space left on device");
});

Deno.test("download is not hindered by an empty part, nor by the fresh record of a killed run", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, RESOURCE));
  const output = folder.file("f");
  folder.write("f.part", "");
  await download(origin.url(), { output });
  assertEquals(folder.names, ["f"]);
  folder.write("f.part", BODY.subarray(0, 400));
  folder.write("f.part.json.new", "{");
  writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: 1000 });
  await download(origin.url(), { output, resume: true });
  assertEquals([folder.names, origin.ranges()], [["f"], [undefined, "bytes=400-"]]);
});

Deno.test("download reads on though a pipe took its bytes slowly", async () => {
  const written = Promise.withResolvers<void>();
  await using origin = new Origin(() => {
    const [head, body] = response("200 OK", BODY);
    return [head, body.subarray(0, 400), written.promise, body.subarray(400)];
  });
  let turn = 0;
  using _ = writing(async (write, p) => {
    // longer than bytes may wait for more
    if (turn++ === 0) await pause(1100);
    written.resolve();
    return await write(p);
  });
  assertEquals((await download(origin.url(), { output: "/dev/null", retry: 0 })).bytes, 1000);
});
