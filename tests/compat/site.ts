/**
 * The web site that all HTTP servers serve: files in a temporary folder.
 *
 * @module
 */
import { noise } from "../support/bytes.ts";
import { Folder } from "../support/folder.ts";
import { ROOT, run } from "../support/process.ts";

/** The folder of this suite. */
export const HERE = `${ROOT}tests/compat/`;

/** A web site; disposing of it removes it. */
export interface Site extends AsyncDisposable {
  /** Its folder. */
  readonly folder: string;
  /** The bytes of each file. */
  readonly files: Readonly<Record<string, Uint8Array>>;
}

/** The size of big.bin in bytes: no buffer of fetch.ts or of a server holds all of it. */
export const BIG = 2_000_000;

/** Long ago: servers do not resume by a Last-Modified of this minute (RFC 9110 8.8.2.2). */
export const CHANGED = new Date("2020-02-02T20:20:20Z");

/** Makes the web site. */
export async function makeSite(): Promise<Site> {
  const made = new Folder("site"), folder = made.path;
  const encode = (text: string) => new TextEncoder().encode(text);
  const text = noise(100_000).toHex(); // gzip halves it
  const files = {
    "index.html": encode("<p>你好，世界！</p>\r\n\r\n".repeat(5000)),
    "small.txt": encode("A small file.\r\nIts last line has no end."),
    "big.bin": noise(BIG),
    "empty.bin": new Uint8Array(),
    "text.txt": encode(text),
    "packed.txt": encode("Who reads this was not served packed.txt.gz.\n"),
    "a b.txt": encode("A name with a space.\n"),
    "中文.txt": encode("你好！\n"),
    "50% off.txt": encode("A name with a percent sign.\n"),
    "folder/index.html": encode("<p>The index of the folder.\n"),
  };
  await Deno.mkdir(`${folder}/folder`);
  await Deno.mkdir(`${folder}/cgi-bin`);
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.writeFile(`${folder}/${name}`, bytes);
    await Deno.utime(`${folder}/${name}`, CHANGED, CHANGED);
  }
  await Deno.symlink(".", `${folder}/old`);
  const gzip = await run("gzip", ["--stdout", "text.txt"], { cwd: folder });
  await Deno.writeFile(`${folder}/packed.txt.gz`, gzip.bytes);
  await Deno.writeTextFile(
    `${folder}/cgi-bin/query`,
    `#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n%s' "$QUERY_STRING"\n`,
  );
  await Deno.writeTextFile(
    `${folder}/cgi-bin/generated`,
    `#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\ncat ../text.txt\n`,
  );
  // Apache httpd, started by root, reads and runs them as another user.
  await run("chmod", ["-R", "a+rX", folder]);
  await run("chmod", ["a+x", "cgi-bin/query", "cgi-bin/generated"], {
    cwd: folder,
  });
  return { folder, files, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}

/** A web site that is made before the tests of a file, and removed after them. */
export function siteOfFile(): () => Site {
  let site: Site;
  Deno.test.beforeAll(async () => {
    site = await makeSite();
  });
  Deno.test.afterAll(async () => {
    await site[Symbol.asyncDispose]();
  });
  return () => site;
}
