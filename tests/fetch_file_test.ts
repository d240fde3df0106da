/**
 * What a download leaves behind, however it ends, in both ways of writing: with read access to
 * FILE.part, which then replaces FILE, and with write access only straight to FILE.
 */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { download, type Progress } from "../fetch.ts";
import { EXIT, TrioError } from "../mod.ts";
import {
  cutAt,
  failure,
  fetch,
  Folder,
  HOLD,
  isPrefix,
  isSame,
  MODES,
  noise,
  Origin,
  response,
  serve,
} from "./fetch_tools.ts";
import { denoArgs, run, Running, runScript } from "./testing.ts";

const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";
/** Some megabytes, more than all buffers of the script. */
const BODY = noise(3_000_000);
/** How much of it comes before the server falls silent or away. */
const CAME = 2_500_000;

/** A server whose first answer stops after `CAME` bytes, and then says nothing more. */
function stalling(): Origin {
  return new Origin((asked, count) => {
    const resource = { body: BODY, lastModified: MODIFIED };
    if (count > 1) return serve(asked, resource);
    return [...serve(asked, { ...resource, cut: CAME }), HOLD];
  });
}

/** Starts fetch.ts with this output, which is in the working folder. */
function start(folder: Folder, permissions: readonly string[], args: string[]): Running {
  const command = denoArgs("fetch.ts", args, [...permissions]);
  return new Running(Deno.execPath(), command, { cwd: folder.path });
}

/** Waits until so many bytes have come. */
function coming(bytes: number): { progress: Progress; came: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let now = 0;
  const progress: Progress = {
    resumed: 0,
    get bytes() {
      return now;
    },
    set bytes(value) {
      now = value;
      if (value >= bytes) resolve();
    },
  };
  return { progress, came: promise };
}

