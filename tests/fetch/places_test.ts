/**
 * Where the output goes: folders, links, pipes, devices, and full disks.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { download } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isPrefix, isSame, joined } from "../support/bytes.ts";
import { MODES, runFetch, startFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { MODIFIED, Origin, serveResource } from "../support/origin.ts";
import { BODY, WAYS } from "../support/output.ts";
import { denoArgs, run, runScript } from "../support/process.ts";

for (const { how, partial, written, permissions, says } of WAYS) {
  Deno.test(`fetch.ts ${how} cannot write to a folder`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    for (const name of ["f", "g"]) Deno.mkdirSync(folder.file(name));
    const args = ["f", "g/"].flatMap((name) => ["-o", name, origin.url()]);
    const { code, stderr } = await runFetch(folder, args, { permissions });
    assertEquals(code, EXIT.write, stderr);
    const [first, second, end] = stderr.split("\n");
    assertMatch(first!, /^fetch: cannot write f: .*(folder|directory)/i);
    assertMatch(second!, /^fetch: cannot write g\/: .*(folder|directory)/i);
    assertEquals(end, "");
    if (partial) {
      const pending = download(origin.url(), { output: folder.file("f"), resume: true });
      assertMatch((await rejectsWith(EXIT.write, pending)).message, /folder|directory/i);
    }
    assertEquals(folder.names, ["f", "g"]);
    for (const name of folder.names) assertEquals([...Deno.readDirSync(folder.file(name))], []);
  });

  Deno.test(`fetch.ts ${how} cannot write below what is no folder`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    folder.write("f", "old");
    const long = "n".repeat(300);
    const names = ["missing/f", "f/below", long], words = names.flatMap((name) => ["-o", name]);
    const urls = names.map(() => origin.url());
    const { code, stderr } = await runFetch(folder, [...words, ...urls], { permissions });
    assertEquals(code, EXIT.write, stderr);
    const errors = stderr.trimEnd().split("\n");
    assertEquals(errors.length, names.length);
    for (const [at, name] of names.entries()) {
      assertStringIncludes(errors[at]!, `fetch: cannot write ${name}`);
      if (!partial) continue;
      const pending = download(origin.url(), { output: folder.file(name), resume: true });
      await rejectsWith(EXIT.write, pending, `cannot write ${folder.file(name)}`);
    }
    if (partial) assertEquals(origin.requests.length, 0, "the server was asked");
    assertEquals([folder.names, folder.text("f")], [["f"], "old"]);
  });

  Deno.test(`fetch.ts ${how} goes through a link, to nothing if it may look, in no circle`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    folder.write("target", "old");
    const links = { file: "target", nothing: "made", circle: "circle" };
    for (const [name, target] of Object.entries(links)) {
      Deno.symlinkSync(target, folder.file(name));
    }
    const args = Object.keys(links).flatMap((name) => ["-o", name, origin.url()]);
    const { code, stderr } = await runFetch(folder, args, { permissions });
    assertEquals(code, EXIT.write, stderr);
    // Deno follows no link to nothing where it may only write
    const refused = [...stderr.matchAll(/^fetch: cannot write (\w+)/gm)].map(([, name]) => name);
    assertEquals(refused, partial ? ["circle"] : ["nothing", "circle"], stderr);
    const made = partial ? ["made"] : [];
    for (const name of ["target", ...made]) assert(isSame(folder.bytes(name), BODY), name);
    assertEquals(folder.names, [...Object.keys(links), ...made, "target"].sort());
    for (const [name, target] of Object.entries(links)) {
      assertEquals(Deno.readLinkSync(folder.file(name)), target);
    }
  });

  Deno.test(`fetch.ts ${how} feeds a named pipe`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    await run("mkfifo", [folder.file("f")]);
    const reading = Deno.readFile(folder.file("f"));
    const { code, stderr } = await runFetch(folder, ["-o", "f", origin.url()], { permissions });
    assert(isSame(await reading, BODY));
    assertEquals(code, EXIT.ok, stderr);
    assertEquals([folder.names, Deno.statSync(folder.file("f")).isFifo], [["f"], true]);
  });

  Deno.test(`fetch.ts ${how} writes to /dev/stdout and /dev/null`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    const stdout = await runFetch(folder, ["-o", "/dev/stdout", origin.url()], { permissions });
    assertEquals(stdout.code, EXIT.ok, stdout.stderr);
    assert(isSame(stdout.bytes, BODY));
    assertMatch(stdout.stderr, /^HTTP\/1\.1 200 OK\n[^]*\nsaved to stdout \(3,000,000 bytes/);
    const all = ["--allow-net", "--allow-write", ...partial ? ["--allow-read"] : []];
    const nowhere = await runFetch(folder, ["-o", "/dev/null", origin.url()], { permissions: all });
    assertEquals(nowhere.code, EXIT.ok, nowhere.stderr);
    assert(Deno.statSync("/dev/null").isCharDevice);
    assertEquals(folder.names, []);
  });

  Deno.test(`fetch.ts ${how} cannot write to a file size limit's end (ulimit -f)`, async () => {
    await using folder = new Folder();
    const body = new Uint8Array(70_000_000); // more than the limit, and that more than Deno's caches
    await using origin = new Origin((asked) => serveResource(asked, { body }));
    folder.write("f", "old");
    const args = denoArgs("fetch.ts", ["-o", "f", origin.url()], permissions);
    for (const signal of partial ? ["", 'trap "" XFSZ;'] : [""]) {
      const limited = `${signal} ulimit -f 131072; exec "$@"`; // in units of 512 bytes
      const { code, stderr } = await run("sh", ["-c", limited, "sh", Deno.execPath(), ...args], {
        cwd: folder.path,
      });
      assertEquals(code, EXIT.write, `${signal} ${stderr}`);
      assertMatch(stderr, says(`cannot write ${written}: File too large`, 67108864, ""));
      if (partial) assertEquals(folder.text("f"), "old");
      assertEquals(Deno.statSync(folder.file(written)).size, 67108864);
      for (const name of folder.names) {
        if (name !== "f" || !partial) Deno.removeSync(folder.file(name));
      }
    }
  });
}

const SMALL_DISK = mountable();

/** Whether a small disk can be mounted here: that needs root. */
function mountable(): boolean {
  const folder = Deno.makeTempDirSync();
  try {
    return mount(folder) && umount(folder);
  } catch {
    return false; // there is no such program
  } finally {
    Deno.removeSync(folder);
  }
}

