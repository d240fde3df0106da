/**
 * The options about the file, with good values and with bad ones.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { download } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { noise } from "../support/bytes.ts";
import { assertUsage, SHA256, testOption } from "../support/options.ts";
import { MODIFIED } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { some } from "../support/thorough.ts";

testOption("--output", "names the file of each URL, the others have their own", async (
  run,
  folder,
) => {
  folder.write("304", "old");
  const args = ["-H", 'If-None-Match: "1"', "-o", "a", "--output=b"];
  const { code, stderr } = await run(...args, "/text", "/200x", "/200y?query", "/304");
  assertEquals([code, folder.names], [EXIT.ok, ["200y", "304", "a", "b"]]);
  assertMatch(stderr, /^saved 200y .*\nnot modified: kept 304 \(3 bytes in .*\n$/m);
  assertEquals([folder.text("a"), folder.text("b")], ["text", "body of 200"]);
  assertUsage(await run("-o", "a", "-o", "b", "/text"), /2 --output for 1 URL/);
});

testOption("--output", "- gives the bytes alone, and the head to stderr", async (run) => {
  const { code, bytes, stderr, folder } = await run("-o", "-", "/size300000");
  assertEquals([code, bytes, folder.names], [EXIT.ok, noise(300_000), []]);
  assertMatch(stderr, /^HTTP\/1\.1 200 OK\n[^]*\nsaved to stdout \(300,000 bytes in \d/);
});

testOption("--continue", "goes on where a partial file ends", async (run, folder, origin) => {
  for (const continuing of ["-C", "--continue"]) {
    folder.write("f.part", noise(256).subarray(0, 100));
    writeRecord(folder, "f.part", { url: origin.url("/file"), total: 256 });
    const { code, asked, stderr } = await run(continuing, "--output", "f", "/file");
    assertEquals([code, folder.bytes("f")], [EXIT.ok, noise(256)], stderr);
    assertEquals(asked.map(({ headers }) => headers.get("range")), ["bytes=100-"]);
    assertEquals(asked[0]!.headers.get("if-range"), MODIFIED);
    assertEquals(folder.names, ["f"]);
  }
  for (const other of ["--no-clobber", "--range=0-9", "--remote-name"]) {
    assertUsage(await run("-C", other, "/file"), new RegExp(`--continue and ${other.slice(0, 7)}`));
  }
  assertUsage(await run("-C", "-o", "-", "/file"), /stdout/);
  assertUsage(await run("-C", "100", "/file"), /--continue takes no offset/);
});

testOption("--continue", "takes what another program left for a part of an older file", async (
  run,
  folder,
) => {
  folder.write("f", noise(256).subarray(0, 100)); // its time is now
  folder.write("g.part", noise(256).subarray(0, 100));
  const { code, asked } = await run("-C", "-o", "f", "-o", "g", "/file", "/file");
  assertEquals([code, folder.names], [EXIT.ok, ["f", "g"]]);
  for (const name of folder.names) assertEquals(folder.bytes(name), noise(256));
  const ranges = [null, "bytes=100-"];
  assertEquals(asked.map(({ headers }) => headers.get("range")), [...ranges, ...ranges]);
});

testOption("--no-clobber", "fails rather than replace a file", async (run, folder) => {
  folder.write("text", "old");
  const { code, stderr } = await run("--no-clobber", "/text", "/200x");
  assertEquals([code, folder.text("text")], [EXIT.write, "old"]);
  assertEquals(folder.text("200x"), "body of 200");
  assertStringIncludes(stderr, "fetch: cannot write text: it is there already");
});

testOption("--max-filesize", "takes bytes, K, M or G", async (run) => {
  for (const [size, limit] of [["999", 999], ["2K", 2048], ["1m", 1024 * 1024]] as const) {
    const urls = [`/size${limit}`, `/size${limit + 1}`];
    const { code, stderr, folder } = await run("--max-filesize", size, ...urls);
    assertEquals([code, folder.bytes(`size${limit}`).length], [EXIT.size, limit]);
    assertEquals(folder.names.includes(`size${limit + 1}`), false);
    assertMatch(stderr, /^saved .*\nfetch: larger than \d+ bytes \(--max-filesize\)\n$/);
    assertStringIncludes(stderr, `larger than ${limit} bytes`);
  }
  assertEquals((await run("--max-filesize=2G", "/text")).code, EXIT.ok);
  for (const bad of some(["5T", "1.5K", "-1", "many", "1e3"])) {
    assertUsage(await run("--max-filesize", bad, "/text"), /--max-filesize takes .*K, M or G/);
  }
});

testOption("--sha256", "checks the file, in small or capital digits", async (run, folder) => {
  const file = await crypto.subtle.digest("SHA-256", new Uint8Array(noise(256)));
  const capitals = new Uint8Array(file).toHex().toUpperCase();
  const digests = ["--sha256", SHA256, "--sha256", capitals];
  assertEquals((await run(...digests, "/text", "/file")).code, EXIT.ok);
  folder.write("text", "old");
  const { code, stderr } = await run("--sha256", SHA256.replace("9", "8"), "/text");
  assertEquals([code, folder.text("text")], [EXIT.checksum, "old"]);
  assertStringIncludes(stderr, `fetch: the SHA-256 is ${SHA256}, not 882d9e3e`);
  for (const bad of some([`${SHA256}0`, "abc", SHA256.replace("9", "g")])) {
    assertUsage(await run("--sha256", bad, "/text"), /--sha256 takes 64 hex digits, not /);
  }
});

testOption(
  "--sha256",
  "checks what was there before, and what goes to stdout",
  async (run, folder, origin) => {
    const digest = new Uint8Array(
      await crypto.subtle.digest("SHA-256", new Uint8Array(noise(256))),
    );
    assertEquals((await run("-o", "-", "--sha256", digest.toHex(), "/file")).code, EXIT.ok);
    folder.write("f.part", noise(256).subarray(0, 100));
    writeRecord(folder, "f.part", { url: origin.url("/file"), total: 256 });
    const options = { resume: true, sha256: digest.toHex(), output: folder.file("f") };
    await download(origin.url("/file"), options);
    assertEquals(origin.ranges(), [undefined, "bytes=100-"]);
  },
);

testOption(
  "--remote-time",
  "gives the file the time of Last-Modified",
  async (run, folder, origin) => {
    await run("-R", "-o", "remote", "-o", "none", "/file", "/text");
    await download(origin.url("/file"), { output: folder.file("local") });
    assertEquals(Deno.statSync(folder.file("remote")).mtime, new Date(MODIFIED));
    for (const name of ["local", "none"]) {
      const { mtime } = Deno.statSync(folder.file(name));
      assert(mtime!.getFullYear() > 2000, name);
    }
  },
);