for (const [mode, granted] of Object.entries(MODES)) {
  const permissions = [...granted];
  const partial = mode === "FILE.part";
  const written = partial ? "f.part" : "f";
  const how = partial ? "with read access" : "with write access only";

  /** The one line that says what failed and how much came. */
  const says = (what: string, bytes: number, total = BODY.length) =>
    new RegExp(
      `^fetch: ${what} \\((.*/)?${written} has ${bytes} of ${total} bytes, -C goes on\\)\n$`,
    );

  /** Fails unless there is what a failure may leave: FILE as it was, and what came. */
  const assertLeft = (folder: Folder) => {
    assertEquals(folder.names, partial ? ["f", "f.part"] : ["f"]);
    if (partial) assertEquals(folder.text("f"), "old");
    assert(isPrefix(folder.bytes(written), BODY), "these are not the bytes that came");
  };

  Deno.test(`fetch.ts ${how} replaces FILE and leaves nothing else`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    folder.write("f", noise(BODY.length + 1000, 2));
    const { code, stderr } = await fetch(folder, ["-o", "f", origin.url()], { permissions });
    assertEquals(code, EXIT.ok, stderr);
    assertMatch(stderr, /^saved f \(3,000,000 bytes in \d+\.\d\d s\)\n$/);
    assert(isSame(folder.bytes("f"), BODY));
    assertEquals(folder.names, ["f"]);
  });

  Deno.test(`fetch.ts ${how} killed by -9 leaves what came, and -C goes on`, async () => {
    await using folder = new Folder();
    await using origin = stalling();
    folder.write("f", "old");
    {
      await using killed = start(folder, permissions, ["-o", "f", origin.url()]);
      await folder.grown(written, CAME / 2);
      await killed.stop("SIGKILL");
    }
    assertLeft(folder);
    const { size } = Deno.statSync(folder.file(written));
    const args = ["-C", "-o", "f", origin.url()];
    const { code, stdout, stderr } = await fetch(folder, args, { permissions });
    assertEquals(code, EXIT.ok, stderr);
    assertMatch(stdout, /^HTTP\/1\.1 206 /);
    assert(isSame(folder.bytes("f"), BODY));
    assertEquals(folder.names, ["f"]);
    assertEquals(origin.ranges(), [undefined, `bytes=${size}-`]);
  });

  Deno.test(`fetch.ts ${how} interrupted says how much came, and -C goes on`, async () => {
    await using folder = new Folder();
    await using origin = stalling();
    folder.write("f", "old");
    await using child = start(folder, permissions, ["-o", "f", origin.url()]);
    await folder.grown(written, CAME / 2);
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
    assertLeft(folder);
    const { size, mtime } = Deno.statSync(folder.file(written));
    assertMatch(child.stderr, says("interrupted", size));
    if (partial) assertEquals(mtime, new Date(MODIFIED));
    const { code, stderr } = await fetch(folder, ["-C", "-o", "f", origin.url()], { permissions });
    assertEquals(code, EXIT.ok, stderr);
    assert(isSame(folder.bytes("f"), BODY));
    assertEquals(origin.ranges(), [undefined, `bytes=${size}-`]);
  });

  Deno.test(`fetch.ts ${how} interrupted before the head leaves FILE as it was`, async () => {
    await using folder = new Folder();
    const asked = Promise.withResolvers<void>();
    await using origin = new Origin(() => {
      asked.resolve();
      return [HOLD];
    });
    folder.write("f", "old");
    await using child = start(folder, permissions, ["-o", "f", origin.url()]);
    await asked.promise;
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
    assertEquals(child.stderr, "fetch: interrupted\n");
    assertEquals([folder.names, folder.text("f")], [["f"], "old"]);
  });

  Deno.test(`fetch.ts ${how} interrupted between two tries ends at once`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(() => response("503 Busy", "", ["Retry-After: 1000"]));
    folder.write("f", "old");
    await using child = start(folder, permissions, ["-o", "f", origin.url()]);
    await child.heard("stderr", /in 1000 s\n/);
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
    assertEquals([folder.names, folder.text("f")], [["f"], "old"]);
  });

  Deno.test(`fetch.ts ${how} keeps what came when the connection ends early`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY, cut: CAME }));
    folder.write("f", "old");
    const args = ["--retry=0", "-o", "f", origin.url()];
    const { code, stderr } = await fetch(folder, args, { permissions });
    assertEquals(code, EXIT.partial);
    const what = "the body was cut short: received 2500000 bytes, expected 3000000";
    assertMatch(stderr, says(what, CAME));
    assertLeft(folder);
    assertEquals(folder.bytes(written).length, CAME);
  });

  Deno.test(`fetch.ts ${how} keeps what came when the connection is reset`, async () => {
    await using folder = new Folder();
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", async () => {
        const [head, body] = response("200 OK", BODY);
        socket.write(head);
        socket.write(body.subarray(0, 1000));
        await folder.grown(written, 0); // the head has come
        socket.resetAndDestroy();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const args = ["--retry=0", "-o", "f", `http://127.0.0.1:${port}/`];
    const { code, stderr } = await fetch(folder, args, { permissions });
    server.close();
    assertEquals(code, EXIT.broken, stderr);
    assertMatch(stderr, /^fetch: the connection broke: Connection reset by peer\b/);
    if (folder.names.length > 0) assert(isPrefix(folder.bytes(written), BODY));
  });

  Deno.test(`fetch.ts ${how} and a wrong checksum ends with 90`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    folder.write("f", "old");
    const sha256 = "0".repeat(64);
    const args = ["--sha256", sha256, "-o", "f", origin.url()];
    const { code, stderr } = await fetch(folder, args, { permissions });
    assertEquals(code, EXIT.checksum);
    assertMatch(stderr, new RegExp(`^fetch: the SHA-256 is [0-9a-f]{64}, not ${sha256}.*\n$`));
    assert(!stderr.includes("-C goes on"), "-C would only find the same bytes again");
    assertLeft(folder);
    assert(isSame(folder.bytes(written), BODY));
  });

  Deno.test(`fetch.ts ${how} makes nothing of an error or a 304`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(({ target }) =>
      response(`${target.slice(1)} Whatever`, target === "/304" ? "" : "not the file")
    );
    folder.write("f", "old");
    for (const [status, code] of [[304, EXIT.ok], [404, EXIT.status], [500, EXIT.status]]) {
      const args = ["--retry=0", "-o", "f", origin.url(`/${status}`)];
      const done = await fetch(folder, args, { permissions });
      assertEquals([done.code, folder.names, folder.text("f")], [code!, ["f"], "old"], done.stderr);
    }
  });

  Deno.test(`fetch.ts ${how} cannot write to a folder`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    Deno.mkdirSync(folder.file("f"));
    for (const args of [["-o", "f"], ["-C", "-o", "f"], ["-o", "f/"]]) {
      const { code, stderr } = await fetch(folder, [...args, origin.url()], { permissions });
      assertEquals(code, EXIT.write, stderr);
      assertMatch(stderr, /^fetch: cannot write f\/?: .*folder|directory/i);
    }
    assertEquals([folder.names, [...Deno.readDirSync(folder.file("f"))]], [["f"], []]);
  });

  Deno.test(`fetch.ts ${how} cannot write below what is no folder`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    folder.write("f", "old");
    const long = "n".repeat(300);
    for (const name of ["missing/f", "f/below", long]) {
      for (const options of [[], ["-C"]]) {
        const args = [...options, "-o", name, origin.url()];
        const { code, stderr } = await fetch(folder, args, { permissions });
        assertEquals(code, EXIT.write, stderr);
        assertStringIncludes(stderr, `fetch: cannot write ${name}`);
        assertEquals(stderr.trimEnd().split("\n").length, 1);
      }
    }
    assertEquals([folder.names, folder.text("f")], [["f"], "old"]);
  });

  Deno.test(`fetch.ts ${how} goes through a link to a file`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    folder.write("target", "old");
    Deno.symlinkSync("target", folder.file("f"));
    const { code, stderr } = await fetch(folder, ["-o", "f", origin.url()], { permissions });
    assertEquals(code, EXIT.ok, stderr);
    assertEquals(Deno.readLinkSync(folder.file("f")), "target");
    assert(isSame(folder.bytes("target"), BODY));
    assertEquals(folder.names, ["f", "target"]);
  });

  Deno.test(`fetch.ts ${how} leaves a link to nothing alone, for Deno follows none`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    Deno.symlinkSync("target", folder.file("f"));
    const { code, stderr } = await fetch(folder, ["-o", "f", origin.url()], { permissions });
    assertEquals(code, EXIT.write, stderr);
    assertEquals([folder.names, Deno.readLinkSync(folder.file("f"))], [["f"], "target"]);
  });

  Deno.test(`fetch.ts ${how} cannot write to a link that leads to itself`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    Deno.symlinkSync("f", folder.file("f"));
    const { code, stderr } = await fetch(folder, ["-o", "f", origin.url()], { permissions });
    assertEquals(code, EXIT.write, stderr);
    assertStringIncludes(stderr, "fetch: cannot write f");
    assertEquals(folder.names, ["f"]);
  });

  Deno.test(`fetch.ts ${how} feeds a named pipe`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    await run("mkfifo", [folder.file("f")]);
    const reading = Deno.readFile(folder.file("f"));
    const { code, stderr } = await fetch(folder, ["-o", "f", origin.url()], { permissions });
    assert(isSame(await reading, BODY));
    assertEquals(code, EXIT.ok, stderr);
    assertEquals([folder.names, Deno.statSync(folder.file("f")).isFifo], [["f"], true]);
  });

  Deno.test(`fetch.ts ${how} waiting for a pipe's reader can be interrupted`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    await run("mkfifo", [folder.file("f")]);
    await using child = start(folder, permissions, ["-o", "f", origin.url()]);
    await child.heard("stdout", /Content-Length: 3000000\n/);
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
  });

  Deno.test(`fetch.ts ${how} writes to /dev/stdout and /dev/null`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    const stdout = await fetch(folder, ["-o", "/dev/stdout", origin.url()], { permissions });
    assertEquals(stdout.code, EXIT.ok, stdout.stderr);
    assert(isSame(stdout.bytes, BODY));
    assertMatch(stdout.stderr, /^HTTP\/1\.1 200 OK\n[^]*\nsaved to stdout \(3,000,000 bytes/);
    const all = partial
      ? ["--allow-net", "--allow-read", "--allow-write"]
      : ["--allow-net", "--allow-write"];
    const nowhere = await fetch(folder, ["-o", "/dev/null", origin.url()], { permissions: all });
    assertEquals(nowhere.code, EXIT.ok, nowhere.stderr);
    assert(Deno.statSync("/dev/null").isCharDevice);
    assertEquals(folder.names, []);
  });

  Deno.test(`fetch.ts --no-clobber ${how} never replaces a file`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serve(asked, { body: BODY }));
    folder.write("f", "old");
    Deno.symlinkSync("nothing", folder.file("link"));
    for (const name of ["f", "link"]) {
      const args = ["--no-clobber", "-o", name, origin.url()];
      const { code, stderr } = await fetch(folder, args, { permissions });
      assertEquals(code, EXIT.write, stderr);
    }
    assertEquals([folder.names, folder.text("f")], [["f", "link"], "old"]);
  });

  Deno.test(`fetch.ts ${how} cannot write to a file size limit's end (ulimit -f)`, async () => {
    await using folder = new Folder();
    const body = new Uint8Array(70_000_000); // more than the limit, and that more than Deno's caches
    await using origin = new Origin((asked) => serve(asked, { body }));
    folder.write("f", "old");
    const args = denoArgs("fetch.ts", ["-o", "f", origin.url()], permissions);
    for (const signal of ["", 'trap "" XFSZ;']) {
      const limited = `${signal} ulimit -f 131072; exec "$@"`; // in units of 512 bytes
      const { code, stderr } = await run("sh", ["-c", limited, "sh", Deno.execPath(), ...args], {
        cwd: folder.path,
      });
      assertEquals(code, EXIT.write, `${signal} ${stderr}`);
      assertMatch(stderr, says(`cannot write .*${written}: File too large`, 67108864, 70_000_000));
      if (partial) assertEquals(folder.text("f"), "old");
      assertEquals(Deno.statSync(folder.file(written)).size, 67108864);
      Deno.removeSync(folder.file(written));
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
        serve(asked, { body: BODY, lastModified: MODIFIED })
      );
      Deno.mkdirSync(folder.file("disk"));
      mount(folder.file("disk"));
      stack.defer(() => assert(umount(folder.file("disk"))));
      const partial = mode === "FILE.part";
      if (partial) folder.write("disk/f", "old");
      const permissions = [...granted];
      const args = ["-o", "disk/f", origin.url()];
      const { code, stderr } = await fetch(folder, args, { permissions });
      const name = partial ? "disk/f.part" : "disk/f";
      const { size } = Deno.statSync(folder.file(name));
      assertEquals(code, EXIT.write);
      assertStringIncludes(stderr, `No space left on device`);
      assertStringIncludes(stderr, ` has ${size} of 3000000 bytes, -C goes on)`);
      assert(size > 1_000_000 && isPrefix(folder.bytes(name), BODY));
      if (partial) assertEquals(folder.text("disk/f"), "old");

      // with more room it goes on
      await run("mount", ["-o", "remount,size=10m", folder.file("disk")]);
      const second = await fetch(folder, ["-C", ...args], { permissions });
      assertEquals(second.code, EXIT.ok, second.stderr);
      assert(isSame(folder.bytes("disk/f"), BODY));
      assertEquals(origin.ranges(), [undefined, `bytes=${size}-`]);
    },
  });
}