function mount(folder: string): boolean {
  const args = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder];
  return new Deno.Command("mount", { args, stderr: "null" }).outputSync().success;
}

function umount(folder: string): boolean {
  return new Deno.Command("umount", { args: [folder] }).outputSync().success;
}

for (const [mode, granted] of Object.entries(MODES)) {
  Deno.test({
    name: `fetch.ts fills a small disk with ${mode} and loses nothing (needs root, to mount it)`,
    ignore: !SMALL_DISK,
    async fn() {
      await using folder = new Folder();
      await using stack = new AsyncDisposableStack();
      await using origin = new Origin((asked) =>
        serveResource(asked, { body: BODY, lastModified: MODIFIED })
      );
      Deno.mkdirSync(folder.file("disk"));
      mount(folder.file("disk"));
      stack.defer(() => assert(umount(folder.file("disk"))));
      const partial = mode === "FILE.part";
      if (partial) folder.write("disk/f", "old");
      const permissions = [...granted];
      const args = ["-o", "disk/f", origin.url()];
      const { code, stderr } = await runFetch(folder, args, { permissions });
      const name = partial ? "disk/f.part" : "disk/f";
      const { size } = Deno.statSync(folder.file(name));
      assertEquals(code, EXIT.write);
      assertStringIncludes(stderr, `No space left on device`);
      const advice = partial ? "; -C goes on" : "";
      assertStringIncludes(stderr, ` has ${size} of 3000000 bytes)${advice}\n`);
      assert(size > 1_000_000 && isPrefix(folder.bytes(name), BODY));
      if (partial) assertEquals(folder.text("disk/f"), "old");

      // with more room it goes on
      if (!partial) return;
      await run("mount", ["-o", "remount,size=10m", folder.file("disk")]);
      const second = await runFetch(folder, ["-C", ...args], { permissions });
      assertEquals(second.code, EXIT.ok, second.stderr);
      assert(isSame(folder.bytes("disk/f"), BODY));
      assertEquals(origin.ranges(), [undefined, `bytes=${size}-`]);
    },
  });
}

