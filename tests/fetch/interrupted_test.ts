/**
 * Signals and connections that break: what came is there, and -C goes on.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { EXIT } from "../../mod.ts";
import { isPrefix, isSame } from "../support/bytes.ts";
import { runFetch, startFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { HOLD, MODIFIED, Origin, serveResource } from "../support/origin.ts";
import { BODY, CAME, stalling, WAYS } from "../support/output.ts";
import { run } from "../support/process.ts";
import { response } from "../support/replies.ts";

/** Without looking there is nothing to promise: `-C` says which read access it needs. */
function assertNeedsRead(code: number, stderr: string) {
  assertEquals(code, EXIT.permission, stderr);
  assertMatch(stderr, /^fetch: read access to "f\.part" is not granted \(run: .*\)\n$/);
  assertMatch(stderr, / --allow-read=f,f\.part,f\.part\.json /);
}

for (const { how, partial, written, permissions, says, assertLeft } of WAYS) {
  Deno.test(`fetch.ts ${how} killed by -9 leaves what came, and -C goes on`, async () => {
    await using folder = new Folder();
    await using origin = stalling();
    folder.write("f", "old");
    {
      await using killed = startFetch(folder, permissions, ["-o", "f", origin.url()]);
      await folder.grown(written, CAME / 2);
      await killed.stop("SIGKILL");
    }
    assertLeft(folder);
    const { size } = Deno.statSync(folder.file(written));
    const args = ["-C", "-o", "f", origin.url()];
    const { code, stdout, stderr } = await runFetch(folder, args, { permissions });
    if (!partial) return assertNeedsRead(code, stderr);
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
    await using child = startFetch(folder, permissions, ["-o", "f", origin.url()]);
    await folder.grown(written, CAME / 2);
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
    assertLeft(folder);
    const { size } = Deno.statSync(folder.file(written));
    assertMatch(child.stderr, says("interrupted", size));
    const { code, stderr } = await runFetch(folder, ["-C", "-o", "f", origin.url()], {
      permissions,
    });
    if (!partial) return assertNeedsRead(code, stderr);
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
    await using child = startFetch(folder, permissions, ["-o", "f", origin.url()]);
    await asked.promise;
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
    assertEquals(child.stderr, "fetch: interrupted\n");
    assertEquals([folder.names, folder.text("f")], [["f"], "old"]);
  });

  Deno.test(`fetch.ts ${how} interrupted between two tries ends at once`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(() => response("503 Busy", "", ["Retry-After: 1000"]));
    folder.write("f", "old");
    await using child = startFetch(folder, permissions, ["-o", "f", origin.url()]);
    await child.heard("stderr", /in 1000 s\n/);
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
    assertEquals([folder.names, folder.text("f")], [["f"], "old"]);
  });

  Deno.test(`fetch.ts ${how} keeps what came when the connection ends early`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) =>
      serveResource(asked, { body: BODY, lastModified: MODIFIED, cut: CAME })
    );
    folder.write("f", "old");
    const args = ["--retry=0", "-o", "f", origin.url()];
    const { code, stderr } = await runFetch(folder, args, { permissions });
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
    const { code, stderr } = await runFetch(folder, args, { permissions });
    server.close();
    assertEquals(code, EXIT.broken, stderr);
    assertMatch(stderr, /^fetch: the connection broke: Connection reset by peer\b/);
    if (folder.names.length > 0) assert(isPrefix(folder.bytes(written), BODY));
  });

  Deno.test(`fetch.ts ${how} waiting for a pipe's reader can be interrupted`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked) => serveResource(asked, { body: BODY }));
    await run("mkfifo", [folder.file("f")]);
    await using child = startFetch(folder, permissions, ["-o", "f", origin.url()]);
    await child.heard("stdout", /Content-Length: 3000000\n/);
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
  });
}