Deno.test("fetch.ts with all access makes the file that a link to nothing names", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
  Deno.symlinkSync("target", folder.file("f"));
  const permissions = ["--allow-all"];
  const { code, stderr } = await fetch(folder, ["-o", "f", origin.url()], { permissions });
  assertEquals(code, EXIT.ok, stderr);
  assertEquals([folder.names, Deno.readLinkSync(folder.file("f"))], [["f", "target"], "target"]);
  assert(isSame(folder.bytes("target"), BODY));
});

Deno.test("fetch.ts says that a device is full", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
  const { code, stderr } = await runScript("fetch.ts", ["-o", "/dev/full", origin.url()]);
  assertEquals(code, EXIT.write);
  assertMatch(stderr, /^fetch: cannot write \/dev\/full: No space left on device\b/);
  assertEquals(folder.names, []);
});

Deno.test("fetch.ts cannot write where nobody may", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
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
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
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
  await using child = start(folder, ["--allow-net"], args);
  await child.heard("stdout", /^first$/);
  seen.resolve();
  await child.heard("stdout", /^firstsecond$/);
});

Deno.test("fetch.ts writes to any name of its stdout as to -", async () => {
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
  for (const name of ["/dev/fd/1", "/proc/self/fd/1"]) {
    const { bytes, stderr } = await runScript("fetch.ts", ["-o", name, origin.url()]);
    assert(isSame(bytes, BODY), `${name} has more than the body: ${stderr}`);
  }
});