Deno.test("fetch.ts with all access makes the file that a link to nothing names", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  Deno.symlinkSync("target", folder.file("f"));
  const permissions = ["--allow-all"];
  const { code, stderr } = await runFetch(folder, ["-o", "f", origin.url()], { permissions });
  assertEquals(code, EXIT.ok, stderr);
  assertEquals([folder.names, Deno.readLinkSync(folder.file("f"))], [["f", "target"], "target"]);
  assert(isSame(folder.bytes("target"), BODY));
});

Deno.test("fetch.ts writes to an open pipe, as bash names it for >(cat)", async () => {
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  const [deno, ...args] = [Deno.execPath(), ...denoArgs("fetch.ts", [origin.url()], ["-A"])];
  const words = [deno, ...args].map((word) => `'${word}'`).join(" ");
  const { bytes } = await run("bash", ["-c", `${words} -q -o >(cat) | cat`]);
  assert(isSame(bytes, BODY));
});

Deno.test("fetch.ts says that a device is full", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  const { code, stderr } = await runScript("fetch.ts", ["-o", "/dev/full", origin.url()]);
  assertEquals(code, EXIT.write);
  assertMatch(stderr, /^fetch: cannot write \/dev\/full: No space left on device\b/);
  assertEquals(folder.names, []);
});

Deno.test("fetch.ts cannot write where nobody may", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  Deno.chmodSync(folder.path, 0o555);
  // root may write there, but not even root makes files in /sys
  const path = Deno.uid() === 0 ? "/sys/f" : folder.file("f");
  const { code, stderr } = await runScript("fetch.ts", ["-o", path, origin.url()]);
  Deno.chmodSync(folder.path, 0o755);
  assertEquals(code, EXIT.write, stderr);
  assertStringIncludes(stderr, `fetch: cannot write ${path}`);
  assertEquals(folder.names, []);
});

Deno.test("fetch.ts -o - ends with 23 when nobody reads on", async () => {
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  const command = [Deno.execPath(), ...denoArgs("fetch.ts", ["-o", "-", origin.url()])];
  const script = '{ "$@"; echo "exit $?" >&2; } | head -c 1';
  const { stderr, bytes } = await run("sh", ["-c", script, "sh", ...command]);
  assertEquals(bytes.length, 1);
  assertMatch(stderr, /\nfetch: cannot write .*: Broken pipe\b.*\nexit 23\n$/);
});

Deno.test("fetch.ts -o - shows each part of a slow body as it comes", async () => {
  await using folder = new Folder();
  const seen = Promise.withResolvers<void>();
  await using origin = new Origin(
    () => ["HTTP/1.0 200 OK\r\n\r\n", "first", seen.promise, "second"],
  );
  const args = ["--stall-timeout=5", "--retry=0", "-o", "-", origin.url()];
  await using child = startFetch(folder, ["--allow-net"], args);
  await child.heard("stdout", /^first$/);
  seen.resolve();
  await child.heard("stdout", /^firstsecond$/);
});

Deno.test("fetch.ts writes to any name of its stdout as to -", async () => {
  await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
  await using folder = new Folder();
  const names = ["/dev/fd/1", "/proc/self/fd/1"].flatMap((name) => ["-o", name, origin.url()]);
  const args = ["--output-dir=d", ...names];
  const { bytes, stderr } = await runScript("fetch.ts", args, { cwd: folder.path });
  assert(isSame(bytes, joined(BODY, BODY)), `there is more than the two bodies: ${stderr}`);
  assertEquals(folder.names, []);
});
