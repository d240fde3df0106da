/**
 * FILE and FILE.part: what is written when, and what a failure leaves.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { download, type Progress } from "../../fetch.ts";
import { EXIT, TrioError } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isSame, noise } from "../support/bytes.ts";
import { runFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { cutAt, HOLD, MODIFIED, Origin, serveResource } from "../support/origin.ts";
import { BODY, CAME, coming, WAYS } from "../support/output.ts";
import { pause } from "../support/process.ts";
import { response } from "../support/replies.ts";

for (const { how, written, permissions, assertLeft } of WAYS) {
  Deno.test(`fetch.ts ${how} replaces FILE and leaves nothing else`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    folder.write("f", noise(BODY.length + 1000, 2));
    const { code, stderr } = await runFetch(folder, ["-o", "f", origin.url()], { permissions });
    assertEquals(code, EXIT.ok, stderr);
    assertMatch(stderr, /^saved f \(3,000,000 bytes in \d+\.\d\d s\)\n$/);
    assert(isSame(folder.bytes("f"), BODY));
    assertEquals(folder.names, ["f"]);
  });

  Deno.test(`fetch.ts ${how} and a wrong checksum ends with 90`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    folder.write("f", "old");
    const sha256 = "0".repeat(64);
    const args = ["--sha256", sha256, "-o", "f", origin.url()];
    const { code, stderr } = await runFetch(folder, args, { permissions });
    assertEquals(code, EXIT.checksum);
    assertMatch(stderr, new RegExp(`^fetch: the SHA-256 is [0-9a-f]{64}, not ${sha256}.*\n$`));
    assert(!stderr.includes("-C goes on"), "-C would only find the same bytes again");
    assertLeft(folder);
    assert(isSame(folder.bytes(written), BODY));
  });

  Deno.test(`fetch.ts ${how} makes nothing of an error or a 304 that nobody asked for`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(({ target }) =>
      response(`${target.slice(1)} Whatever`, target === "/304" ? "" : "not the file")
    );
    folder.write("f", "old");
    for (const [status, code] of [[304, EXIT.reply], [404, EXIT.status], [500, EXIT.status]]) {
      const args = ["--retry=0", "-o", "f", origin.url(`/${status}`)];
      const done = await runFetch(folder, args, { permissions });
      assertEquals([done.code, folder.names, folder.text("f")], [code!, ["f"], "old"], done.stderr);
    }
  });

  Deno.test(`fetch.ts --no-clobber ${how} never replaces a file`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    folder.write("f", "old");
    Deno.symlinkSync("nothing", folder.file("link"));
    for (const name of ["f", "link"]) {
      const args = ["--no-clobber", "-o", name, origin.url()];
      const { code, stderr } = await runFetch(folder, args, { permissions });
      assertEquals(code, EXIT.write, stderr);
    }
    assertEquals([folder.names, folder.text("f")], [["f", "link"], "old"]);
  });
}

Deno.test("download keeps all that came when it is aborted", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => [
    ...serveResource(asked, { body: BODY, lastModified: MODIFIED, cut: 100_000 }),
    HOLD,
  ]);
  const { progress, came } = coming(100_000);
  const controller = new AbortController();
  const pending = download(origin.url(), {
    output: folder.file("f"),
    signal: controller.signal,
    progress,
  });
  await Promise.race([came, pending]);
  controller.abort(new TrioError(EXIT.interrupted, "stopped"));
  const error = await rejectsWith(EXIT.interrupted, pending);
  const part = folder.file("f.part");
  assertEquals(error.message, `stopped (${part} has 100000 of 3000000 bytes)`);
  assertEquals(progress.continuable, true);
  assertEquals(folder.names, ["f.part", "f.part.json"]);
  assert(isSame(folder.bytes("f.part"), BODY.subarray(0, 100_000)));
  const { lastModified, total } = JSON.parse(folder.text("f.part.json"));
  assertEquals([lastModified, total], [MODIFIED, 3_000_000]);
});

Deno.test("download keeps all that came when it takes too long", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => [
    ...serveResource(asked, { body: BODY, cut: 100_000 }),
    HOLD,
  ]);
  const options = { output: folder.file("f"), retry: 0, stallTimeout: 0.2 };
  const { topic } = await rejectsWith(EXIT.timeout, download(origin.url(), options));
  assertEquals(topic, "stall", "the advice is of what failed");
  assert(isSame(folder.bytes("f.part"), BODY.subarray(0, 100_000)));
});

Deno.test("download leaves FILE as it was until the body is complete", async () => {
  await using folder = new Folder();
  const looked = Promise.withResolvers<void>();
  await using origin = new Origin((asked) => [
    ...serveResource(asked, { body: BODY, cut: CAME }),
    looked.promise,
    BODY.subarray(CAME),
  ]);
  folder.write("f", "old");
  const pending = download(origin.url(), { output: folder.file("f") });
  await folder.grown("f.part", CAME / 2);
  assertEquals(folder.text("f"), "old");
  looked.resolve();
  await pending;
  assert(isSame(folder.bytes("f"), BODY));
  assertEquals(folder.names, ["f"]);
});

Deno.test("download has what came on the disk within moments, however slowly it comes", async () => {
  await using folder = new Folder();
  const written = Promise.withResolvers<void>();
  await using origin = new Origin(() => {
    const [head, body] = response("200 OK", noise(3000));
    const later = pause(1100);
    const parts = [body.subarray(0, 1000), body.subarray(1000, 2000), body.subarray(2000)];
    return [head, parts[0]!, later, parts[1]!, written.promise, parts[2]!];
  });
  const ended: string[] = [];
  const options = { output: folder.file("f"), stallTimeout: 9, retry: 0 };
  const downloading = download(origin.url(), options).finally(() => ended.push("ended"));
  await folder.grown("f.part", 2000);
  assertEquals(ended, []); // what failed would have been written, too
  written.resolve();
  await downloading;
});

Deno.test("download gives what replaces FILE its permissions", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  const file = folder.write("f", "old");
  for (const mode of [0o600, 0o750, 0o444, 0o666, 0o2755]) {
    Deno.chmodSync(file, mode);
    const before = Deno.statSync(file).mode;
    await download(origin.url(), { output: file });
    assertEquals(Deno.statSync(file).mode, before);
  }
});

Deno.test("download touches no FILE.part of an earlier run unless it is to resume", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  folder.write("f.part", "from an earlier run");
  const error = await rejectsWith(
    EXIT.write,
    download(origin.url(), { output: folder.file("f") }),
  );
  assertStringIncludes(error.message, "it is left from an earlier run");
  assertEquals([error.topic, origin.requests.length], ["leftover", 0]);
  assertEquals([folder.names, folder.text("f.part")], [["f.part"], "from an earlier run"]);
});

Deno.test("download follows no link in the place of FILE.part", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  folder.write("precious", "old");
  Deno.symlinkSync("precious", folder.file("f.part"));
  for (const resume of [false, true]) {
    const options = { output: folder.file("f"), resume };
    const pending = download(origin.url(), options);
    await rejectsWith(EXIT.write, pending, "f.part: it is no regular file");
    assertEquals(folder.text("precious"), "old");
    assertEquals(folder.names, ["f.part", "precious"]);
  }
});

Deno.test("download reads and replaces no record that is no file, and leaves nothing", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  Deno.mkdirSync(folder.file("f.part.json"));
  const options = { output: folder.file("f"), resume: true };
  await rejectsWith(EXIT.write, download(origin.url(), options), "f.part.json");
  assertEquals(folder.names, ["f.part.json"]);
  folder.write("f.part", "of an earlier run");
  const pending = download(origin.url(), options);
  await rejectsWith(EXIT.write, pending, "f.part.json: it is no regular file");
  assertEquals(folder.names, ["f.part", "f.part.json"]);
});

Deno.test("download removes FILE.part only if it made it and nothing came", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY, cut: 0 }));
  const options = { output: folder.file("f"), retry: 0 };
  await rejectsWith(EXIT.partial, download(origin.url(), options));
  assertEquals(folder.names, []);
  folder.write("f.part", "");
  await rejectsWith(EXIT.partial, download(origin.url(), { ...options, resume: true }));
  assertEquals(folder.names, ["f.part", "f.part.json"]);
});

Deno.test("download with --no-clobber spares a file that came meanwhile", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => {
    folder.write("f", "of another program");
    return serveResource(asked, { body: BODY });
  });
  const options = { output: folder.file("f"), clobber: false };
  await rejectsWith(EXIT.write, download(origin.url(), options));
  assertEquals(folder.text("f"), "of another program");
  assert(isSame(folder.bytes("f.part"), BODY));
});

Deno.test("download saves an empty body as an empty file", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("204 No Content").slice(0, 1));
  folder.write("f", "old");
  const { bytes } = await download(origin.url(), { output: folder.file("f") });
  assertEquals([bytes, folder.names, folder.text("f")], [0, ["f"], ""]);
});

Deno.test("download with maxFilesize writes no byte more, announced or not", async () => {
  await using folder = new Folder();
  await using origin = new Origin(({ target }) =>
    target === "/announced"
      ? response("200 OK", BODY)
      : cutAt(CAME, ['HTTP/1.0 200 OK\r\nETag: "1"\r\n\r\n', BODY])
  );
  const options = { output: folder.file("f"), maxFilesize: 1_234_567 };
  await rejectsWith(EXIT.size, download(origin.url("/announced"), options));
  assertEquals(folder.names, []);
  const progress: Progress = { bytes: 0, resumed: 0 };
  await rejectsWith(EXIT.size, download(origin.url("/endless"), { ...options, progress }));
  assertEquals(progress.bytes, 1_234_567);
  assertEquals(progress.continuable, false, "it would be too large again");
  assert(isSame(folder.bytes("f.part"), BODY.subarray(0, 1_234_567)));
  const exact = { ...options, maxFilesize: CAME, resume: true };
  assertEquals((await download(origin.url("/endless"), exact)).bytes, CAME);
  assertEquals(folder.names, ["f"]);
});