Deno.test("download keeps all that came when it is aborted", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => [
    ...serve(asked, { body: BODY, lastModified: MODIFIED, cut: 100_000 }),
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
  const error = await failure(EXIT.interrupted, pending);
  assertStringIncludes(error.message, "has 100000 of 3000000 bytes, -C goes on");
  assertEquals(folder.names, ["f.part"]);
  assert(isSame(folder.bytes("f.part"), BODY.subarray(0, 100_000)));
  assertEquals(Deno.statSync(folder.file("f.part")).mtime, new Date(MODIFIED));
});

Deno.test("download keeps all that came when it takes too long", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => [
    ...serve(asked, { body: BODY, cut: 100_000 }),
    HOLD,
  ]);
  const options = { output: folder.file("f"), retry: 0, stallTimeout: 0.2 };
  await failure(EXIT.timeout, download(origin.url(), options));
  assert(isSame(folder.bytes("f.part"), BODY.subarray(0, 100_000)));
});

Deno.test("download leaves FILE as it was until the body is complete", async () => {
  await using folder = new Folder();
  const looked = Promise.withResolvers<void>();
  await using origin = new Origin((asked) => [
    ...serve(asked, { body: BODY, cut: CAME }),
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

Deno.test("download gives what replaces FILE its permissions", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
  const file = folder.write("f", "old");
  for (const mode of [0o600, 0o750]) {
    Deno.chmodSync(file, mode);
    await download(origin.url(), { output: file });
    assertEquals(Deno.statSync(file).mode! & 0o777, mode);
  }
});

Deno.test("download touches no FILE.part of an earlier run unless it is to resume", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
  folder.write("f.part", "from an earlier run");
  const error = await failure(
    EXIT.write,
    download(origin.url(), { output: folder.file("f") }),
  );
  assertStringIncludes(error.message, "-C goes on with it, or remove it");
  assertEquals([folder.names, folder.text("f.part")], [["f.part"], "from an earlier run"]);
});

Deno.test("download follows no link in the place of FILE.part", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: BODY }));
  folder.write("precious", "old");
  Deno.symlinkSync("precious", folder.file("f.part"));
  for (const resume of [false, true]) {
    const options = { output: folder.file("f"), resume };
    await failure(EXIT.write, download(origin.url(), options));
    assertEquals(folder.text("precious"), "old");
    assertEquals(folder.names, ["f.part", "precious"]);
  }
});

Deno.test("download removes FILE.part only if it made it and nothing came", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => serve(asked, { body: BODY, cut: 0 }));
  const options = { output: folder.file("f"), retry: 0 };
  await failure(EXIT.partial, download(origin.url(), options));
  assertEquals(folder.names, []);
  folder.write("f.part", "");
  await failure(EXIT.partial, download(origin.url(), { ...options, resume: true }));
  assertEquals(folder.names, ["f.part"]);
});

Deno.test("download with --no-clobber spares a file that came meanwhile", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) => {
    folder.write("f", "of another program");
    return serve(asked, { body: BODY });
  });
  const options = { output: folder.file("f"), clobber: false };
  await failure(EXIT.write, download(origin.url(), options));
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
      : cutAt(CAME, ["HTTP/1.0 200 OK\r\n\r\n", BODY])
  );
  const options = { output: folder.file("f"), maxFilesize: 1_234_567 };
  await failure(EXIT.size, download(origin.url("/announced"), options));
  assertEquals(folder.names, []);
  await failure(EXIT.size, download(origin.url("/endless"), options));
  assert(isSame(folder.bytes("f.part"), BODY.subarray(0, 1_234_567)));
  Deno.removeSync(folder.file("f.part"));
  const exact = { ...options, maxFilesize: CAME };
  assertEquals((await download(origin.url("/endless"), exact)).bytes, CAME);
});
